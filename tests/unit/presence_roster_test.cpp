// The rules of the list of remote sessions, on a clock of the test's own.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "presence/publisher.hpp"
#include "presence/roster.hpp"

namespace lectern::presence {
namespace {

constexpr std::int64_t lag = 15'000;
constexpr std::int64_t ttl = 120'000;

struct Clock {
  Now now{1'000'000, 1'800'000'000'000};
  void pass(std::int64_t ms) {
    now.monotonic_ms += ms;
    now.wall_ms += ms;
  }
};

Record record_of(const Clock& clock, std::string device, std::string session, std::uint64_t seq = 1) {
  Record record;
  record.device_id = std::move(device);
  record.device_name = "Laptop";
  record.instance_id = "boot1";
  record.seq = seq;
  record.ttl_ms = ttl;
  record.written_at_ms = clock.now.wall_ms;
  record.machine = "other-machine";
  record.endpoints = {{"wss", "10.0.0.7:8899", "lan", {"pairing"}, 1}};
  record.sessions = {{std::move(session), {}, "Analysis", "busy", false, clock.now.wall_ms}};
  return record;
}

class RosterTest : public ::testing::Test {
 protected:
  void see(const std::vector<Record>& records) {
    std::vector<FoundRecord> found;
    for (const auto& record : records) found.push_back({record.device_id, write_record(record)});
    roster_.observe("folder", found, lag, clock_.now);
    roster_.refresh(clock_.now);
  }
  /// Looks every two seconds, as the service does.
  void pass(std::int64_t ms) {
    for (; ms > 0; ms -= 2'000) {
      clock_.pass(std::min<std::int64_t>(ms, 2'000));
      roster_.refresh(clock_.now);
    }
  }
  Clock clock_;
  Roster roster_{{"me", "my-machine"}};
};

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

TEST_F(RosterTest, NeverATwinOfALocalSession) {  // I2
  auto record = record_of(clock_, "dev-a", "remote-1");
  record.sessions[0].lineage = {"root", "middle", "tip"};
  for (const auto& id : {"remote-1", "root", "middle", "tip"}) {
    roster_.set_local({{id, {}}});
    ++record.seq;
    see({record});
    EXPECT_TRUE(roster_.rows().empty()) << id;
    roster_.set_local({});
    EXPECT_TRUE(roster_.refresh(clock_.now)) << "and it is back when the local one is gone";
    EXPECT_EQ(roster_.rows().size(), 1u);
  }
  roster_.set_local({{"local", {"middle"}}});
  roster_.refresh(clock_.now);
  EXPECT_TRUE(roster_.rows().empty()) << "the local one's own lineage counts too";
}

TEST_F(RosterTest, NeverOurOwn) {  // I3
  see({record_of(clock_, "me", "s1")});
  EXPECT_TRUE(roster_.rows().empty());
}

TEST_F(RosterTest, AnyOrderOfRecordsGivesTheSameList) {  // I4
  std::vector<Record> records;
  for (int device = 0; device < 5; ++device) {
    for (int session = 0; session < 4; ++session) {
      auto record = record_of(clock_, "dev-" + std::to_string(device), "s" + std::to_string(session));
      record.instance_id = "boot" + std::to_string(session % 2);
      record.seq = static_cast<std::uint64_t>(session);
      record.sessions[0].title = record.device_id;
      record.sessions[0].updated_at_ms -= (device * 7 + session) % 5 * 1000;
      records.push_back(record);
    }
  }
  std::mt19937 random(1);
  std::optional<std::vector<RemoteSession>> first;
  for (int round = 0; round < 50; ++round) {
    std::shuffle(records.begin(), records.end(), random);
    Roster roster({"me", "my-machine"});
    std::vector<FoundRecord> found;
    for (const auto& record : records) found.push_back({"x", write_record(record)});
    roster.observe("folder", found, lag, clock_.now);
    roster.refresh(clock_.now);
    if (!first) first = roster.rows();
    ASSERT_EQ(roster.rows(), *first);
  }
  std::vector<std::string> ids;
  for (const auto& row : *first) ids.push_back(row.session_id);
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end()) << "one row per session";
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

TEST_F(RosterTest, OneBadRecordHurtsNobodyElse) {  // I21
  const auto good = write_record(record_of(clock_, "dev-a", "s1"));
  const std::vector<FoundRecord> found{{"a", good},
                                       {"b", good.substr(0, good.size() / 2)},
                                       {"c", ""},
                                       {"d", "[]"},
                                       {"e", "{\"schema\":99}"},
                                       {"f", "\xff\xfe"},
                                       {"g", std::string(100, '[')},
                                       {"h", "{\"schema\":1,\"device_id\":\"../x\"}"},
                                       {"i", std::string(300'000, ' ')},
                                       {"j", "{\"schema\":1,\"device_id\":\"d\",\"instance_id\":\"i\",\"seq\":-1}"},
                                       {"k", "{\"schema\":1,\"device_id\":\"d\",\"instance_id\":\"i\",\"seq\":NaN}"}};
  roster_.observe("folder", found, lag, clock_.now);
  roster_.refresh(clock_.now);
  EXPECT_EQ(roster_.rows().size(), 1u);
  EXPECT_EQ(roster_.rejected().size(), 10u);
  for (const auto& rejected : roster_.rejected()) EXPECT_FALSE(rejected.reason.empty());
}

TEST_F(RosterTest, ASilentWriterGoesStaleThenAway) {  // I25
  see({record_of(clock_, "dev-a", "s1")});
  pass(ttl + lag);
  EXPECT_FALSE(roster_.rows().at(0).stale);
  EXPECT_LE(roster_.next_change_ms(clock_.now), clock_.now.monotonic_ms + 1);
  pass(2'000);
  ASSERT_EQ(roster_.rows().size(), 1u);
  EXPECT_TRUE(roster_.rows().at(0).stale);
  pass(ttl + lag);
  EXPECT_TRUE(roster_.rows().empty());
}

TEST_F(RosterTest, ALiveSilentSessionStaysForTenTtls) {  // I24
  Publisher publisher({"dev-a", "Laptop", "boot1", "other-machine"}, lag, 1'000);
  publisher.set_endpoints({{"wss", "10.0.0.7:8899", "lan", {}, 0}});
  publisher.set_sessions({{"s1", {}, "A", "idle", false, clock_.now.wall_ms}});
  std::string file;
  const auto until = clock_.now.monotonic_ms + 10 * publisher.ttl_ms();
  while (clock_.now.monotonic_ms < until) {
    if (auto record = publisher.due(clock_.now)) file = *record;
    roster_.observe("folder", {{"x", file}}, lag, clock_.now);
    roster_.refresh(clock_.now);
    ASSERT_EQ(roster_.rows().size(), 1u);
    ASSERT_FALSE(roster_.rows().front().stale);
    clock_.pass(2'000);
  }
}

TEST_F(RosterTest, AGracefulEndIsSeenAtOnceAndStaysSeen) {  // I25
  Publisher publisher({"dev-a", "Laptop", "boot1", "other-machine"}, lag, 1'000);
  publisher.set_endpoints({{"wss", "10.0.0.7:8899", "lan", {}, 0}});
  publisher.set_sessions({{"s1", {}, "A", "idle", false, clock_.now.wall_ms}});
  const auto live = *publisher.due(clock_.now);
  const auto ended = publisher.ended(clock_.now);
  const auto observe = [&](const std::string& json) {
    roster_.observe("folder", {{"x", json}}, lag, clock_.now);
    roster_.refresh(clock_.now);
    return roster_.rows().size();
  };
  EXPECT_EQ(observe(live), 1u);
  EXPECT_EQ(observe(ended), 0u);
  EXPECT_EQ(observe(live), 0u) << "a sync tool brought the older file back";
}

TEST_F(RosterTest, WallClocksOfOthersDecideNothingButTheFirstSight) {  // F3
  for (const std::int64_t off : {-5ll * 365 * 86'400'000, -3'600'000ll, 3'600'000ll, 5ll * 365 * 86'400'000}) {
    Roster roster({"me", "my-machine"});
    auto record = record_of(clock_, "dev-a", "s1");
    record.written_at_ms += off;
    record.sessions[0].updated_at_ms += off;
    const auto observe = [&] {
      roster.observe("folder", {{"x", write_record(record)}}, lag, clock_.now);
      roster.refresh(clock_.now);
      return roster.rows().size();
    };
    EXPECT_EQ(observe(), 0u) << "it may be from long ago";
    clock_.pass(2'000);
    EXPECT_EQ(observe(), 0u);
    ++record.seq;
    EXPECT_EQ(observe(), 1u) << "it advances, so somebody is alive there";
  }
  auto slightly_off = record_of(clock_, "dev-b", "s2");
  slightly_off.written_at_ms -= 100'000;
  see({slightly_off});
  EXPECT_EQ(roster_.rows().size(), 1u);
}

TEST_F(RosterTest, AReaderThatSleptDropsNobodyAtWake) {  // F3
  const auto record = record_of(clock_, "dev-a", "s1");
  see({record});
  clock_.pass(600'000);  // no look in between
  see({record});
  EXPECT_EQ(roster_.rows().size(), 1u);
  EXPECT_FALSE(roster_.rows().front().stale);
  pass(2 * (ttl + lag) + 2'000);
  EXPECT_TRUE(roster_.rows().empty()) << "but from then on the time counts";
}

TEST_F(RosterTest, LateAndDoubledFilesTurnNothingBack) {  // F4
  auto newer = record_of(clock_, "dev-a", "s1", 5);
  newer.sessions[0].title = "newer";
  auto older = record_of(clock_, "dev-a", "s1", 3);
  older.sessions[0].title = "older";
  see({newer});
  see({older});
  EXPECT_EQ(roster_.rows().at(0).title, "newer");
  see({older, newer, older});
  EXPECT_EQ(roster_.rows().at(0).title, "newer");
}

TEST_F(RosterTest, ANewInstanceIsNotHeldUpByTheLastSeqOfTheOld) {  // F10
  auto hostile = record_of(clock_, "dev-a", "s1", ~0ull);
  hostile.state = InstanceState::ended;
  see({hostile});
  auto fresh = record_of(clock_, "dev-a", "s1", 1);
  fresh.instance_id = "boot2";
  see({hostile, fresh});
  EXPECT_EQ(roster_.rows().size(), 1u);
}

TEST_F(RosterTest, TheInstanceThatAdvancesWinsOverTheOneThatStopped) {
  auto dead = record_of(clock_, "dev-a", "s1");
  dead.instance_id = "boot0";
  dead.sessions[0].title = "dead";
  see({dead});
  pass(30'000);
  auto alive = record_of(clock_, "dev-a", "s1");
  alive.instance_id = "boot1";
  alive.sessions[0].title = "alive";
  see({dead, alive});
  ASSERT_EQ(roster_.rows().size(), 1u);
  EXPECT_EQ(roster_.rows().front().title, "alive");
}

TEST_F(RosterTest, OfTwoDevicesThatBothBeatEveryReaderShowsTheSameOne) {  // I4, hysteresis
  Roster late({"me-too", "third-machine"});
  auto a = record_of(clock_, "dev-a", "s1"), b = record_of(clock_, "dev-b", "s1");
  see({b});
  EXPECT_FALSE(roster_.rows().at(0).contested);
  const auto changes_before = roster_.revision();
  for (int beat = 0; beat < 20; ++beat) {
    clock_.pass(15'000);
    auto& writes = beat % 2 == 0 ? a : b;
    ++writes.seq;
    see({a, b});
    late.observe("folder", {{"b", write_record(b)}, {"a", write_record(a)}}, lag, clock_.now);
    late.refresh(clock_.now);
    ASSERT_EQ(roster_.rows().size(), 1u);
    EXPECT_EQ(roster_.rows()[0].device_id, "dev-a");
    EXPECT_TRUE(roster_.rows()[0].contested) << "it is said that two claim it";
    EXPECT_EQ(late.rows(), roster_.rows());
  }
  EXPECT_EQ(roster_.revision(), changes_before + 1) << "they do not change places with every beat";
  // The one that is shown falls silent: the other takes over before it is stale.
  for (int beat = 0; beat < 8; ++beat) {
    clock_.pass(15'000);
    ++b.seq;
    see({a, b});
  }
  EXPECT_EQ(roster_.rows().at(0).device_id, "dev-b");
  EXPECT_FALSE(roster_.rows()[0].stale);
}

TEST_F(RosterTest, TwoBusySessionsKeepTheirPlaces) {  // F14, hysteresis
  auto a = record_of(clock_, "dev-a", "s1"), b = record_of(clock_, "dev-b", "s2");
  see({a, b});
  const auto first = roster_.rows().at(0).session_id;
  for (int i = 0; i < 4; ++i) {
    clock_.pass(2'000);
    auto& used = i % 2 == 0 ? b : a;
    ++used.seq;
    used.sessions[0].updated_at_ms = clock_.now.wall_ms;
    see({a, b});
    EXPECT_EQ(roster_.rows().at(0).session_id, first) << i;
  }
  clock_.pass(20'000);
  ++b.seq;
  b.sessions[0].updated_at_ms = clock_.now.wall_ms;
  see({a, b});
  EXPECT_EQ(roster_.rows().at(0).session_id, "s2") << "but newest first it is";
}

TEST_F(RosterTest, WhereNothingIsOnItsWayWhatIsNotThereHasEnded) {
  const auto here = record_of(clock_, "dev-a", "s1"), other = record_of(clock_, "dev-b", "s2");
  const auto look = [&](const std::string& backend, const std::vector<Record>& records, std::int64_t lag_ms) {
    std::vector<FoundRecord> found;
    for (const auto& record : records) found.push_back({record.device_id, write_record(record)});
    roster_.observe(backend, found, lag_ms, clock_.now);
    roster_.refresh(clock_.now);
    return roster_.rows().size();
  };
  EXPECT_EQ(look("local", {here}, 0), 1u);
  EXPECT_EQ(look("folder", {here, other}, lag), 2u);
  EXPECT_EQ(look("local", {}, 0), 1u) << "gone at once, whatever the folder still holds";
  EXPECT_EQ(look("folder", {here, other}, lag), 1u);
  auto beat = here;
  ++beat.seq;
  EXPECT_EQ(look("folder", {beat, other}, lag), 2u) << "unless it goes on writing";
  EXPECT_EQ(look("local", {}, 0), 2u);
  EXPECT_EQ(look("folder", {}, lag), 2u) << "what a folder does not list ages";
}

TEST_F(RosterTest, OurOwnDevicesOtherHostIsListedWhereItIsKnownToRun) {
  Roster roster({"me", "my-machine", "boot-mine", "this-boot"});
  auto own = record_of(clock_, "me", "s-own"), beside = record_of(clock_, "me", "s-beside");
  own.instance_id = "boot-mine";
  beside.instance_id = "boot-beside";
  own.endpoints = beside.endpoints = {{"ws", "127.0.0.1:8900", "loopback", {}, 0}};
  const std::vector<FoundRecord> found{{"own", write_record(own)}, {"beside", write_record(beside)}};
  roster.observe("folder", found, lag, clock_.now);
  roster.refresh(clock_.now);
  EXPECT_TRUE(roster.rows().empty()) << "a copied file proves nobody alive";
  roster.observe("local", found, 0, clock_.now);
  roster.refresh(clock_.now);
  ASSERT_EQ(roster.rows().size(), 1u);
  EXPECT_EQ(roster.rows()[0].session_id, "s-beside");
  EXPECT_TRUE(roster.clashes(clock_.now).empty());
}

TEST_F(RosterTest, AClonedDeviceIsToldAndNeitherListedNorTakenForALeftover) {  // F8
  Roster roster({"me", "my-machine", "mine", "my-boot"});
  auto clone = record_of(clock_, "me", "s1");
  clone.machine = "my-machine";  // of the same image
  clone.boot = "its-boot";
  const auto look = [&] {
    roster.observe("folder", {{"x", write_record(clone)}}, lag, clock_.now);
    roster.refresh(clock_.now);
    return roster.clashes(clock_.now).size();
  };
  EXPECT_EQ(look(), 0u) << "an older run of ours looks the same";
  clock_.pass(10'000);
  ++clone.seq;
  EXPECT_EQ(look(), 1u) << "but it does not go on writing";
  EXPECT_EQ(roster.clashes(clock_.now)[0].device_name, "Laptop");
  EXPECT_TRUE(roster.rows().empty());
  for (int i = 0; i < 200; ++i) {
    clock_.pass(2'000);
    look();
  }
  EXPECT_EQ(look(), 0u) << "it is over when the other stops";
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

TEST_F(RosterTest, MadeUpHostsDoNotFillTheMemory) {  // F9
  Roster roster({"me", "my-machine", "", "", 200});
  const auto look = [&](int round, int hosts) {
    std::vector<FoundRecord> found;
    for (int i = 0; i < hosts; ++i) {
      auto record = record_of(clock_, "dev-" + std::to_string(round) + "-" + std::to_string(i), "s");
      found.push_back({record.device_id, write_record(record)});
    }
    roster.observe("folder", found, lag, clock_.now);
    clock_.pass(2'000);
    return roster.rejected().size();
  };
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(look(round, 90), 0u) << "those that are listed no more make room";
  }
  EXPECT_EQ(look(5, 250), 50u) << "what is too much is said";
  roster.refresh(clock_.now);
  EXPECT_EQ(roster.rows().size(), 1u);
}

TEST_F(RosterTest, NumbersAndNamesThatLeadInwardsAreNotDialled) {
  auto record = record_of(clock_, "dev-a", "s1");
  for (const auto* address :
       {"2130706433:80", "0x7f.1:80", "127.1:80", "0177.0.0.1:80", "localhost.:80", "x.localhost:80", "0:80",
        "metadata.google.internal:80", "[fd00:ec2::254]:80", "[64:ff9b::a9fe:a9fe]:80", "[::ffff:169.254.169.254]:80",
        "[::127.0.0.1]:80", "168.63.129.16:80", "100.100.100.200:80", "[not-v6]:80", "255.255.255.255:80"}) {
    record.endpoints = {{"ws", address, "lan", {}, 0}};
    ++record.seq;
    see({record});
    EXPECT_TRUE(roster_.rows().empty()) << address;
  }
  for (const auto* address : {"10.0.0.7:80", "[fd00::7]:80", "desk.local:80", "8.8.8.8:80", "[2001:db8::1]:80"}) {
    record.endpoints = {{"ws", address, "lan", {}, 0}};
    ++record.seq;
    see({record});
    EXPECT_EQ(roster_.rows().size(), 1u) << address;
  }
}

TEST_F(RosterTest, TextsOfOthersAreSafeToShow) {  // F10
  auto record = record_of(clock_, "dev-a", "s1");
  record.device_name = "a\x1b[31m\nb\xE2\x80\xAE" + std::string(10'000, 'x');
  record.sessions[0].title = std::string(10'000, 'y');
  see({record});
  const auto& row = roster_.rows().at(0);
  EXPECT_EQ(row.device_name.find_first_of("\x1b\n"), std::string::npos);
  EXPECT_EQ(row.device_name.find("\xE2\x80\xAE"), std::string::npos) << "no text that runs backwards";
  EXPECT_LE(row.device_name.size(), 64u);
  EXPECT_LE(row.title.size(), 200u);
}

TEST(Publisher, BeatsAndNoMoreOftenThanAllowed) {
  Clock clock;
  Publisher publisher({"dev", "Name", "boot", "machine"}, lag, 1'000);
  EXPECT_EQ(publisher.ttl_ms(), 120'000);
  EXPECT_EQ(publisher.beat_ms(), 30'000);
  ASSERT_TRUE(publisher.due(clock.now));
  EXPECT_FALSE(publisher.due(clock.now)) << "nothing changed";
  publisher.set_sessions({{"s", {}, "A", "idle", false, 1}});
  EXPECT_FALSE(publisher.due(clock.now)) << "too soon";
  clock.pass(1'000);
  const auto second = publisher.due(clock.now);
  ASSERT_TRUE(second);
  EXPECT_EQ(parse_record(*second)->seq, 2u);
  clock.pass(29'999);
  EXPECT_FALSE(publisher.due(clock.now));
  clock.pass(1);
  EXPECT_TRUE(publisher.due(clock.now));
  publisher.failed();
  clock.pass(1'000);
  EXPECT_TRUE(publisher.due(clock.now)) << "what did not get through is tried again";
  publisher.failed();
  clock.pass(1'000);
  EXPECT_FALSE(publisher.due(clock.now)) << "less often the longer it fails";
  clock.pass(1'000);
  EXPECT_TRUE(publisher.due(clock.now));
  for (int i = 0; i < 40; ++i) publisher.failed();
  clock.pass(30'000);
  EXPECT_TRUE(publisher.due(clock.now)) << "but with each beat at least";
  publisher.arrived();
  clock.pass(29'999);
  EXPECT_FALSE(publisher.due(clock.now));
}

TEST(PresenceRecord, NoTokenGetsIntoIt) {  // I26
  Record record;
  record.device_id = "d";
  record.instance_id = "i";
  record.endpoints = {{"ws", "host:8899/?token=canary", "lan", {}, 0},
                      {"ws", "user:canary@host:8899", "lan", {}, 0},
                      {"wss", "host:8899", "lan", {"pairing"}, 0}};
  const auto text = write_record(record);
  EXPECT_EQ(text.find("canary"), std::string::npos);
  EXPECT_EQ(parse_record(text)->endpoints.size(), 1u);
}

TEST(PresenceRecord, ComesBackAsItWent) {
  Clock clock;
  auto record = record_of(clock, "dev", "s1", 17);
  record.sessions[0].lineage = {"n1", "n2"};
  record.pid = 42;
  record.pid_started = 7;
  const auto again = parse_record(write_record(record));
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(*again, record);
}

/// A look does what has to be done and no more; one that is told that everything may have changed does all of it.
TEST(RosterLooks, WhatIsLeftOutWouldHaveChangedNothing) {
  std::mt19937 random(7);
  const auto any = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
  const auto rows_of = [](const Roster& roster) {
    std::string out;
    for (const auto& row : roster.rows()) {
      out += row.session_id + " " + row.device_id + " " + row.instance_id + " " + row.title + " " +
             std::to_string(row.stale) + std::to_string(row.contested) + " " + std::to_string(row.updated_at_ms) + " " +
             row.endpoints->at(0).address + "\n";
      EXPECT_EQ(roster.find(row.session_id), &row);
    }
    return out;
  };
  std::size_t looks = 0, changes = 0;
  for (int world = 0; world < 4; ++world) {
    Clock clock;
    const Reader reader{"dev-0", "other-machine", "boot0"};
    Roster lazy(reader), thorough(reader);
    std::vector<Record> records;
    for (int i = 0; i < 12; ++i) {
      auto record = record_of(clock, "dev-" + std::to_string(any(5)), "s" + std::to_string(any(8)));
      record.instance_id = "boot" + std::to_string(i);
      records.push_back(record);
    }
    std::vector<LocalSession> local;
    for (int step = 0; step < 150; ++step) {
      auto& one = records[static_cast<std::size_t>(any(12))];
      ++one.seq;
      switch (any(7)) {
        case 0:
          one.sessions = {{"s" + std::to_string(any(8)), {"n"}, "T", "busy", false, clock.now.wall_ms}};
          break;
        case 1:
          one.sessions.push_back(
              {"s" + std::to_string(any(8)), {}, "U", "idle", false, clock.now.wall_ms - any(60'000)});
          break;
        case 2:
          one.state = any(3) == 0 ? InstanceState::ended : InstanceState::live;
          break;
        case 3:
          one.endpoints[0].address = "10.0.0." + std::to_string(1 + any(5)) + ":1";
          break;
        case 4:
          local = {{"s" + std::to_string(any(8)), {}}};
          lazy.set_local(local);
          break;
        case 5:
          one.seq -= std::min<std::uint64_t>(one.seq, static_cast<std::uint64_t>(any(3)));
          break;
        default:
          break;  // a beat
      }
      clock.pass(any(4) == 0 ? 1 + any(60'000) : 2'000);
      std::vector<FoundRecord> folder, here;
      for (const auto& record : records) {
        if (any(10) != 0) folder.push_back({record.instance_id, write_record(record)});
        if (record.instance_id < "boot3" && any(20) != 0) here.push_back({record.instance_id, write_record(record)});
      }
      const bool reads = any(3) != 0;
      const auto look = [&](Roster& roster) {
        if (reads) roster.observe("folder", folder, lag, clock.now);
        if (reads) roster.observe("local", here, 0, clock.now);
        return roster.refresh(clock.now);
      };
      thorough.set_local(local);
      const bool changed = look(lazy);
      ASSERT_EQ(changed, look(thorough)) << world << "." << step;
      ASSERT_EQ(rows_of(lazy), rows_of(thorough)) << world << "." << step;
      ++looks;
      changes += changed ? 1 : 0;
    }
  }
  EXPECT_GT(changes, looks / 10);
  EXPECT_LT(changes, looks);
}

TEST_F(RosterTest, LeftoversAreThoseThatThisBackendListsNow) {
  auto record = record_of(clock_, "me", "s1");
  record.machine = "my-machine";
  EXPECT_TRUE(roster_.own_others("folder").empty());
  see({record});
  EXPECT_EQ(roster_.own_others("folder").size(), 1u);
  EXPECT_TRUE(roster_.own_others("local").empty());
  roster_.observe("local", {{"x", write_record(record)}}, 0, clock_.now);
  EXPECT_TRUE(roster_.own_others("folder").empty()) << "it runs beside us";
  roster_.observe("local", {}, 0, clock_.now);
  EXPECT_TRUE(roster_.own_others("local").empty());
  EXPECT_EQ(roster_.own_others("folder").size(), 1u);
  see({});
  EXPECT_TRUE(roster_.own_others("folder").empty()) << "removed is done with";
}

}  // namespace
}  // namespace lectern::presence
