// The contract of a policy (lectern/abi/draft/policy.h, docs/policies.md).
#include <algorithm>
#include <chrono>
#include <random>

#include "base/json.hpp"
#include "base/text.hpp"
#include "fuzz.hpp"
#include "host_plugin.hpp"
#include "policy_walk.hpp"
#include "suites.hpp"

namespace lectern::validate {

namespace {

using plugin::EventKind;
using Clock = std::chrono::steady_clock;
constexpr std::uint32_t all_caps = plugin::cap_edit | plugin::cap_interact;

std::vector<std::string> verbs_of(const std::string& actions_json) {
  std::vector<std::string> verbs;
  const auto actions = json::parse(actions_json);
  if (!actions || actions->as_array() == nullptr) return verbs;
  for (const auto& one : *actions->as_array()) {
    const auto* verb = one.find("verb");
    if (verb != nullptr && verb->as_string() != nullptr) verbs.push_back(*verb->as_string());
  }
  return verbs;
}

/// The policy twice, from one generation; a failure to make it is in the report.
struct Bench {
  HostPlugin plugin;
  Judges judges;
  bool ready = false;

  Bench(const Context& context, Report& report) : plugin(context, report) {
    if (plugin.generation == nullptr) return;
    doing("take its settings");
    for (auto* one : {&judges.first, &judges.second}) {
      auto made = plugin::Policy::create(plugin.generation, context.config());
      if (!made) {
        report.fail(made.error().message, "Name settings that it takes with --config.");
        return;
      }
      *one = *made;
    }
    judges.verbs = verbs_of(judges.first->actions_json());
    ready = true;
  }
};

/// Three people of whom each may do something else, as rooms are.
std::vector<std::vector<Person>> casts() {
  return {{{"Ann"}, {"Ben"}, {"Cem"}},
          {{"Ann"}, {"Ben", plugin::cap_interact}, {"Cem", all_caps, plugin::member_view_only}},
          {{"Ann"}, {"Bot", all_caps, plugin::member_headless | plugin::member_agent}, {"Cem"}}};
}

void tell(const Judges& judges, const std::vector<Person>& people, const Failure& failure, Report& report) {
  report.fail(failure.violation.what + "\n" + in_words(judges, people, failure), failure.violation.fix);
}

void declares(const Context& context, Report& report) {
  const Bench bench(context, report);
  if (!bench.ready) return;
  const auto actions = json::parse(bench.judges.first->actions_json());
  for (const auto& one : *actions->as_array()) {
    const json::Fields fields(one, "actions_json");
    const auto verb =
        fields.check() ? fields.string("verb") : Result<std::string>(fail(400, "", "an action is no object"));
    const auto label = verb ? fields.string("label") : verb;
    const auto tier = label ? fields.string("tier") : label;
    if (!tier) {
      report.fail(tier.error().message, R"(Each action is {"verb":"…","label":"…","tier":"read"|"interact"|"edit"}.)");
    } else if (*tier != "read" && *tier != "interact" && *tier != "edit") {
      report.fail("the action \"" + *verb + "\" has the tier \"" + text::label(*tier, 32) + "\"",
                  "The tiers are read, interact and edit.");
    }
  }
  report.note(std::string(bench.judges.first->multi_editor() ? "several editors" : "one editor") + ", " +
              std::to_string(bench.judges.verbs.size()) + " actions");
}

/// A build that runs it each time runs it a second time through the proxy, where a decision takes ten times as long.
bool very_quick(const Context& context) {
  return context.options.quick && context.options.proxy;
}

void model(const Context& context, Report& report) {
  const Bench bench(context, report);
  if (!bench.ready) return;
  const bool quick = context.options.quick;
  const int depth = quick ? 4 : 7;
  const auto all = casts();
  for (const auto& people : all) {
    const auto until = Clock::now() + std::chrono::milliseconds(very_quick(context) ? 800 : quick ? 2500 : 3000);
    const Explored found = explore(bench.judges, people, depth, quick ? 20'000 : 60'000, until);
    if (found.failure) return tell(bench.judges, people, *found.failure, report);
    std::string names;
    for (const Person& one : people) names += (names.empty() ? "" : ", ") + one.name;
    report.note(names + ": all sequences of " + std::to_string(found.depth) + " steps, " +
                std::to_string(found.states) + " different rooms, " + std::to_string(found.steps) + " steps" +
                (found.pen_can_be_had ? "" : "; nobody ever gets the pen, so it cannot be lost"));
  }
}

std::vector<Person> crowd() {
  return {{"Ann"},
          {"Ben"},
          {"Cem"},
          {"Dua", plugin::cap_interact},
          {"Eli", all_caps, plugin::member_view_only},
          {"Bot", all_caps, plugin::member_headless | plugin::member_agent}};
}

void random_walks(const Context& context, Report& report) {
  const Bench bench(context, report);
  if (!bench.ready) return;
  const auto people = crowd();
  const auto until = Clock::now() + std::chrono::milliseconds(very_quick(context)     ? 300
                                                              : context.options.quick ? 700
                                                                                      : 3000);
  const Explored found = wander(bench.judges, people, context.options.seed, 400, until);
  if (found.failure) return tell(bench.judges, people, *found.failure, report);
  report.note(std::to_string(found.states) + " random ways of 400 steps with six people, from seed " +
              std::to_string(context.options.seed));
}

/// Every decision of a walk is made twice, by the object that was there all the time and by one that was just made and
/// knows nothing but the state.
void state(const Context& context, Report& report) {
  Bench bench(context, report);
  if (!bench.ready) return;
  const auto people = crowd();
  for (std::uint64_t i = 0; i < (very_quick(context) ? 1u : context.options.quick ? 3u : 10u); ++i) {
    doing("be made anew in the middle of a room's life");
    auto fresh = plugin::Policy::create(bench.plugin.generation, context.config());
    if (!fresh) return report.fail(fresh.error().message, fresh.error().hint);
    bench.judges.second = *fresh;
    const Explored found = wander_once(bench.judges, people, context.options.seed + 1000 + i, 200);
    if (found.failure) return tell(bench.judges, people, *found.failure, report);
  }
  if (bench.judges.first->state_schema().empty()) report.skip("it has no state to hand over");
}

void fuzzed(const Context& context, Report& report) {
  const Bench bench(context, report);
  if (!bench.ready) return;
  const auto people = crowd();
  fuzz(context, report, [&](std::uint64_t seed) {
    const Explored found = wander_once(bench.judges, people, seed, 1000);
    if (found.failure) tell(bench.judges, people, *found.failure, report);
  });
}

plugin::RoomSnapshot room_of(std::size_t members, std::size_t requests, std::size_t grants) {
  plugin::RoomSnapshot room;
  room.now_ms = 1'000'000;
  for (std::size_t i = 1; i <= members; ++i) {
    plugin::Member one;
    one.id = i;
    one.joined_ms = one.seen_ms = 1000 + static_cast<std::int64_t>(i);
    one.label = one.principal = "member " + std::to_string(i);
    one.caps = plugin::cap_interact;
    if (i <= grants) {
      one.grant = ++room.epoch;
      one.caps = all_caps;
      one.edited_ms = 2000 + static_cast<std::int64_t>(i * 37 % 11);
      if (room.holder == 0) room.holder = one.id;
    }
    room.members.push_back(std::move(one));
  }
  for (std::size_t i = 1; i <= requests && i + grants <= members; ++i) {
    plugin::Request one;
    one.id = i;
    one.from = grants + i;
    one.at_ms = 999'000;
    one.deadline_ms = 1'030'000;
    room.requests.push_back(one);
  }
  return room;
}

plugin::PolicyEvent event_of(EventKind kind, std::uint64_t who = 0, std::uint64_t request = 0) {
  plugin::PolicyEvent event;
  event.kind = kind;
  event.seq = 1;
  event.who = who;
  event.request = request;
  return event;
}

/// How many grants there are after the effects, as a host would count them.
std::size_t grants_after(const plugin::RoomSnapshot& room, const std::vector<plugin::Effect>& effects) {
  std::map<std::uint64_t, bool> has;
  for (const auto& one : room.members) has[one.id] = one.grant != 0;
  for (const auto& effect : effects) {
    if (effect.kind == plugin::EffectKind::vacate) has[effect.target] = false;
  }
  std::size_t count = 0;
  for (const auto& [id, holds] : has) count += holds ? 1 : 0;
  return count;
}

void installed(const Context& context, Report& report) {
  const Bench bench(context, report);
  if (!bench.ready) return;
  // Rooms that another policy left behind.
  for (const std::size_t grants : {0u, 1u, 2u, 3u, 10u}) {
    for (const std::size_t requests : {0u, 1u, 5u}) {
      const auto room = room_of(20, requests, grants);
      auto event = event_of(EventKind::installed);
      event.json = "some-other-policy";
      const std::string name =
          "a room of 20 with " + std::to_string(grants) + " editors and " + std::to_string(requests) + " open requests";
      doing("be installed into " + name);
      const auto outcome = bench.judges.first->reduce("", room, event);
      if (!outcome) {
        return report.fail(
            "it cannot be installed into " + name + ": " + outcome.error().message,
            "\"installed\" comes at the start and on every swap, with the room as the old policy left it.");
      }
      const bool grants_anew = std::any_of(outcome->effects.begin(), outcome->effects.end(), [](const auto& effect) {
        return effect.kind == plugin::EffectKind::grant || (effect.kind == plugin::EffectKind::resolve && effect.allow);
      });
      if (!bench.judges.first->multi_editor() && !grants_anew && grants_after(room, outcome->effects) > 1)
        return report.fail("installed into " + name + " it leaves more than one editor: the swap would be refused",
                           "Keep the holder, or who edited last, and vacate the others.");
    }
  }
}

void strange_events(const Context& context, Report& report) {
  const Bench bench(context, report);
  if (!bench.ready) return;
  const std::vector<std::pair<std::string, plugin::RoomSnapshot>> rooms{{"an empty room", room_of(0, 0, 0)},
                                                                        {"a room of three", room_of(3, 1, 1)}};
  for (const auto& [name, room] : rooms) {
    for (std::uint32_t kind = 1; kind <= 20; ++kind) {
      for (const std::uint64_t who : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{77}, UINT64_MAX}) {
        auto event = event_of(static_cast<EventKind>(kind), who, who);
        event.target = who;
        event.timer = who;
        event.value = 7;
        event.verb = "no-such-verb";
        event.json = "{\"odd\":[";
        doing("take event " + std::to_string(kind) + " about member and request " + std::to_string(who) + " in " +
              name);
        const auto outcome = bench.judges.first->reduce("", room, event);
        if (!outcome) {
          if (kind > 14) {
            report.warn("an event of kind " + std::to_string(kind) +
                            ", which does not exist yet, is a failure: " + outcome.error().message,
                        "Ignore events you do not know: newer hosts have more of them.");
          }
          continue;
        }
        for (const auto& effect : outcome->effects) {
          const bool about_member = effect.kind == plugin::EffectKind::set_caps ||
                                    effect.kind == plugin::EffectKind::grant ||
                                    effect.kind == plugin::EffectKind::vacate;
          const bool known = std::any_of(room.members.begin(), room.members.end(),
                                         [&](const auto& one) { return one.id == effect.target; });
          if (about_member && !known)
            report.fail("on \"" + std::string(plugin::event_name(event.kind)) +
                            "\" about somebody who is not in the room it says: " + effect_text(effect),
                        "Look members up in the room: an event may be about somebody who has just left.");
        }
      }
      if (report.failed()) return;
    }
  }
}

void strange_state(const Context& context, Report& report) {
  const Bench bench(context, report);
  if (!bench.ready) return;
  std::mt19937_64 random(context.options.seed);
  std::vector<std::string> states{"x",
                                  "{",
                                  "[]",
                                  "null",
                                  std::string(1, '\0'),
                                  "\xff\xfe",
                                  "{\"v\":99999}",
                                  std::string(64u << 10, 'a'),
                                  "{\"a\":" + std::string(5000, '[')};
  // What it writes itself, cut and damaged.
  const auto room = room_of(3, 1, 1);
  std::string own;
  for (const auto kind : {EventKind::installed, EventKind::joined, EventKind::requested, EventKind::lost}) {
    const auto outcome = bench.judges.first->reduce(own, room, event_of(kind, 2, 1));
    if (outcome && outcome->state) own = *outcome->state;
  }
  for (std::size_t n = 0; n < own.size() && n < 200; ++n) states.push_back(own.substr(0, n));
  for (int i = 0; i < 200 && !own.empty(); ++i) {
    std::string damaged = own;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    states.push_back(std::move(damaged));
  }
  for (const auto& state : states) {
    for (const auto kind : {EventKind::installed, EventKind::requested, EventKind::ask_ended, EventKind::timer}) {
      doing("decide with a state of " + std::to_string(state.size()) +
            " bytes it did not write: " + text::label(state, 60));
      (void)bench.judges.first->reduce(state, room, event_of(kind, 2, 1));
    }
  }
  const auto after = bench.judges.first->reduce("", room, event_of(EventKind::joined, 3));
  if (!after)
    report.fail("after states it did not write it fails on a good one: " + after.error().message,
                "A policy keeps nothing between calls.");
  if (bench.judges.first->state_schema().empty()) report.skip("it names no state_schema: states do not concern it");
}

void time(const Context& context, Report& report) {
  const Bench bench(context, report);
  if (!bench.ready) return;
  const auto room = room_of(100, 20, 1);
  std::vector<std::int64_t> times;
  for (int round = 0; round < 20; ++round) {
    for (std::uint32_t kind = 1; kind <= 14; ++kind) {
      const auto event = event_of(static_cast<EventKind>(kind), 5, 3);
      doing("decide on \"" + std::string(plugin::event_name(event.kind)) + "\" in a room of 100");
      const auto start = Clock::now();
      (void)bench.judges.first->reduce("", room, event);
      times.push_back(std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count());
    }
  }
  std::sort(times.begin(), times.end());
  const auto median = times[times.size() / 2], late = times[times.size() * 99 / 100];
  report.note("in a room of 100 with 20 requests: " + std::to_string(median) + " us at the median, " +
              std::to_string(late) + " us at the 99th percentile");
  if (median > 50'000) {
    report.fail("a decision takes " + std::to_string(median / 1000) +
                    " ms; after 50 ms the host drops it and quarantines the policy",
                "Decide from what the room says; do not wait, read files or ask anybody.");
  } else if (median > 5'000) {
    report.warn(
        "a decision takes " + std::to_string(median / 1000) + " ms; on a loaded machine that may pass the 50 ms it has",
        "Walk members and requests once.");
  }
}

}  // namespace

std::vector<Test> policy_suite() {
  const auto kind = plugin::Kind::policy;
  return {
      {"policy.declares", "its actions are well-formed", 30, kind, true, &declares},
      {"policy.installed", "it can take over any room that another policy left", 30, kind, true, &installed},
      {"policy.model", "model checker: every sequence of events to a depth, for three people", 120, kind, true, &model},
      {"policy.random", "long random sequences of events, for six people", 120, kind, true, &random_walks},
      {"policy.state", "a new object goes on from the state of the old one", 60, kind, true, &state},
      {"policy.strange-events", "events about nobody, and of kinds it does not know", 30, kind, true, &strange_events},
      {"policy.strange-state", "states it did not write", 60, kind, true, &strange_state},
      {"fuzz.policy", "random sequences of a thousand events", 0, kind, true, &fuzzed},
      {"policy.time", "a decision in a full room takes far less than 50 ms", 60, kind, true, &time},
  };
}

}  // namespace lectern::validate
