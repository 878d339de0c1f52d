// The list of remote sessions is the same for every reader, in whatever order it learns of things.
#include <random>

#include "presence_roster_support.hpp"

namespace lectern::presence::testing {
namespace {

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

TEST_F(RosterTest, TwoThatClaimANewSessionInOneLookAreRivals) {
  auto a = record_of(clock_, "dev-a", "s1"), b = record_of(clock_, "dev-b", "s2");
  see({a, b});
  for (auto* one : {&a, &b}) {
    ++one->seq;
    one->sessions.push_back({"s3", {}, "C", "idle", false, clock_.now.wall_ms});
  }
  see({a, b});
  ASSERT_EQ(roster_.rows().size(), 3u);
  ASSERT_NE(roster_.find("s3"), nullptr);
  EXPECT_EQ(roster_.find("s3")->device_id, "dev-a");
  EXPECT_TRUE(roster_.find("s3")->contested);
  ++b.seq;
  b.sessions.pop_back();
  see({a, b});
  EXPECT_FALSE(roster_.find("s3")->contested);
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
  for (int world = 0; world < 8; ++world) {
    // In every other world hardly anybody claims the same and hardly anything is missed: what has changed is all there
    // is to do then.
    const bool quiet = world % 2 == 1;
    const int names = quiet ? 400 : 8, missed = quiet ? 300 : 10;
    Clock clock;
    const Reader reader{"dev-0", "other-machine", "boot0"};
    Roster lazy(reader), thorough(reader);
    std::vector<Record> records;
    for (int i = 0; i < 12; ++i) {
      auto record = record_of(clock, "dev-" + std::to_string(any(5)), "s" + std::to_string(any(names)));
      record.instance_id = "boot" + std::to_string(i);
      records.push_back(record);
    }
    std::vector<LocalSession> local;
    for (int step = 0; step < 150; ++step) {
      auto& one = records[static_cast<std::size_t>(any(12))];
      ++one.seq;
      switch (any(quiet ? 9 : 7)) {
        case 0:
          one.sessions = {{"s" + std::to_string(any(names)), {"n"}, "T", "busy", false, clock.now.wall_ms}};
          break;
        case 1:
          one.sessions.push_back(
              {"s" + std::to_string(any(names)), {}, "U", "idle", false, clock.now.wall_ms - any(60'000)});
          break;
        case 2:
          one.state = any(3) == 0 ? InstanceState::ended : InstanceState::live;
          break;
        case 3:
          one.endpoints[0].address = "10.0.0." + std::to_string(1 + any(5)) + ":1";
          break;
        case 7:
          if (!one.sessions.empty()) one.sessions.pop_back();
          break;
        case 8:
          for (auto& other : records) other.seq += any(2);
          break;
        case 4:
          if (quiet && any(10) != 0) break;
          local = {{"s" + std::to_string(any(names)), {}}};
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
        if (any(missed) != 0) folder.push_back({record.instance_id, write_record(record)});
        if (record.instance_id < "boot3" && any(2 * missed) != 0)
          here.push_back({record.instance_id, write_record(record)});
      }
      if (any(5) == 0) std::shuffle(folder.begin(), folder.end(), random);
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

}  // namespace
}  // namespace lectern::presence::testing
