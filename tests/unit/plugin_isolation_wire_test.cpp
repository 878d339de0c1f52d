// What crosses to and from a plugin's process in an order that matters: members of a room as changes, figures as steps.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "isolation/members.hpp"
#include "isolation/news.hpp"

namespace lectern::isolation {
namespace {

/// A room whose members come, go and change at random; texts live in `names`.
struct RandomRoom {
  std::mt19937_64 random{7};
  struct One {
    lectern_member member{};
    std::string name;
  };
  std::vector<One> all;

  void change() {
    const auto n = random() % 4;
    for (std::size_t i = 0; i < n; ++i) {
      const auto what = random() % 4;
      if (what == 0 || all.empty()) {
        One one;
        one.member.id = all.empty() ? 1 : all.back().member.id + 1 + random() % 3;
        one.name = "member " + std::to_string(random() % 100);
        all.push_back(std::move(one));
      } else if (what == 1) {
        all.erase(all.begin() + static_cast<std::ptrdiff_t>(random() % all.size()));
      } else if (what == 2) {
        all[random() % all.size()].member.seen_ms = static_cast<std::int64_t>(random() % 1000);
      } else {
        all[random() % all.size()].name = "renamed " + std::to_string(random() % 100);
      }
    }
  }
  [[nodiscard]] std::vector<lectern_member> members() const {
    std::vector<lectern_member> out;
    for (const One& one : all) {
      out.push_back(one.member);
      out.back().label = {one.name.data(), one.name.size()};
    }
    return out;
  }
};

std::string text(lectern_str from) {
  return {from.p == nullptr ? "" : from.p, static_cast<std::size_t>(from.n)};
}

TEST(IsolationMembers, TheOtherSideHasTheSameRoomAfterEveryChange) {
  RandomRoom room;
  KnownMembers here, there;
  std::vector<lectern_member> flat;
  for (int round = 0; round < 2000; ++round) {
    room.change();
    const auto members = room.members();
    lectern_room now{};
    now.members = members.data();
    now.n_members = static_cast<std::uint32_t>(members.size());
    Packer to;
    pack_members(to, now, here);
    Unpacker from(to.bytes());
    ASSERT_TRUE(take_members(from, there));
    ASSERT_TRUE(from.empty());
    flatten(there, flat);
    ASSERT_EQ(flat.size(), members.size());
    for (std::size_t i = 0; i < flat.size(); ++i) {
      ASSERT_EQ(flat[i].id, members[i].id);
      ASSERT_EQ(flat[i].seen_ms, members[i].seen_ms);
      ASSERT_EQ(text(flat[i].label), text(members[i].label));
    }
  }
}

TEST(IsolationMembers, AnUnchangedRoomOfAThousandIsAFewBytes) {
  std::vector<lectern_member> members(1000);
  for (std::size_t i = 0; i < members.size(); ++i) members[i].id = i + 1;
  lectern_room room{};
  room.members = members.data();
  room.n_members = 1000;
  KnownMembers known;
  Packer first, second, third;
  pack_members(first, room, known);
  pack_members(second, room, known);
  members[500].caps = 2;
  pack_members(third, room, known);
  EXPECT_GT(first.size(), 70'000u);
  EXPECT_LT(second.size(), 16u);
  EXPECT_LT(third.size(), 200u);
}

TEST(IsolationMembers, WhatMakesNoSenseIsRefused) {
  for (const std::string& lie : {std::string(), std::string("\1\5\0\0\0\0", 6), std::string("\2\1\0\0\0\0", 6),
                                 std::string("\3short", 6), std::string("\7\0\0\0\0\0", 6)}) {
    KnownMembers known;
    Unpacker from(lie);
    EXPECT_FALSE(take_members(from, known));
  }
}

News counted(double asked, double waiting) {
  News out;
  out.metrics.push_back({1, true, "asked_total", "", asked});
  out.metrics.push_back({2, false, "waiting", "", waiting});
  return out;
}

TEST(IsolationNews, CountersCrossAsStepsAndANewProcessBeginsAtZero) {
  NewsSteps steps;
  const auto step = [&](double asked, double waiting) {
    return steps.step(News::read(counted(asked, waiting).write())).metrics;
  };
  EXPECT_EQ(step(3, 5)[0].value, 3);
  EXPECT_EQ(step(3, 5)[0].value, 0);
  EXPECT_EQ(step(10, 4)[0].value, 7);
  EXPECT_EQ(step(2, 4)[0].value, 0) << "a counter that falls is a lie";
  steps.begin_anew();
  const auto again = step(2, 1);
  EXPECT_EQ(again[0].value, 2);
  EXPECT_EQ(again[1].value, 1);
  EXPECT_EQ(again[1].name, "waiting");
}

TEST(IsolationNews, BreachesAndDroppedLinesCrossOnce) {
  NewsSteps steps;
  News told;
  told.breaches.push_back({true, "[call]", "lectern_policy.reduce", "got a null room", 2});
  told.dropped_lines = 5;
  auto step = steps.step(News::read(told.write()));
  ASSERT_EQ(step.breaches.size(), 1u);
  EXPECT_EQ(step.breaches[0].count, 2u);
  EXPECT_TRUE(step.breaches[0].of_host);
  EXPECT_EQ(step.dropped_lines, 5u);
  step = steps.step(News::read(told.write()));
  EXPECT_TRUE(step.breaches.empty());
  EXPECT_EQ(step.dropped_lines, 0u);
}

TEST(IsolationNews, WhatIsCutOrTooMuchIsNotTaken) {
  const auto whole = counted(1, 2).write();
  for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_TRUE(News::read(whole.substr(0, n)).metrics.empty()) << n;
  News much;
  for (std::uint64_t i = 0; i < 500; ++i) much.metrics.push_back({i, true, "a_total", "", 1});
  EXPECT_EQ(News::read(much.write()).metrics.size(), 64u);
}

}  // namespace
}  // namespace lectern::isolation
