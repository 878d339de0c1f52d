#include "plugin/policy.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "lectern/abi/draft/policy.h"
#include "plugin/call.hpp"
#include "plugin/checking.hpp"

namespace lectern::plugin {

namespace {

constexpr std::size_t max_effects = 256;
constexpr std::size_t max_text = 4096;
constexpr std::size_t max_state = 64u << 10;

/// The arrays of one call in the interface's shape; they show the snapshot's texts.
struct FlatRoom {
  std::vector<lectern_member> members;
  std::vector<lectern_request> requests;
  lectern_room room{};

  explicit FlatRoom(const RoomSnapshot& from) {
    members.reserve(from.members.size());
    for (const Member& member : from.members) members.push_back(flat(member));
    requests.reserve(from.requests.size());
    for (const Request& request : from.requests) {
      requests.push_back({request.id, request.from, request.asked, request.if_epoch, request.at_ms, request.deadline_ms,
                          to_abi(request.reason)});
    }
    // The interface promises this order: equal rooms must look equal to a policy that is to be replayable.
    const auto by_id = [](const auto& a, const auto& b) { return a.id < b.id; };
    std::sort(members.begin(), members.end(), by_id);
    std::sort(requests.begin(), requests.end(), by_id);
    room.struct_size = sizeof room;
    room.member_stride = sizeof(lectern_member);
    room.request_stride = sizeof(lectern_request);
    room.n_members = static_cast<std::uint32_t>(members.size());
    room.n_requests = static_cast<std::uint32_t>(requests.size());
    room.version = from.version;
    room.epoch = from.epoch;
    room.holder = from.holder;
    room.now_ms = from.now_ms;
    room.since_ms = from.since_ms;
    room.members = members.data();
    room.requests = requests.data();
  }

  static lectern_member flat(const Member& from) {
    lectern_member to{};
    to.id = from.id;
    to.presence = static_cast<std::uint32_t>(from.presence);
    to.scope = from.scope;
    to.caps = from.caps;
    to.flags = from.flags;
    to.grant = from.grant;
    to.joined_ms = from.joined_ms;
    to.seen_ms = from.seen_ms;
    to.edited_ms = from.edited_ms;
    to.reserved_until_ms = from.reserved_until_ms;
    to.scope_until_ms = from.scope_until_ms;
    to.principal = to_abi(from.principal);
    to.label = to_abi(from.label);
    to.device = to_abi(from.device);
    return to;
  }
};

/// Takes what one call writes. The first piece of garbage makes the whole outcome worthless.
struct Collector {
  PolicyOutcome outcome;
  std::string garbage;  // what was wrong; empty = nothing
  int states = 0;       // how often one was handed over

  lectern_status refuse(std::string what) {
    if (garbage.empty()) garbage = std::move(what);
    return LECTERN_INVALID;
  }

  lectern_status take(const lectern_effect* raw) {
    if (raw == nullptr) return refuse("wrote no effect where one was announced");
    const lectern_effect effect = read_struct(raw);
    const auto index = "effect " + std::to_string(outcome.effects.size() + 1);
    if (outcome.effects.size() == max_effects)
      return refuse("wrote more than " + std::to_string(max_effects) + " effects");
    if (effect.struct_size < offsetof(lectern_effect, text) + sizeof(lectern_str))
      return refuse(index + " has a struct_size of " + std::to_string(effect.struct_size));
    if (effect.kind < LECTERN_EFFECT_SET_CAPS || effect.kind > LECTERN_EFFECT_SHOW)
      return refuse(index + " is of kind " + std::to_string(effect.kind));
    const auto name = index + " (" + std::string(effect_name(static_cast<EffectKind>(effect.kind))) + ")";
    if ((effect.caps & ~std::uint32_t{cap_interact}) != 0)
      return refuse(name + " has caps " + std::to_string(effect.caps) + ": edit comes by grant alone");
    if (effect.verdict > LECTERN_ALLOW) return refuse(name + " has verdict " + std::to_string(effect.verdict));
    if (!sane(effect.text, max_text))
      return refuse(name + " has a text of " + std::to_string(effect.text.n) + " bytes");
    if (!text::valid_utf8(view(effect.text))) return refuse(name + " has a text that is not UTF-8");
    if (effect.kind == LECTERN_EFFECT_SHOW && !shows_object(view(effect.text)))
      return refuse(name + " does not show a JSON object");
    outcome.effects.push_back({static_cast<EffectKind>(effect.kind), effect.caps, effect.verdict == LECTERN_ALLOW,
                               effect.target, effect.request, effect.timer, effect.at_ms,
                               std::string(view(effect.text))});
    return LECTERN_OK;
  }

  lectern_status take_state(lectern_str state) {
    ++states;
    if (!sane(state, max_state))
      return refuse("wrote a state of " + std::to_string(state.n) + " bytes, " + std::to_string(max_state) +
                    " are allowed");
    outcome.state = std::string(view(state));
    return LECTERN_OK;
  }

  static bool shows_object(std::string_view json) {
    if (json.empty()) return true;  // takes away what was shown
    const auto value = json::parse(json, {.bytes = max_text, .depth = 8, .nodes = 1000, .unique_keys = true});
    return value && value->as_object() != nullptr;
  }
};

/// What an outcome says that is allowed, and yet can only be a mistake.
void check_outcome(Checker& checker, const PolicyOutcome& outcome, int states, std::int64_t us, bool multi_editor) {
  if (!checker.watches()) return;
  constexpr std::int64_t most_us = 50'000;
  const auto broken = [&](const std::string& what) {
    checker.broken(Side::plugin, "[referee]", "lectern_policy.reduce", what);
  };
  if (us > most_us) broken("took longer than the 50 ms it has");
  if (states > 1) broken("handed over its state more than once");
  const auto& effects = outcome.effects;
  int grants = 0;
  const std::size_t looked_at = checker.thorough() ? effects.size() : std::min<std::size_t>(effects.size(), 32);
  for (std::size_t i = 0; i < looked_at; ++i) {
    const Effect& one = effects[i];
    const std::string name(effect_name(one.kind));
    if (one.kind == EffectKind::grant || (one.kind == EffectKind::resolve && one.allow)) ++grants;
    for (std::size_t j = 0; j < i; ++j) {
      const bool same_end =
          one.kind == EffectKind::resolve && effects[j].kind == one.kind && effects[j].request == one.request;
      if (effects[j] == one) {
        broken("wrote the same effect twice: " + name);
      } else if (same_end) {
        broken("ended one request twice, with different verdicts or words");
      }
    }
  }
  if (grants > 1 && !multi_editor) broken("gave the pen away twice in one call, under a policy with one editor");
  if (outcome.state) checker.check_utf8(*outcome.state, "lectern_policy_out.state", "state");
}

template <class Body>
lectern_status caught(Body&& body) noexcept {
  try {
    return body();
  } catch (...) {  // out of memory in the host: the plugin's frame must not see it
    return LECTERN_INTERNAL;
  }
}

lectern_status on_effect(void* ctx, const lectern_effect* effect) noexcept {
  auto* to = static_cast<Collector*>(Lent::borrowed(ctx, "lectern_policy_out.effect"));
  return to == nullptr ? lectern_status{LECTERN_CONFLICT} : caught([&] { return to->take(effect); });
}
lectern_status on_state(void* ctx, lectern_str state) noexcept {
  auto* to = static_cast<Collector*>(Lent::borrowed(ctx, "lectern_policy_out.state"));
  return to == nullptr ? lectern_status{LECTERN_CONFLICT} : caught([&] { return to->take_state(state); });
}

constexpr std::array<std::string_view, 14> event_names{"installed", "joined",    "left",      "lost",     "returned",
                                                       "changed",   "requested", "withdrawn", "answered", "ask_ended",
                                                       "released",  "activity",  "timer",     "action"};
constexpr std::array<std::string_view, 9> effect_names{"set_caps", "grant", "vacate", "resolve", "ask",
                                                       "unask",    "timer", "notice", "show"};

}  // namespace

std::string_view event_name(EventKind kind) {
  const auto index = static_cast<std::size_t>(kind) - 1;
  return index < event_names.size() ? event_names[index] : "unknown";
}

std::string_view effect_name(EffectKind kind) {
  const auto index = static_cast<std::size_t>(kind) - 1;
  return index < effect_names.size() ? effect_names[index] : "unknown";
}

namespace {

/// Maximal: the same arguments once more. `call` runs reduce with the given sinks.
template <class Call>
void check_pure(Generation& generation, const PolicyOutcome& first, Call&& call) {
  Collector second;
  lectern_error error = empty_error();
  const Loan<lectern_policy_out> lent(generation.checker(), &second,
                                      {sizeof(lectern_policy_out), 0, nullptr, &on_effect, &on_state, &error});
  const auto status = guarded(generation, "decide the same again", error, [&] { return call(*lent.get()); });
  const bool same = status == LECTERN_OK && second.garbage.empty() && second.outcome.effects == first.effects &&
                    second.outcome.state == first.state;
  if (!same)
    generation.checker()->broken(Side::plugin, "[referee]", "lectern_policy.reduce",
                                 "is not pure: the same arguments gave another answer");
}

}  // namespace

struct Policy::Inner {
  GenerationPtr generation;
  std::string config;
  lectern_policy abi{};
  void* self = nullptr;
  std::uint64_t remote_object = 0;  // instead of `self` when it lives in a process of its own
  std::string actions, schema;
};

Policy::Policy(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}

Policy::~Policy() {
  if (auto* remote = inner_->generation->remote(); remote != nullptr && inner_->remote_object != 0) {
    remote->destroy(inner_->remote_object);
    return;
  }
  if (inner_->self == nullptr) return;
  guarded_void(*inner_->generation, "destroy a policy", [&] { may_throw(inner_->abi.destroy)(inner_->self); });
}

Result<std::shared_ptr<Policy>> Policy::create(GenerationPtr generation, std::string config_json) {
  auto inner = std::make_unique<Inner>();
  inner->abi = read_struct(static_cast<const lectern_policy*>(generation->interface()));
  inner->generation = std::move(generation);
  inner->config = std::move(config_json);
  inner->schema = std::string(view(inner->abi.state_schema));
  inner->actions = std::string(view(inner->abi.actions_json));
  if (inner->actions.empty()) inner->actions = "[]";
  const auto actions =
      json::parse(inner->actions, {.bytes = 64u << 10, .depth = 8, .nodes = 1000, .unique_keys = true});
  if (!actions || actions->as_array() == nullptr) {
    return fail(422, "bad_entry", inner->generation->id() + ": actions_json is no JSON array",
                "Fill it as lectern/abi/draft/policy.h says, or leave it empty.");
  }
  LECTERN_CHECK(inner->generation->check_config(inner->config));
  const std::scoped_lock lock(control_mutex());
  lectern_error error = empty_error();
  void* self = nullptr;
  const auto status = guarded(*inner->generation, "take these settings", error, [&] {
    if (auto* remote = inner->generation->remote()) return remote->create(inner->config, inner->remote_object, error);
    return may_throw(inner->abi.create)(to_abi(inner->config), &self, &error);
  });
  if (status != LECTERN_OK)
    return fail(call_error(*inner->generation, "take these settings", status, error, 400, "bad_config"));
  inner->self = self;
  inner->generation->activate();
  return std::shared_ptr<Policy>(new Policy(std::move(inner)));
}

Result<PolicyOutcome> Policy::reduce(std::string_view state, const RoomSnapshot& room, const PolicyEvent& event) const {
  Generation& generation = *inner_->generation;
  const auto start = clock::now_us();
  const FlatRoom flat(room);
  lectern_event happened{};
  happened.struct_size = sizeof happened;
  happened.kind = static_cast<std::uint32_t>(event.kind);
  happened.value = event.value;
  happened.seq = event.seq;
  happened.who = event.who;
  happened.target = event.target;
  happened.request = event.request;
  happened.timer = event.timer;
  happened.verb = to_abi(event.verb);
  happened.json = to_abi(event.json);

  Collector collector;
  lectern_error error = empty_error();
  const Loan<lectern_policy_out> lent(generation.checker(), &collector,
                                      {sizeof(lectern_policy_out), 0, nullptr, &on_effect, &on_state, &error});
  const lectern_policy_out& out = *lent.get();
  const std::string doing = "decide on \"" + std::string(event_name(event.kind)) + "\"";
  const auto status = guarded(generation, doing, error, [&] {
    if (auto* remote = generation.remote())
      return remote->reduce(inner_->remote_object, to_abi(state), flat.room, happened, out);
    return may_throw(inner_->abi.reduce)(inner_->self, to_abi(state), &flat.room, &happened, &out);
  });
  if (!collector.garbage.empty()) {
    generation.count_failure(doing + ": " + collector.garbage);
    return fail(500, "policy_failed", generation.id() + " could not " + doing + ": it " + collector.garbage,
                "This is a fault of the policy; switch to another one with `lectern policy`.");
  }
  if (status != LECTERN_OK) {
    Error failed = call_error(generation, doing, status, error, 500, "policy_failed");
    // Only what breaks the contract is a fault; a policy may well refuse an event that makes no sense to it.
    const bool resting = generation.remote() != nullptr && status == LECTERN_UNAVAILABLE;
    failed.status = status == LECTERN_INTERNAL || resting ? 500 : 422;
    failed.code = "policy_failed";
    return fail(std::move(failed));
  }
  check_outcome(*generation.checker(), collector.outcome, collector.states, clock::now_us() - start, multi_editor());
  if (generation.checker()->thorough())
    check_pure(generation, collector.outcome, [&](const lectern_policy_out& again) {
      if (auto* remote = generation.remote())
        return remote->reduce(inner_->remote_object, to_abi(state), flat.room, happened, again);
      return may_throw(inner_->abi.reduce)(inner_->self, to_abi(state), &flat.room, &happened, &again);
    });
  return std::move(collector.outcome);
}

const std::string& Policy::id() const {
  return inner_->generation->id();
}
const std::string& Policy::config() const {
  return inner_->config;
}
bool Policy::multi_editor() const {
  return (inner_->abi.flags & LECTERN_POLICY_MULTI_EDITOR) != 0;
}
const std::string& Policy::actions_json() const {
  return inner_->actions;
}
const std::string& Policy::state_schema() const {
  return inner_->schema;
}
const GenerationPtr& Policy::generation() const {
  return inner_->generation;
}

}  // namespace lectern::plugin
