// Random walks over what can happen in a room, for every policy that ships: what holds for all of them, whatever people
// do. A failure prints the seed and the walk.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "plugin_support.hpp"
#include "policy_lab/rehearsal.hpp"
#include "policy_lab/telling.hpp"

namespace lectern::policy_lab {
namespace {

using plugin::testing::RegistryTest;

struct Shipped {
  const char *id, *config;
  std::vector<std::string> verbs;
};

const std::vector<Shipped> all = {
    {"local-takeover", "{}", {}},
    {"local-takeover", R"({"secondary":"viewer"})", {}},
    {"collaborative", "{}", {}},
    {"ask-first", "{}", {}},
    {"ask-first", R"({"silence":"grant","deadline_s":5,"secondary":"viewer"})", {}},
    {"idle-handoff", R"({"idle_s":20,"deadline_s":15})", {}},
    {"presenter", R"({"presenter":"p1"})", {}},
    {"presenter", R"({"presenter":"device:d","audience":"viewer"})", {}},
    {"roles", R"({"editors":["p1","p2"],"viewers":["p3"],"others":"interactor"})", {}},
    {"queue", R"({"turn_s":20})", {"leave-line", "pass-on"}},
    {"queue", R"({"turn_s":0,"secondary":"viewer"})", {"leave-line", "pass-on"}},
    {"classroom", R"({"teachers":["p1"]})", {"raise-hand", "lower-hand", "give", "take-back"}},
    {"classroom", R"({"teachers":["p1","p2"],"students":"viewer"})", {"raise-hand", "lower-hand", "give", "take-back"}},
};

constexpr MemberId people = 4;
constexpr std::uint32_t scopes[] = {0, plugin::cap_interact, plugin::cap_edit | plugin::cap_interact};
constexpr std::int64_t longest_request_ms = 700'000;  // the longest ask the host allows, and some

class Walk {
 public:
  Walk(const Shipped& shipped, plugin::PolicyPtr policy, unsigned seed)
      : shipped_(shipped), rehearsal_(std::move(policy)), random_(seed) {
    see(rehearsal_.install({}));
  }

  void steps(int count) {
    for (int i = 0; i < count && problem.empty(); ++i) step();
  }
  void swap(plugin::PolicyPtr policy, const Shipped& shipped) {
    shipped_ = shipped;
    story += "swap to " + policy->id() + "\n";
    see(rehearsal_.swap(std::move(policy)));
  }
  /// Everybody who is there stays quiet: whatever was asked must have ended by then.
  void quiet() {
    if (!problem.empty()) return;
    take("quiet", rehearsal_.pass(longest_request_ms));
    if (!rehearsal_.room().requests().empty()) problem = "a request never ended";
  }

  std::string story, problem;

 private:
  MemberId pick(MemberId below) { return std::uniform_int_distribution<MemberId>(0, below - 1)(random_); }

  void step() {
    const MemberId who = 1 + pick(people), other = 1 + pick(people);
    switch (pick(15)) {
      case 0:
      case 1:
      case 2:
        return take("join", rehearsal_.join(person(who)));
      case 3:
        return take("leave", rehearsal_.leave(who));
      case 4:
        return take("lose", rehearsal_.lose(who));
      case 5:
        return take("return", rehearsal_.come_back(who));
      case 6:
      case 7:
      case 8:
        return take("request", rehearsal_.request(who));
      case 9:
        return take("withdraw", rehearsal_.withdraw(who));
      case 10:
        return take("answer", rehearsal_.answer(who, pick(2) == 0));
      case 11:
        return take("release", rehearsal_.release(who));
      case 12:
        return take("edit", rehearsal_.edit(who));
      case 13:
        return pick(3) != 0 && !shipped_.verbs.empty()
                   ? take("act", rehearsal_.act(who, shipped_.verbs[pick(shipped_.verbs.size())],
                                                pick(2) == 0 ? other : 0, {}))
                   : take("scope", rehearsal_.change(who, scopes[pick(3)]));
      default:
        return take("pass", rehearsal_.pass(static_cast<std::int64_t>(pick(30'000))));
    }
  }

  session::Member person(MemberId id) {
    session::Member out;
    out.id = id;
    out.client_id = out.label = "p" + std::to_string(id);
    if (id == 2) out.device = "d";
    if (id == 4 && pick(2) == 0) out.flags |= plugin::member_view_only;
    if (pick(8) == 0) out.flags |= plugin::member_headless;
    return out;
  }

  void take(const char* what, Result<Moments> moments) {
    if (moments) return see(*moments);
    if (moments.error().code != "impossible") problem = std::string(what) + ": " + moments.error().message;
  }

  void see(const Moments& moments) {
    for (const auto& moment : moments) {
      const auto names = Names::of_room(moment.room);
      if (moment.event) story += sentence(*moment.event, names, moment.room) + "\n";
      for (const auto& fact : moment.facts) {
        story += "    " + full_sentence(fact, names, moment.room.now_ms) + "\n";
        if (fact.kind == Fact::Kind::policy_failed || fact.kind == Fact::Kind::host_refused) problem = fact.text;
        if (fact.epoch != 0) {
          // Asking for what one has gives the epoch one has; everything else rises.
          const bool known = fact.epoch <= last_epoch_;
          if (known && fact.kind != Fact::Kind::gets_the_pen) problem = "an epoch did not rise";
          last_epoch_ = std::max(last_epoch_, fact.epoch);
        }
      }
    }
    check_room();
  }

  void check_room() {
    auto& room = rehearsal_.room();
    if (!rehearsal_.policy().multi_editor() && room.grants() > 1) problem = "two hold the pen";
    for (const auto& [id, member] : room.members()) {
      const bool edits = (member.caps & plugin::cap_edit) != 0;
      if (edits != (member.grant != 0)) problem = "edit without a grant, or a grant without edit";
      if ((member.caps & ~member.scope) != 0) problem = "more than the scope allows";
      if (member.grant != 0 && !member.may_hold_the_pen()) problem = "somebody who may not edit has the pen";
    }
    for (const auto& [id, request] : room.requests()) {
      if (room.find(request.from) == nullptr) problem = "a request of somebody who is gone";
      if (request.asked != 0 && room.find(request.asked) == nullptr) problem = "somebody who is gone is asked";
    }
  }

  Shipped shipped_;
  Rehearsal rehearsal_;
  std::mt19937 random_;
  std::uint64_t last_epoch_ = 0;
};

class PolicyWalk : public RegistryTest {
 protected:
  plugin::PolicyPtr policy(const Shipped& shipped) {
    if (!registry_) registry_ = registry({plugin::testing::shipped});
    const auto generation = registry_->load(plugin::Kind::policy, shipped.id);
    if (!generation) return nullptr;
    return plugin::Policy::create(*generation, shipped.config).value_or(nullptr);
  }
  std::unique_ptr<plugin::Registry> registry_;
};

TEST_F(PolicyWalk, EveryShippedPolicyKeepsTheRulesWhateverHappens) {
  for (const auto& shipped : all) {
    const auto made = policy(shipped);
    ASSERT_NE(made, nullptr) << shipped.id << shipped.config;
    for (unsigned seed = 1; seed <= 12; ++seed) {
      Walk walk(shipped, made, seed);
      walk.steps(120);
      walk.quiet();
      ASSERT_EQ(walk.problem, "") << shipped.id << " " << shipped.config << ", seed " << seed << "\n" << walk.story;
    }
  }
}

TEST_F(PolicyWalk, SameHistorySameEffects) {
  for (const auto& shipped : all) {
    Walk first(shipped, policy(shipped), 7), second(shipped, policy(shipped), 7);
    first.steps(150);
    second.steps(150);
    EXPECT_EQ(first.story, second.story) << shipped.id;
    EXPECT_GT(first.story.size(), 300u) << shipped.id << ": the walk went nowhere";
  }
}

TEST_F(PolicyWalk, SwapsBetweenAnyTwoKeepTheRules) {
  std::vector<plugin::PolicyPtr> made;  // pure: one of each serves all walks
  for (const auto& shipped : all) made.push_back(policy(shipped));
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = 0; j < all.size(); ++j) {
      const auto &from = all[i], &to = all[j];
      Walk walk(from, made[i], 11);
      for (int round = 0; round < 4 && walk.problem.empty(); ++round) {
        walk.steps(20);
        walk.swap(made[round % 2 == 0 ? j : i], round % 2 == 0 ? to : from);
      }
      walk.quiet();
      ASSERT_EQ(walk.problem, "") << from.id << from.config << " -> " << to.id << to.config << "\n" << walk.story;
    }
  }
}

}  // namespace
}  // namespace lectern::policy_lab
