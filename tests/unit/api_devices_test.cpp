// Tokens of paired devices at the gate, and how what runs under one ends.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/device_watch.hpp"
#include "api/gate.hpp"
#include "base/loop.hpp"
#include "base/workers.hpp"
#include "presence/pairing.hpp"

namespace lectern::api {
namespace {

namespace fs = std::filesystem;
using presence::DeviceCredentials;

presence::PairingParty party(char digit, const std::string& name, const std::string& grants) {
  return {std::string(32, digit), name, std::string(64, digit), std::string(64, digit), grants};
}

class DevicesTest : public ::testing::Test {
 protected:
  DevicesTest() {
    std::string pattern = (fs::temp_directory_path() / "lectern-devices-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    devices_ = std::move(*DeviceCredentials::open(folder_));
  }
  ~DevicesTest() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  /// The token the phone uses here from now on.
  std::string pair(const std::string& scope) {
    const auto laptop = party('a', "laptop", scope), phone = party('b', "phone", "view");
    const auto keys = presence::pairing_keys(presence::new_pairing_code(), laptop, phone);
    EXPECT_TRUE(devices_->put(presence::paired_device(laptop, phone, keys.offering_token, keys.accepting_token, 1)));
    return keys.accepting_token;
  }
  [[nodiscard]] GateOptions gate(const std::string& server_token) const {
    GateOptions out;
    out.token = server_token;
    out.devices = devices_.get();
    return out;
  }
  static Request with(const std::string& token) {
    Request out;
    out.method = "GET";
    out.path = "/api/v1/info";
    out.headers = {{"Host", "localhost:8899"}, {"Authorization", "Bearer " + token}};
    out.peer = "203.0.113.9";
    return out;
  }
  const std::string phone_ = "device:" + std::string(32, 'b');
  fs::path folder_;
  std::unique_ptr<DeviceCredentials> devices_;
};

TEST_F(DevicesTest, APairedDeviceComesInWithItsScopeAndItsName) {
  const auto token = pair("interact");
  Gate closed(gate("the-server-token"));
  const auto access = closed.authenticate(with(token));
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_EQ(access->scope, Scope::interact);
  EXPECT_EQ(access->principal, phone_);
  EXPECT_EQ(access->device, "phone");
  EXPECT_EQ(access->session, "");
  ASSERT_TRUE(devices_->revoke(std::string(32, 'b')));
  EXPECT_EQ(closed.authenticate(with(token)).error().status, 401);
}

TEST_F(DevicesTest, WhereEverybodyIsLetInItStillGetsNoMoreThanItsScope) {
  const auto token = pair("view");
  Gate open(gate(""));
  EXPECT_EQ(open.authenticate(with(token))->scope, Scope::view);
  ASSERT_TRUE(devices_->revoke(std::string(32, 'b')));
  EXPECT_EQ(open.authenticate(with(token)).error().status, 401);
}

// An address is kept and handed on; and the cookie that ?token= is swapped for is the owner's.
TEST_F(DevicesTest, ItsTokenCountsInTheHeaderAlone) {
  const auto token = pair("view");
  Gate closed(gate("the-server-token"));
  auto in_address = with("");
  in_address.headers.pop_back();
  in_address.query = "token=" + token;
  EXPECT_EQ(closed.authenticate(in_address).error().status, 401);
  EXPECT_FALSE(closed.token_in_query(in_address));
}

TEST_F(DevicesTest, WhatAnotherHostOfTheDeviceEndedEndsHereWithinTheLease) {
  pair("edit");
  Loop loop("test");
  Workers workers(1);
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> ended;
  DeviceWatch watch(
      *devices_, loop, workers,
      [&](const std::string& principal) {
        const std::scoped_lock lock(mutex);
        ended.push_back(principal);
        changed.notify_all();
      },
      std::chrono::milliseconds(5));
  ASSERT_TRUE((*DeviceCredentials::open(folder_))->revoke(std::string(32, 'b')));
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return !ended.empty(); }));
  EXPECT_EQ(ended, std::vector<std::string>{phone_});
  lock.unlock();
  watch.stop();
}

TEST_F(DevicesTest, WhatThisHostEndsHasEndedWhenLookReturns) {
  pair("edit");
  Loop loop("test");
  Workers workers(1);
  std::vector<std::string> ended;
  DeviceWatch watch(
      *devices_, loop, workers, [&](const std::string& principal) { ended.push_back(principal); },
      std::chrono::hours(1));
  watch.look();
  EXPECT_TRUE(ended.empty());
  pair("view");
  watch.look();
  EXPECT_EQ(ended.size(), 1u) << "paired again: the former token is void, and with it what it opened";
  ASSERT_TRUE(devices_->revoke(std::string(32, 'b')));
  watch.look();
  EXPECT_EQ(ended.size(), 2u);
  watch.stop();
  pair("view");
  ASSERT_TRUE(devices_->revoke(std::string(32, 'b')));
  watch.look();
  EXPECT_EQ(ended.size(), 2u) << "stopped";
}

TEST(PaceTest, SoManyAtOnceForEachPeer) {
  Pace pace(3);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(pace.exhausted("a", true)) << i;
  EXPECT_TRUE(pace.exhausted("a", true));
  EXPECT_TRUE(pace.exhausted("a", false));
  EXPECT_FALSE(pace.exhausted("b", true));
}

}  // namespace
}  // namespace lectern::api
