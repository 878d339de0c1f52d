// The host's checks: each way to break the contract is survived, and told in words with the tag that was broken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "plugin/format.hpp"
#include "plugin/policy.hpp"
#include "plugin_support.hpp"

namespace lectern::plugin {
namespace {

using ::testing::AllOf;
using testing::bad;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

auto breach(Side side, const char* tag, const char* where, const char* what) {
  return AllOf(Field(&Breach::side, side), Field(&Breach::tag, tag), Field(&Breach::where, where),
               Field(&Breach::what, HasSubstr(what)));
}

class Checking : public testing::RegistryTest {
 protected:
  PolicyPtr policy(CheckLevel level) {
    RegistryOptions options;
    options.search = {bad, testing::shipped};
    options.staging = temporary_.path() / "state";
    options.services.checks = level;
    registry_ = std::make_unique<Registry>(std::move(options));
    auto generation = registry_->load(Kind::policy, "reckless");
    EXPECT_TRUE(generation) << generation.error().message;
    return *Policy::create(*generation, "{}");
  }
  static Result<PolicyOutcome> does(const PolicyPtr& policy, const char* verb) {
    PolicyEvent event;
    event.kind = EventKind::action;
    event.verb = verb;
    return policy->reduce("", RoomSnapshot{}, event);
  }
  static std::vector<Breach> told(const PolicyPtr& policy) { return policy->generation()->report().breaches; }
  std::unique_ptr<Registry> registry_;
};

struct Case {
  const char* verb;
  const char* tag;
  const char* where;
  const char* what;
};

TEST_F(Checking, MinimalTellsWhatCostsNothing) {
  const auto reckless = policy(CheckLevel::minimal);
  (void)does(reckless, "keep");
  const Case cases[] = {
      {"late-pointer", "[call]", "lectern_policy_out.effect", "was called after the call it was lent to had returned"},
      {"late-copy", "[call]", "lectern_policy_out.state", "was called after the call it was lent to had returned"},
      {"other-thread", "[call]", "lectern_policy_out.effect", "was called on another thread"},
      {"same-twice", "[referee]", "lectern_policy.reduce", "wrote the same effect twice: notice"},
      {"two-grants", "[referee]", "lectern_policy.reduce", "gave the pen away twice"},
      {"two-ends", "[referee]", "lectern_policy.reduce", "ended one request twice"},
      {"two-states", "[referee]", "lectern_policy.reduce", "handed over its state more than once"},
      {"unended", "[call]", "decide on \"action\"", "left lectern_error.message without an end"},
      {"status", "[call]", "decide on \"action\"", "returned 4711, which is no lectern_status"},
      {"metrics", "[any]", "lectern_metrics.declare", "those of counters, and no others, end in _total"},
      {"metrics", "[any]", "lectern_metrics.declare", "got the number 99"},
      {"metrics", "[any]", "lectern_metrics.add", "made a counter fall"},
      {"metrics", "[any]", "lectern_metrics.set", "was not declared"},
  };
  for (const Case& one : cases) {
    (void)does(reckless, one.verb);
    EXPECT_THAT(told(reckless), Contains(breach(Side::plugin, one.tag, one.where, one.what))) << one.verb;
  }
  (void)does(reckless, "impure");
  (void)does(reckless, "odd-state");
  EXPECT_THAT(told(reckless), Not(Contains(Field(&Breach::what, HasSubstr("pure"))))) << "that is maximal's";
  EXPECT_THAT(told(reckless), Not(Contains(Field(&Breach::what, HasSubstr("UTF-8"))))) << "that is maximal's";
}

TEST_F(Checking, WhatIsLateOrOnAnotherThreadHasNoEffect) {
  const auto reckless = policy(CheckLevel::off);
  (void)does(reckless, "keep");
  for (const char* verb : {"late-pointer", "other-thread"}) {
    const auto outcome = does(reckless, verb);
    ASSERT_TRUE(outcome) << verb;
    EXPECT_THAT(outcome->effects, IsEmpty()) << verb;
  }
  EXPECT_THAT(told(reckless), IsEmpty()) << "off: survived, and not told";
}

TEST_F(Checking, MaximalTellsTheRest) {
  const auto reckless = policy(CheckLevel::maximal);
  const Case cases[] = {
      {"impure", "[referee]", "lectern_policy.reduce", "is not pure"},
      {"odd-state", "[call]", "lectern_policy_out.state", "handed over a state that is not UTF-8"},
      {"odd-words", "[call]", "decide on \"action\"", "handed over a hint that is not UTF-8"},
  };
  for (const Case& one : cases) {
    (void)does(reckless, one.verb);
    EXPECT_THAT(told(reckless), Contains(breach(Side::plugin, one.tag, one.where, one.what))) << one.verb;
  }
}

TEST_F(Checking, GoodPoliciesBreakNothingAtMaximal) {
  RegistryOptions options;
  options.search = {testing::shipped};
  options.staging = temporary_.path() / "state";
  options.services.checks = CheckLevel::maximal;
  Registry registry(std::move(options));
  const auto generation = registry.load(Kind::policy, "local-takeover");
  ASSERT_TRUE(generation) << generation.error().message;
  {
    const auto policy = *Policy::create(*generation, "{}");
    RoomSnapshot room;
    Member member;
    member.id = 1;
    member.label = "Ana";
    room.members = {member};
    PolicyEvent event;
    event.kind = EventKind::joined;
    event.who = 1;
    const auto outcome = policy->reduce("", room, event);
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(outcome->effects.size(), 1u);
  }
  EXPECT_THAT((*generation)->report().breaches, IsEmpty());
}

// The C++ wrapper's sinks are copies, so that keeping one is told and not a crash.
TEST_F(Checking, SinksThatTheWrapperLentAreWatchedToo) {
  registry_ = registry({bad});
  const auto generation = registry_->load(Kind::format, "keeps-sinks");
  ASSERT_TRUE(generation) << generation.error().message;
  const auto format = *Format::create(*generation);
  EXPECT_THAT((*generation)->report().breaches,
              Contains(breach(Side::plugin, "(initialised)", "config-schema/1", "has the keyword \"if\"")));
  const auto read = [&](const char* bytes) { return format->read(std::make_shared<const std::string>(bytes)); };
  EXPECT_TRUE(read("first"));
  EXPECT_FALSE(read("late"));
  WriteNotebook notebook;
  EXPECT_TRUE(format->write(notebook));
  notebook.metadata = "late";
  EXPECT_FALSE(format->write(notebook));
  const auto breaches = (*generation)->report().breaches;
  for (const char* where : {"lectern_notebook_builder.cells", "lectern_sink.write"})
    EXPECT_THAT(breaches, Contains(breach(Side::plugin, "[call]", where, "after the call"))) << where;
}

TEST_F(Checking, BreachesAreCountedAndShown) {
  const auto reckless = policy(CheckLevel::minimal);
  for (int i = 0; i < 3; ++i) (void)does(reckless, "same-twice");
  const auto breaches = told(reckless);
  ASSERT_EQ(breaches.size(), 1u);
  EXPECT_EQ(breaches[0].count, 3u);
  const std::string report = registry_->report_json();
  EXPECT_THAT(report, HasSubstr(R"("breaches":[{"side":"plugin","tag":"[referee]","where":"lectern_policy.reduce")"));
  EXPECT_THAT(report, HasSubstr(R"("health":{"state":"failing","summary":"its health report makes no sense"})"));
}

TEST(CheckLevels, HaveNames) {
  EXPECT_EQ(check_level_from("off"), CheckLevel::off);
  EXPECT_EQ(check_level_from("maximal"), CheckLevel::maximal);
  EXPECT_FALSE(check_level_from("most"));
}

}  // namespace
}  // namespace lectern::plugin
