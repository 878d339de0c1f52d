// What was known of a record is found again wherever its store lists it next.
#include "presence/by_origin.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace lectern::presence {
namespace {

struct Seen {
  std::string origin;
  int times = 0;
};

class ByOriginTest : public ::testing::Test {
 protected:
  /// How often each was seen before, in a row: one digit each.
  std::string list(const std::vector<std::string>& origins) {
    std::string out;
    for (const auto& origin : origins) {
      auto& seen = known_.next(origin);
      EXPECT_EQ(seen.origin, origin);
      out += std::to_string(seen.times++);
    }
    known_.end();
    return out;
  }
  ByOrigin<Seen> known_;
  std::map<std::string, int> times_;
};

TEST_F(ByOriginTest, WhereverItStandsNow) {
  EXPECT_EQ(list({"a", "b", "c", "d"}), "0000");
  EXPECT_EQ(list({"a", "b", "c", "d"}), "1111");
  EXPECT_EQ(list({"a", "c", "b", "d"}), "2222");
  EXPECT_EQ(list({"d", "c", "b", "a"}), "3333");
  EXPECT_EQ(list({"d", "new", "c", "b", "a"}), "40444");
  EXPECT_EQ(list({"new", "c", "b", "a", "d"}), "15555");
}

/// As a store does that lists who spoke last at the end.
TEST_F(ByOriginTest, AlsoInAnotherOrderEachTime) {
  std::vector<std::string> names;
  for (int i = 0; i < 40; ++i) names.push_back("n" + std::to_string(i));
  std::mt19937 random(3);
  for (int round = 0; round < 60; ++round) {
    if (round % 3 == 0) std::shuffle(names.begin(), names.end(), random);
    std::rotate(names.begin(), names.begin() + round % 7, names.end());
    std::string expected;
    for (const auto& name : names) expected += std::to_string(times_[name]++);
    ASSERT_EQ(list(names), expected) << round;
    if (round % 5 == 0) {
      times_.erase(names[static_cast<std::size_t>(round) % names.size()]);
      names.erase(names.begin() + round % static_cast<int>(names.size()));
      names.push_back("m" + std::to_string(round));
      if (round % 2 == 0) std::swap(names[3], names.back());
    }
  }
}

TEST_F(ByOriginTest, WhatIsNotListedIsForgotten) {
  list({"a", "b", "c"});
  EXPECT_EQ(list({"a", "c"}), "11");
  EXPECT_EQ(list({"a"}), "2");
  EXPECT_EQ(list({"a", "b", "c"}), "300");
  EXPECT_EQ(list({}), "");
  EXPECT_EQ(list({"a", "b", "c"}), "000");
}

TEST_F(ByOriginTest, OneThatIsListedTwiceIsTwo) {
  EXPECT_EQ(list({"a", "a", "b"}), "000");
  EXPECT_EQ(list({"a", "a", "b"}), "111");
  EXPECT_EQ(list({"b", "a", "a"}), "220");
  EXPECT_EQ(list({"", "a", ""}), "030");
}

}  // namespace
}  // namespace lectern::presence
