// What killed hosts leave in the folder of presence-local, and who clears it away.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "presence_contract_support.hpp"

namespace lectern::presence {
namespace {

using testing::Store;
namespace fs = std::filesystem;

class LocalHomes : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = store_.start(); !why.empty()) GTEST_SKIP() << why;
    reader_ = *store_.open();
  }
  fs::path make(const std::string& home, const std::vector<std::string>& files) {
    auto folder = store_.root() / "v1" / home;
    fs::create_directories(folder);
    for (const auto& file : files) std::ofstream(folder / file) << "{}";
    return folder;
  }
  std::size_t rejected() {
    const auto found = reader_->snapshot();
    EXPECT_TRUE(found.has_value()) << found.error().message;
    return found ? found->rejected.size() : 99;
  }
  Store store_{"presence-local"};
  testing::Backend reader_;
};

TEST_F(LocalHomes, OneWhoseHostWasKilledInAWriteGoes) {
  const auto killed = make("00112233445566aa", {"lock", "dev-a.b.json", ".dev-a.b.json.0011223344556677.tmp"});
  const auto stuck = make("00112233445566bb", {".dev-a.b.json.0011223344556677.tmp"});
  EXPECT_EQ(rejected(), 0u);
  EXPECT_FALSE(fs::exists(killed));
  EXPECT_FALSE(fs::exists(stuck));
}

TEST_F(LocalHomes, OneThatNeverGotItsNameGoesWhenItIsOld) {
  const auto empty = make(".00112233445566aa", {}), locked = make(".00112233445566bb", {"lock"});
  EXPECT_EQ(rejected(), 0u);
  EXPECT_TRUE(fs::exists(empty) && fs::exists(locked)) << "somebody may be making them";
  for (const auto& home : {empty, locked}) {
    fs::last_write_time(home, fs::file_time_type::clock::now() - std::chrono::hours(1));
  }
  EXPECT_EQ(rejected(), 0u);
  EXPECT_FALSE(fs::exists(empty));
  EXPECT_FALSE(fs::exists(locked));
}

TEST_F(LocalHomes, WhatNoHostWroteStays) {
  const auto foreign = make("mine", {".x.tmp"}), odd = make("00112233445566aa", {"notes.txt"});
  const auto hidden = make(".mine", {});
  fs::last_write_time(hidden, fs::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_EQ(rejected(), 2u) << "told of, not removed";
  EXPECT_TRUE(fs::exists(foreign / ".x.tmp") && fs::exists(odd / "notes.txt") && fs::exists(hidden));
}

}  // namespace
}  // namespace lectern::presence
