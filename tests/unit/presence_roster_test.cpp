// The rules of the list of remote sessions: what is listed, and how it is reached.
#include "presence_roster_support.hpp"

namespace lectern::presence::testing {
namespace {

TEST_F(RosterTest, ShowsWhatProtocol6Says) {
  see({record_of(clock_, "dev-a", "s1")});
  ASSERT_EQ(roster_.rows().size(), 1u);
  const auto& row = roster_.rows().front();
  EXPECT_EQ(row.session_id, "s1");
  EXPECT_EQ(row.device_name, "Laptop");
  EXPECT_EQ(row.status, "busy");
  EXPECT_TRUE(row.dialable);
  EXPECT_EQ(roster_.find("s1"), &row);
  EXPECT_EQ(roster_.find("s2"), nullptr);
}

TEST_F(RosterTest, NothingInNothingOut) {  // I7
  see({});
  EXPECT_TRUE(roster_.rows().empty());
  EXPECT_EQ(roster_.revision(), 0u);
}

TEST_F(RosterTest, ARecordNobodyHereMayDialIsNotListed) {  // I1
  auto record = record_of(clock_, "dev-a", "s1");
  for (const auto& [scheme, address, scope] :
       {std::tuple("", "", ""), std::tuple("ssh", "host:22", "lan"), std::tuple("ws", "   ", "lan"),
        std::tuple("ws", "127.0.0.1:8899", "lan"), std::tuple("ws", "host:8899", "loopback"),
        std::tuple("ws", "[::1]:8899", "lan"), std::tuple("ws", "169.254.169.254:80", "lan"),
        std::tuple("ws", "224.0.0.1:80", "lan"), std::tuple("ws", "[fe80::1]:80", "lan"),
        std::tuple("ws", "host:8899/?token=abc", "lan"), std::tuple("ws", "user@host:1", "lan"),
        std::tuple("ws", "[::ffff:127.0.0.1]:80", "lan")}) {
    record.endpoints = {{scheme, address, scope, {}, 0}};
    ++record.seq;
    see({record});
    EXPECT_TRUE(roster_.rows().empty()) << scheme << " " << address;
  }
}

TEST_F(RosterTest, ALoopbackEndpointCountsOnTheSameMachineOnly) {
  auto record = record_of(clock_, "dev-a", "s1");
  record.endpoints = {{"ws", "127.0.0.1:8899", "loopback", {}, 0}};
  see({record});
  EXPECT_TRUE(roster_.rows().empty());
  record.machine = "my-machine";
  ++record.seq;
  see({record});
  EXPECT_EQ(roster_.rows().size(), 1u);
  Roster unknown({"me", ""});
  record.machine = "";
  unknown.observe("folder", {{"x", write_record(record)}}, lag, clock_.now);
  unknown.refresh(clock_.now);
  EXPECT_TRUE(unknown.rows().empty()) << "two machines without an id are not the same machine";
}

TEST_F(RosterTest, ADeviceIsReachedAtItsHostThatWasUsedLastAlsoWithoutSessions) {
  EXPECT_FALSE(roster_.host_of("dev-a", clock_.now)) << "nobody was heard of";
  auto first = record_of(clock_, "dev-a", "s1"), second = first, idle = first, own = first;
  second.instance_id = "boot2";
  second.sessions[0].updated_at_ms += 1;
  second.endpoints[0].address = "10.0.0.8:8899";
  idle.instance_id = "boot3";
  idle.sessions.clear();
  idle.device_name = "Idle";
  own.device_id = "me";
  const auto see_all = [&] {
    std::vector<FoundRecord> found;
    for (auto* one : {&first, &second, &idle, &own}) {
      ++one->seq;
      found.push_back({one->device_id + one->instance_id, write_record(*one)});
    }
    roster_.observe("folder", found, lag, clock_.now);
  };
  const auto at = [&] {
    const auto row = roster_.host_of("dev-a", clock_.now);
    return row ? row->instance_id + " " + row->endpoints->at(0).address : std::string();
  };
  see_all();
  EXPECT_EQ(at(), "boot2 10.0.0.8:8899");
  EXPECT_FALSE(roster_.host_of("me", clock_.now)) << "never ourselves";
  EXPECT_FALSE(roster_.host_of("dev-", clock_.now));
  second.state = InstanceState::draining;
  see_all();
  EXPECT_EQ(at(), "boot1 10.0.0.7:8899") << "nothing is begun at one that ends";
  first.endpoints = {{"ws", "127.0.0.1:8899", "loopback", {}, 0}};
  see_all();
  EXPECT_EQ(at(), "boot3 10.0.0.7:8899") << "loopback of another machine is not its host";
  const auto row = roster_.host_of("dev-a", clock_.now);
  EXPECT_EQ(row->session_id, "");
  EXPECT_EQ(row->device_name, "Idle");
  pass(ttl + lag + 2'000);
  EXPECT_EQ(at(), "") << "stale";
}

TEST_F(RosterTest, SeveralSessionsOfOneHostAreSeveralRowsNewestFirst) {  // I5
  auto record = record_of(clock_, "dev-a", "old");
  record.sessions.push_back({"new", {}, "B", "idle", true, clock_.now.wall_ms + 5'000});
  record.sessions.push_back({"middle", {}, "C", "idle", false, clock_.now.wall_ms + 1});
  clock_.pass(10'000);
  see({record});
  ASSERT_EQ(roster_.rows().size(), 3u);
  EXPECT_EQ(roster_.rows()[0].session_id, "new");
  EXPECT_TRUE(roster_.rows()[0].needs_input);
  EXPECT_EQ(roster_.rows()[2].session_id, "old");
  auto silent = record_of(clock_, "dev-b", "s");
  silent.sessions.clear();
  see({record, silent});
  EXPECT_EQ(roster_.rows().size(), 3u);
  const auto devices = roster_.devices(clock_.now);
  ASSERT_EQ(devices.size(), 2u) << "a device without sessions is there too";
  EXPECT_EQ(devices[0].sessions, 3u);
  EXPECT_EQ(devices[1].sessions, 0u);
}

TEST_F(RosterTest, LookupAgreesWithTheList) {  // I6
  std::vector<Record> records;
  for (int i = 0; i < 300; ++i) {
    records.push_back(record_of(clock_, "dev-" + std::to_string(i), "s" + std::to_string(i)));
  }
  see(records);
  ASSERT_EQ(roster_.rows().size(), 300u);
  for (const auto& row : roster_.rows()) EXPECT_EQ(roster_.find(row.session_id), &row);
}

TEST_F(RosterTest, NoChangeNoEvent) {  // I8
  const auto record = record_of(clock_, "dev-a", "s1");
  see({record});
  const auto revision = roster_.revision();
  for (int i = 0; i < 10; ++i) {
    clock_.pass(2'000);
    see({record});
  }
  auto beat = record;
  ++beat.seq;
  see({beat});
  EXPECT_EQ(roster_.revision(), revision) << "a beat alone changes nothing that is shown";
}

TEST_F(RosterTest, ASecondBackendIsAsGoodAsTheFirst) {  // F24
  const auto seq = std::make_shared<std::uint64_t>(0);
  Publisher local({"dev-a", "Laptop", "boot1", "other"}, 1'000, 500, seq);
  Publisher folder({"dev-a", "Laptop", "boot1", "other"}, lag, 1'000, seq);
  for (auto* one : {&local, &folder}) {
    one->set_endpoints({{"wss", "10.0.0.7:8899", "lan", {}, 0}});
    one->set_sessions({{"s1", {}, "A", "idle", false, 1}});
  }
  std::string local_text, folder_text;
  const auto beat = [&](bool local_works) {
    if (auto record = folder.due(clock_.now)) folder_text = *record;
    if (auto record = local.due(clock_.now); record && local_works) local_text = *record;
    if (local_works) roster_.observe("local", {{"x", local_text}}, 1'000, clock_.now);
    roster_.observe("folder", {{"y", folder_text}}, lag, clock_.now);
    roster_.refresh(clock_.now);
  };
  for (int i = 0; i < 100; ++i) {
    beat(true);
    clock_.pass(2'000);
  }
  ASSERT_EQ(roster_.rows().size(), 1u);
  for (int i = 0; i < 300; ++i) {
    beat(false);
    ASSERT_EQ(roster_.rows().size(), 1u) << i;
    ASSERT_FALSE(roster_.rows()[0].stale) << "the first backend had higher numbers, " << i;
    clock_.pass(2'000);
  }
}

}  // namespace
}  // namespace lectern::presence::testing
