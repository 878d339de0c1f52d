// The ledger of a session's people, when its file is in trouble.
#include <gtest/gtest.h>

#include <filesystem>
#include <future>

#include "../support/notebook_formats.hpp"
#include "session/ledger.hpp"

namespace lectern::session {
namespace {

namespace fs = std::filesystem;

TEST(LedgerTest, WhatCannotBeReadIsNotBegunAnew) {
  const test::TemporaryFolder folder;
  document::JournalWriter writer;
  {
    auto opened = Ledger::open(writer, folder.path(), 16);
    ASSERT_TRUE(opened.has_value());
    Client client;
    client.id = "known";
    std::promise<Status> kept;
    opened->ledger->client(client, [&](Status status) { kept.set_value(std::move(status)); });
    ASSERT_TRUE(kept.get_future().get().has_value());
  }
  // A folder where the file should be: it exists, and reading it fails.
  fs::rename(folder / "people.lj", folder / "aside");
  fs::create_directory(folder / "people.lj");
  const auto refused = Ledger::open(writer, folder.path(), 16);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, "journal_unreadable");
  fs::remove(folder / "people.lj");
  fs::rename(folder / "aside", folder / "people.lj");
  const auto again = Ledger::open(writer, folder.path(), 16);
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(again->state.clients.contains("known"));
}

// What a policy remembers is written anew with everything it decides.
TEST(LedgerTest, TheFileOfASessionThatGoesOnForEverStaysSmall) {
  const test::TemporaryFolder folder;
  document::JournalWriter writer;
  {
    auto opened = Ledger::open(writer, folder.path(), 16);
    ASSERT_TRUE(opened.has_value());
    for (int i = 0; i < 300; ++i) opened->ledger->policy('"' + std::to_string(i) + std::string(60'000, 'p') + '"');
    Client client;
    client.id = "last";
    std::promise<Status> kept;
    opened->ledger->client(client, [&](Status status) { kept.set_value(std::move(status)); });
    ASSERT_TRUE(kept.get_future().get().has_value());
  }
  EXPECT_LT(fs::file_size(folder / "people.lj"), 6u << 20);
  const auto again = Ledger::open(writer, folder.path(), 16);
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(again->state.policy.starts_with("\"299p"));
  EXPECT_TRUE(again->state.clients.contains("last"));
}

// A history may begin anew then.
TEST(LedgerTest, KnowsWhetherEverybodyHadLeftAndForgetsItWithTheNextSession) {
  const test::TemporaryFolder folder;
  document::JournalWriter writer;
  const auto left = [&](bool leave) {
    auto opened = Ledger::open(writer, folder.path(), 16);
    if (!opened) return !leave;
    if (leave) opened->ledger->left();
    return opened->state.left;
  };
  EXPECT_FALSE(left(true));
  EXPECT_TRUE(left(false));
  EXPECT_FALSE(left(false)) << "the session in between died";
}

}  // namespace
}  // namespace lectern::session
