// Which endpoints are tried, and when: no clock but the one passed in.
#include <gtest/gtest.h>

#include "attach/cool_down.hpp"

namespace lectern::attach {
namespace {

TEST(CoolDown, AFailedEndpointIsLeftAloneAndThenTriedByOneAlone) {
  CoolDown cool;
  EXPECT_TRUE(cool.may_try("a", 0));
  EXPECT_TRUE(cool.may_try("a", 0)) << "nothing is known of it: anybody may";
  cool.failed("a", 100);
  EXPECT_EQ(cool.left_ms("a", 100), 1'000);
  EXPECT_FALSE(cool.may_try("a", 1'099));
  EXPECT_TRUE(cool.may_try("b", 1'099)) << "others are not concerned";
  EXPECT_TRUE(cool.may_try("a", 1'100));
  EXPECT_FALSE(cool.may_try("a", 1'101)) << "half open: one try decides";
  cool.succeeded("a");
  EXPECT_TRUE(cool.may_try("a", 1'102));
  EXPECT_TRUE(cool.may_try("a", 1'102));
}

TEST(CoolDown, EachFailureInARowCoolsLongerUpToTheLongest) {
  CoolDown cool;
  std::int64_t now = 0;
  for (const std::int64_t expected : {1'000, 2'000, 4'000, 8'000, 16'000, 30'000, 30'000}) {
    cool.failed("a", now);
    EXPECT_EQ(cool.left_ms("a", now), expected);
    now += expected;
    EXPECT_TRUE(cool.may_try("a", now));
  }
  cool.succeeded("a");
  cool.failed("a", now);
  EXPECT_EQ(cool.left_ms("a", now), 1'000) << "a success forgets what was";
}

TEST(CoolDown, TwoFailuresOfOneMomentAreOne) {
  CoolDown cool;
  cool.failed("a", 0);
  cool.failed("a", 1);
  EXPECT_EQ(cool.left_ms("a", 1), 999);
}

TEST(CoolDown, ATryThatSaidNothingEndsInTime) {
  CoolDown cool;
  cool.failed("a", 0);
  EXPECT_TRUE(cool.may_try("a", 2'000));
  EXPECT_FALSE(cool.may_try("a", 11'999));
  EXPECT_TRUE(cool.may_try("a", 12'000));
  cool.withdrawn("a");
  EXPECT_TRUE(cool.may_try("a", 12'001)) << "another endpoint was faster: this one is as untried as before";
}

TEST(CoolDown, WhatItRemembersIsBounded) {
  CoolDown cool({.max_endpoints = 2});
  cool.failed("a", 0);
  cool.failed("b", 10);
  cool.failed("c", 20);
  EXPECT_EQ(cool.left_ms("a", 20), 0) << "it would have cooled first";
  EXPECT_GT(cool.left_ms("b", 20), 0);
  EXPECT_GT(cool.left_ms("c", 20), 0);
}

TEST(BackOff, FirstAtOnceThenDoublingWithHalfOfItCertain) {
  BackOff pause(200, 1'000);
  EXPECT_EQ(pause.next_ms(0.5), 0);
  EXPECT_EQ(pause.next_ms(0), 100);
  EXPECT_EQ(pause.next_ms(0.5), 300);
  EXPECT_EQ(pause.next_ms(0), 400);
  EXPECT_LE(pause.next_ms(0.999), 1'000);
  EXPECT_GE(pause.next_ms(0), 500) << "no longer than the longest";
  pause.reset();
  EXPECT_EQ(pause.next_ms(0.9), 0);
}

}  // namespace
}  // namespace lectern::attach
