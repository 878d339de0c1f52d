// Several hosts with several backends at once, each with the threads it has in a server.
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/clock.hpp"
#include "presence/service.hpp"
#include "presence_contract_support.hpp"

namespace lectern::presence {
namespace {

using testing::Backend;
using testing::Store;
using namespace std::chrono_literals;

/// One host's presence in some stores.
struct Host {
  Host(const std::string& device, const std::string& machine, const std::vector<Store*>& stores)
      : service({device, "Name of " + device, machine, 50, "boot of " + machine}) {
    for (auto* store : stores) service.add_backend(*store->open());
    service.on_changed([this] {
      const std::scoped_lock lock(mutex);
      changed.notify_all();
    });
    service.set_endpoints({{"wss", "10.0.0.1:8899", "lan", {}, 0}});
  }
  void live(const std::string& session) { service.set_sessions({{session, {}, session, "idle", false, 1}}); }
  bool wait_for(const std::vector<std::string>& sessions) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 60s, [&] {
      const auto rows = service.remote_sessions();
      std::vector<std::string> ids;
      ids.reserve(rows.size());
      for (const auto& row : rows) ids.push_back(row.session_id);
      std::sort(ids.begin(), ids.end());
      return ids == sessions;
    });
  }
  std::mutex mutex;
  std::condition_variable changed;
  Service service;  // last: its threads use the others
};

TEST(PresenceService, TwoHostsOfOneDeviceSeeEachOtherOnThisMachineAndNeverThemselves) {
  Store local("presence-local");
  Host one("dev-a", "machine-a", {&local});
  one.live("s1");
  one.service.start();
  {
    Host two("dev-a", "machine-a", {&local});
    two.live("s2");
    two.service.start();
    EXPECT_TRUE(one.wait_for({"s2"})) << one.service.json();
    EXPECT_TRUE(two.wait_for({"s1"})) << two.service.json();
    two.service.set_attached({{"s1", {}}});
    EXPECT_TRUE(two.wait_for({})) << "what is attached here is no remote session";
  }
  EXPECT_TRUE(one.wait_for({})) << one.service.json();
}

TEST(PresenceService, TheSameThroughASyncedFolderIsOurOwnAndNotListed) {
  Store folder("presence-folder"), local("presence-local");
  Host one("dev-a", "machine-a", {&folder, &local});
  Host two("dev-a", "machine-a", {&folder});
  Host three("dev-b", "machine-b", {&folder});
  two.live("s2");
  three.live("s3");
  one.service.start();
  two.service.start();
  three.service.start();
  EXPECT_TRUE(one.wait_for({"s3"})) << one.service.json();
  EXPECT_TRUE(three.wait_for({"s2"})) << three.service.json();
}

TEST(PresenceService, OneHostInSeveralStoresIsOneRow) {  // F24
  Store folder("presence-folder"), local("presence-local"), redis("presence-redis");
  ASSERT_EQ(redis.start(), "");
  Host reader("dev-a", "machine-a", {&folder, &local, &redis});
  reader.service.start();
  {
    Host writer("dev-b", "machine-b", {&redis, &folder, &local});
    writer.live("s1");
    writer.service.start();
    ASSERT_TRUE(reader.wait_for({"s1"})) << reader.service.json();
    redis.take_away();
    writer.live("s2");
    EXPECT_TRUE(reader.wait_for({"s2"})) << "whichever fails, the others tell: " << reader.service.json();
    const auto until = std::chrono::steady_clock::now() + 60s;
    const auto failing = [&] {
      return reader.service.json().find("presence-redis\",\"ok\":false") != std::string::npos;
    };
    while (!failing() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_TRUE(failing()) << reader.service.json();
  }
  EXPECT_TRUE(reader.wait_for({})) << reader.service.json();
}

TEST(PresenceService, NothingIsSaidOfAHostThatIsGoneWhereNobodyListsIt) {
  Store local("presence-local");
  Host one("dev-a", "machine-a", {&local});
  one.service.start();
  auto other = *local.open();
  Record record;
  record.device_id = "dev-a";
  record.instance_id = "boot9";
  record.machine = "machine-a";
  record.seq = 1;
  record.ttl_ms = 60'000;
  record.written_at_ms = clock::wall_ms();
  record.endpoints = {{"wss", "10.0.0.1:8899", "lan", {}, 0}};
  record.sessions = {{"s9", {}, "s9", "idle", false, 1}};
  ASSERT_TRUE(other->publish(record.device_id, record.instance_id, write_record(record)).has_value());
  ASSERT_TRUE(one.wait_for({"s9"})) << one.service.json();
  other.reset();  // and its home with it
  ASSERT_TRUE(one.wait_for({})) << one.service.json();
  // The poll that found it gone has also looked for leftovers by now.
  const auto snapshot = (*local.open())->snapshot();
  ASSERT_TRUE(snapshot.has_value()) << snapshot.error().message;
  for (const auto& found : snapshot->records) EXPECT_EQ(found.record.find("boot9"), std::string::npos) << found.origin;
}

TEST(PresenceService, ABackendThatCouldNotBeOpenedIsTold) {
  Store local("presence-local");
  Host one("dev-a", "machine-a", {&local});
  one.service.add_unavailable("presence-odd", "there is no such place");
  const auto backends = one.service.backends();
  ASSERT_EQ(backends.size(), 2u);
  EXPECT_FALSE(backends[1].ok);
  EXPECT_NE(one.service.json().find("there is no such place"), std::string::npos);
}

}  // namespace
}  // namespace lectern::presence
