// The list of remote sessions as time passes: silence, ends, clocks that disagree, files that come late or twice.
#include "presence_roster_support.hpp"

namespace lectern::presence::testing {
namespace {

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

}  // namespace
}  // namespace lectern::presence::testing
