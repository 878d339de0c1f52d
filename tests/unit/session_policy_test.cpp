// Policies: swaps while people work, effects that break a rule, policies that hang or throw.
#include "base/clock.hpp"
#include "session/effects.hpp"
#include "session/referee.hpp"
#include "session_support.hpp"

namespace lectern::session::testing {
namespace {

const fs::path bad_plugins = fs::path(LECTERN_TEST_PLUGINS) / ".." / "plugins-bad";

class SessionPolicyTest : public SessionTest {
 protected:
  Result<json::Value> swap(const std::string& policy, const std::string& config = "{}") {
    return ask<json::Value>([&](Reply<json::Value> reply) {
      session_->set_policy({policy, config, false, 0}, std::move(reply));
    });
  }
};

TEST_F(SessionPolicyTest, SwapWhilePeopleWorkDisconnectsNobody) {
  start();
  auto first = tab(), second = tab(), third = tab();
  for (auto* one : {first.get(), second.get(), third.get()}) one->await("kernel-ready");
  auto swapped = swap("collaborative");
  ASSERT_TRUE(swapped) << swapped.error().message;
  EXPECT_TRUE(flag_of(*swapped, "multi_editor"));
  const auto changed = second->await("policy-changed");
  EXPECT_EQ(text_of(changed.data, "policy"), "collaborative");
  const auto gained = second->await("consumer-capabilities");
  EXPECT_TRUE(edits(gained.data));
  EXPECT_TRUE(flag_of(first->command("focus", R"({"cell_id":"a"})"), "ok"));
  // And back: one editor stays, the others become interactors.
  ASSERT_TRUE(swap("local-takeover"));
  const auto members = at(third->command("room"), {"room", "members"});
  int editors = 0;
  for (const auto& member : *members.as_array()) editors += text_of(member, "role") == "editor" ? 1 : 0;
  EXPECT_EQ(editors, 1);
  EXPECT_FALSE(first->closed() || second->closed() || third->closed());
}

TEST_F(SessionPolicyTest, UnknownPolicyAndBadSettingsChangeNothing) {
  start();
  auto first = tab();
  first->await("kernel-ready");
  EXPECT_EQ(swap("no-such-policy").error().code, "plugin_missing");
  EXPECT_EQ(swap("local-takeover", R"({"tertiary":1})").error().status, 400);
  auto policy = ask<json::Value>([&](Reply<json::Value> reply) { session_->policy(std::move(reply)); });
  EXPECT_EQ(text_of(*policy, "policy"), "local-takeover");
  EXPECT_TRUE(flag_of(first->command("save", "{}", 1), "ok"));
}

TEST_F(SessionPolicyTest, HangingPolicyIsGivenUpAndTheOldOneStays) {
  start({}, {bad_plugins});
  auto first = tab(), second = tab();
  first->await("kernel-ready");
  second->await("kernel-ready");
  const auto refused = swap("hanging");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "policy_timeout");
  EXPECT_EQ(swap("hanging").error().code, "quarantined");
  EXPECT_TRUE(flag_of(second->command("takeover"), "ok"));
}

TEST_F(SessionPolicyTest, ThrowingPolicyDeniesAndHurtsNobody) {
  Settings settings;
  settings.policy = "throwing-policy";
  auto host = std::make_unique<Host>(folder_.path(), settings, std::vector<fs::path>{bad_plugins});
  host->write("n.ipynb", small_notebook);
  auto opened = host->open("n.ipynb");
  if (!opened) {  // one that throws when it is made cannot decide anything
    EXPECT_FALSE(opened.error().message.empty());
    EXPECT_TRUE(host->directory().list().empty());
    return;
  }
  session_ = *opened;
  {
    auto first = tab();
    EXPECT_FALSE(edits(first->await("kernel-ready").data));
    EXPECT_EQ(error_code(first->command("takeover")), "denied");
    EXPECT_TRUE(flag_of(first->command("room"), "ok"));
  }
  session_.reset();
}

// Each way to be a bad policy, in the host's own process: what it wanted is not done, the last good one is back.
class SessionPolicyFault : public SessionPolicyTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(SessionPolicyFault, TheLastGoodPolicyIsBackAndNothingWasGranted) {
  start({}, {fs::path(LECTERN_TEST_PLUGINS) / ".." / "plugins-crashing"});
  auto first = tab(), second = tab();
  first->await("kernel-ready");
  second->await("kernel-ready");
  ASSERT_TRUE(swap("crashing-policy"));
  const auto refused = second->command("takeover", std::string(R"({"reason":")") + GetParam() + "\"}");
  EXPECT_EQ(error_code(refused), "denied") << GetParam();
  const auto notice = second->await("notice");
  EXPECT_NE(text_of(notice.data, "text").find("local-takeover is back"), std::string::npos);
  auto policy = ask<json::Value>([&](Reply<json::Value> reply) { session_->policy(std::move(reply)); });
  EXPECT_EQ(text_of(*policy, "policy"), "local-takeover");
  const auto members = at(first->command("room"), {"room", "members"});
  int editors = 0;
  for (const auto& member : *members.as_array()) editors += text_of(member, "role") == "editor" ? 1 : 0;
  EXPECT_EQ(editors, 1);
  EXPECT_TRUE(flag_of(second->command("takeover", R"({"reason":"please"})"), "ok"));
  EXPECT_EQ(swap("crashing-policy").error().code, "quarantined");
  EXPECT_FALSE(first->closed() || second->closed());
}
INSTANTIATE_TEST_SUITE_P(Ways, SessionPolicyFault, ::testing::Values("throw", "garbage", "stranger", "both", "twice"),
                         [](const auto& way) { return std::string(way.param); });

TEST_F(SessionPolicyTest, ADryRunSaysWhatItWouldChangeAndChangesNothing) {
  start();
  auto first = tab(), second = tab();
  first->await("kernel-ready");
  second->await("kernel-ready");
  const auto dry = ask<json::Value>([&](Reply<json::Value> reply) {
    session_->set_policy({"collaborative", "{}", true, 0}, std::move(reply));
  });
  ASSERT_TRUE(dry) << dry.error().message;
  const auto* rows = dry->find("differences")->as_array();
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ(text_of(rows->front(), "event"), "installed");
  auto policy = ask<json::Value>([&](Reply<json::Value> reply) { session_->policy(std::move(reply)); });
  EXPECT_EQ(text_of(*policy, "policy"), "local-takeover");
  // The one that is installed already would change nothing.
  const auto same = ask<json::Value>([&](Reply<json::Value> reply) {
    session_->set_policy({"local-takeover", "{}", true, 0}, std::move(reply));
  });
  ASSERT_TRUE(same) << same.error().message;
  EXPECT_TRUE(same->find("differences")->as_array()->empty()) << json::write(*same);
}

TEST_F(SessionPolicyTest, MissingPolicyPluginIsNamed) {
  Settings settings;
  settings.policy = "not-there";
  Host host(folder_.path(), settings);
  host.write("n.ipynb", small_notebook);
  const auto opened = host.open("n.ipynb");
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("not-there"), std::string::npos) << opened.error().message;
  EXPECT_TRUE(host.directory().sessions().empty());
}

/// The policy `hanging`, which comes back from a decision as soon as a file is there, and its files.
class SessionSlowPolicy : public SessionPolicyTest {
 protected:
  void SetUp() override { std::ofstream(here_) << "x"; }
  void TearDown() override {
    std::ofstream(missing_) << "x";  // lets go of the threads that wait for it
    SessionPolicyTest::TearDown();
  }
  std::string settings(const fs::path& until) const {
    return R"({"until":")" + until.string() + R"(","fails":")" + fails_.string() + R"("})";
  }
  std::string policy_of(const SessionPtr& session) {
    const auto policy = ask<json::Value>([&](Reply<json::Value> reply) { session->policy(std::move(reply)); });
    return policy ? text_of(*policy, "policy") : policy.error().message;
  }
  fs::path here_ = folder_.path() / "here", missing_ = folder_.path() / "missing", fails_ = folder_.path() / "fails";
};

TEST_F(SessionSlowPolicy, TheGenerationThatDecidesIsNotTakenOutForNewSettings) {
  start({}, {bad_plugins});
  auto first = tab();
  first->await("kernel-ready");
  ASSERT_TRUE(swap("hanging", settings(here_)));
  const auto dry = ask<json::Value>([&](Reply<json::Value> reply) {
    session_->set_policy({"hanging", settings(missing_), true, 0}, std::move(reply));
  });
  ASSERT_FALSE(dry);
  EXPECT_EQ(dry.error().code, "policy_timeout");
  const auto slow = swap("hanging", settings(missing_));
  ASSERT_FALSE(slow);
  EXPECT_EQ(slow.error().code, "policy_timeout");
  const auto again = swap("hanging", settings(here_));
  EXPECT_TRUE(again) << again.error().message;
  host_->write("m.ipynb", small_notebook);
  EXPECT_TRUE(host_->open("m.ipynb"));
}

TEST_F(SessionSlowPolicy, ADryRunThatIsTooSlowTakesItsPolicyFromNobody) {
  Settings patient;  // with a machine that stalls; only the one that hangs may be too slow
  patient.policy_budget_ms = 500;
  start(patient, {bad_plugins});
  auto first = tab();
  first->await("kernel-ready");
  host_->write("m.ipynb", small_notebook);
  const auto other = host_->open("m.ipynb");
  ASSERT_TRUE(other) << other.error().message;
  const auto chosen = ask<json::Value>([&](Reply<json::Value> reply) {
    (*other)->set_policy({"hanging", settings(here_), false, 0}, std::move(reply));
  });
  ASSERT_TRUE(chosen) << chosen.error().message;
  const auto dry = ask<json::Value>([&](Reply<json::Value> reply) {
    session_->set_policy({"hanging", settings(missing_), true, 0}, std::move(reply));
  });
  ASSERT_FALSE(dry);
  EXPECT_EQ(dry.error().code, "policy_timeout");
  EXPECT_EQ(policy_of(*other), "hanging") << "where it decides, it goes on";
  const auto here = swap("hanging", settings(here_));
  EXPECT_TRUE(here) << here.error().message;
}

TEST_F(SessionSlowPolicy, ANotebookOpensThoughItsPolicyIsQuarantined) {
  Settings with;
  with.policy = "hanging";
  with.policy_config = settings(here_);
  start(with, {bad_plugins});
  auto& registry = host_->registry();
  auto generation = registry.load(plugin::Kind::policy, "hanging");
  ASSERT_TRUE(generation);
  (*generation)->quarantine("the test says so");
  host_->write("m.ipynb", small_notebook);
  auto opened = host_->open("m.ipynb");
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(policy_of(*opened), "local-takeover");
  opened = SessionPtr();

  auto built_in = registry.load(plugin::Kind::policy, "local-takeover");
  ASSERT_TRUE(built_in);
  (*built_in)->quarantine("the test says so");
  host_->write("l.ipynb", small_notebook);
  EXPECT_EQ(host_->open("l.ipynb").error().code, "quarantined");
}

TEST_F(SessionSlowPolicy, AFallbackThatFailsOnceIsTriedAgain) {
  start({}, {bad_plugins, fs::path(LECTERN_TEST_PLUGINS) / ".." / "plugins-crashing"});
  auto first = tab(), second = tab();
  first->await("kernel-ready");
  second->await("kernel-ready");
  ASSERT_TRUE(swap("hanging", settings(here_)));
  ASSERT_TRUE(swap("crashing-policy"));
  std::ofstream(fails_) << "x";
  EXPECT_EQ(error_code(second->command("takeover", R"({"reason":"throw"})")), "denied");
  // Behind the fallback in the queue: when it is answered, that has failed.
  EXPECT_TRUE(flag_of(second->command("takeover", R"({"reason":"please"})"), "ok"));
  EXPECT_EQ(policy_of(session_), "crashing-policy");
  fs::remove(fails_);
  EXPECT_EQ(error_code(first->command("takeover", R"({"reason":"throw"})")), "denied");
  const auto notice = second->await("notice");
  EXPECT_NE(text_of(notice.data, "text").find("hanging is back"), std::string::npos);
  EXPECT_EQ(policy_of(session_), "hanging");
}

TEST_F(SessionPolicyTest, ADryRunThatIsOverHoldsNothing) {
  start();
  auto generation = host_->registry().load(plugin::Kind::policy, "collaborative");
  ASSERT_TRUE(generation);
  const std::weak_ptr<plugin::Generation> held = *generation;
  ASSERT_TRUE(ask<json::Value>([&](Reply<json::Value> reply) {
    session_->set_policy({"collaborative", "{}", true, 0}, std::move(reply));
  }));
  *generation = nullptr;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!held.expired() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(held.expired());
}

// ---- effects against a room -------------------------------------------------------------------------------------

class EffectsTest : public ::testing::Test {
 protected:
  EffectsTest() : epochs_(0, 100, 100, [](std::uint64_t) {}) {
    for (const MemberId id : {1u, 2u, 3u}) {
      Member member;
      member.id = id;
      member.client_id = "c" + std::to_string(id);
      if (id == 3) member.flags |= plugin::member_view_only;
      room_.add(member);
    }
  }
  static plugin::Effect effect(plugin::EffectKind kind, std::uint64_t target = 0, std::uint32_t caps = 0) {
    plugin::Effect made;
    made.kind = kind;
    made.target = target;
    made.caps = caps;
    return made;
  }
  Result<Applied> apply(std::vector<plugin::Effect> effects, bool multi = false) {
    return apply_effects(room_, epochs_, effects, {multi, clock::now_ms()});
  }
  void expect_refused(std::vector<plugin::Effect> effects) {
    const auto version = room_.version();
    const auto result = apply(std::move(effects));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, "effect_refused");
    EXPECT_EQ(room_.version(), version) << "something of a refused list was applied";
  }
  Room room_;
  Epochs epochs_;
};

using plugin::EffectKind;

TEST_F(EffectsTest, GrantTakesThePenFromTheFormerHolderFirst) {
  ASSERT_TRUE(apply({effect(EffectKind::grant, 1, cap_interact)}));
  const auto applied = apply({effect(EffectKind::grant, 2, 0)});
  ASSERT_TRUE(applied);
  ASSERT_EQ(applied->rights.size(), 2u);
  EXPECT_EQ(applied->rights[0].member, 1u);
  EXPECT_EQ(applied->rights[0].revoked, 1u);
  EXPECT_EQ(applied->rights[0].caps_after, 0u);
  EXPECT_EQ(applied->rights[1].granted, 2u);
  EXPECT_EQ(room_.editor()->id, 2u);
}

TEST_F(EffectsTest, StrangersViewersAndSecondEditorsAreRefusedWhole) {
  expect_refused({effect(EffectKind::set_caps, 1, cap_interact), effect(EffectKind::grant, 9)});
  expect_refused({effect(EffectKind::set_caps, 1, cap_interact), effect(EffectKind::grant, 3)});
  expect_refused(
      {effect(EffectKind::set_caps, 1, cap_interact), effect(EffectKind::grant, 1), effect(EffectKind::grant, 2)});
  expect_refused({effect(EffectKind::set_caps, 1, cap_edit)});
  auto unknown = effect(EffectKind::resolve);
  unknown.request = 7;
  expect_refused({effect(EffectKind::grant, 1), unknown});
  room_.find(2)->presence = plugin::Presence::lost;
  expect_refused({effect(EffectKind::grant, 2)});
  room_.find(1)->scope = cap_interact;
  expect_refused({effect(EffectKind::grant, 1)});
}

TEST_F(EffectsTest, SeveralEditorsNeedTheDeclaration) {
  ASSERT_TRUE(apply({effect(EffectKind::grant, 1), effect(EffectKind::grant, 2)}, true));
  EXPECT_EQ(room_.grants(), 2u);
  EXPECT_NE(room_.find(1)->grant, room_.find(2)->grant);
  // An exclusive policy cannot leave them as they are.
  EXPECT_FALSE(apply({}, false));
  EXPECT_TRUE(apply({effect(EffectKind::vacate, 1, cap_interact)}, false));
}

TEST_F(EffectsTest, GrantToTheHolderChangesNothing) {
  ASSERT_TRUE(apply({effect(EffectKind::grant, 1)}));
  const auto again = apply({effect(EffectKind::grant, 1)});
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->rights.empty());
  EXPECT_EQ(room_.find(1)->grant, 1u);
}

TEST(EpochsTest, NothingAboveWhatIsOnDiskIsGiven) {
  std::vector<std::uint64_t> asked;
  Epochs epochs(10, 14, 4, [&](std::uint64_t upto) { asked.push_back(upto); });
  for (std::uint64_t value = 11; value <= 14; ++value) EXPECT_EQ(epochs.next(), value);
  EXPECT_FALSE(epochs.next());
  ASSERT_FALSE(asked.empty());
  epochs.confirm(asked.back());
  EXPECT_EQ(epochs.next(), 15u);
}

}  // namespace
}  // namespace lectern::session::testing
