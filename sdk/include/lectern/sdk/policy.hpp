// A consumer policy in C++: derive from Policy, write reduce, and say LECTERN_PLUGIN(PolicyOf<MyPolicy>). Most policies
// need only the two questions of SimplePolicy (simple_policy.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lectern/abi/draft/policy.h"
#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/plugin.hpp"
#include "lectern/sdk/text.hpp"

namespace lectern::sdk {

/// One consumer of the room. Times are milliseconds of the host's clock, 0 = none; texts are valid during reduce.
struct Member {
  std::uint64_t id = 0;
  std::uint32_t presence = LECTERN_PRESENT;  // LECTERN_PRESENT, LECTERN_PROBING, LECTERN_LOST
  std::uint32_t scope = 0;                   // the most it may ever have, LECTERN_CAP_* bits
  std::uint32_t caps = 0;                    // what it has
  std::uint32_t flags = 0;                   // LECTERN_MEMBER_*
  std::uint64_t grant = 0;                   // epoch of its right to edit; 0 = none
  std::int64_t joined_ms = 0, seen_ms = 0, edited_ms = 0, reserved_until_ms = 0, scope_until_ms = 0;
  std::string_view principal, label, device;

  [[nodiscard]] bool view_only() const { return (flags & LECTERN_MEMBER_VIEW_ONLY) != 0; }
  [[nodiscard]] bool headless() const { return (flags & LECTERN_MEMBER_HEADLESS) != 0; }
  [[nodiscard]] bool lost() const { return presence == LECTERN_LOST; }
  [[nodiscard]] bool holds_grant() const { return grant != 0; }
  /// Its scope allows editing and it did not join to watch only.
  [[nodiscard]] bool may_edit() const { return (scope & LECTERN_CAP_EDIT) != 0 && !view_only(); }
};

struct Request {
  std::uint64_t id = 0, from = 0;
  std::uint64_t asked = 0;  // the member asked to agree; 0 = nobody yet
  std::uint64_t if_epoch = 0;
  std::int64_t at_ms = 0, deadline_ms = 0;
  std::string_view reason;
};

struct Room {
  std::uint64_t version = 0, epoch = 0;
  std::uint64_t holder = 0;  // the editor under an exclusive policy, also while lost and reserved; 0 = nobody
  std::int64_t now_ms = 0, since_ms = 0;
  std::vector<Member> members;    // sorted by id
  std::vector<Request> requests;  // sorted by id

  /// Null when absent.
  [[nodiscard]] const Member* member(std::uint64_t id) const {
    for (const Member& one : members) {
      if (one.id == id) return &one;
    }
    return nullptr;
  }
  [[nodiscard]] const Request* request(std::uint64_t id) const {
    for (const Request& one : requests) {
      if (one.id == id) return &one;
    }
    return nullptr;
  }
};

struct Event {
  std::uint32_t kind = 0;   // LECTERN_EVENT_*
  std::uint32_t value = 0;  // answered: 1 = agrees
  std::uint64_t seq = 0, who = 0, target = 0, request = 0, timer = 0;
  std::string_view verb, json;
};

/// What the policy decides: effects in order, applied all or none, and perhaps a new state.
class Outcome {
 public:
  /// `caps`: LECTERN_CAP_INTERACT or 0; edit comes by grant alone.
  void set_caps(std::uint64_t target, std::uint32_t caps) {
    lectern_effect& effect = add(LECTERN_EFFECT_SET_CAPS);
    effect.target = target;
    effect.caps = caps;
  }
  /// The right to edit, with the next epoch. Under an exclusive policy the former holder keeps `former_caps`.
  void grant(std::uint64_t target, std::uint32_t former_caps = LECTERN_CAP_INTERACT) {
    lectern_effect& effect = add(LECTERN_EFFECT_GRANT);
    effect.target = target;
    effect.caps = former_caps;
  }
  void vacate(std::uint64_t target, std::uint32_t caps = LECTERN_CAP_INTERACT) {
    lectern_effect& effect = add(LECTERN_EFFECT_VACATE);
    effect.target = target;
    effect.caps = caps;
  }
  /// Grants the asker, the former holder keeps `former_caps`.
  void allow(std::uint64_t request, std::uint32_t former_caps = LECTERN_CAP_INTERACT) {
    lectern_effect& effect = add(LECTERN_EFFECT_RESOLVE);
    effect.request = request;
    effect.verdict = LECTERN_ALLOW;
    effect.caps = former_caps;
  }
  void deny(std::uint64_t request, std::string reason) {
    lectern_effect& effect = add(LECTERN_EFFECT_RESOLVE, std::move(reason));
    effect.request = request;
    effect.verdict = LECTERN_DENY;
  }
  void ask(std::uint64_t request, std::uint64_t target, std::int64_t until_ms, std::string text) {
    lectern_effect& effect = add(LECTERN_EFFECT_ASK, std::move(text));
    effect.request = request;
    effect.target = target;
    effect.at_ms = until_ms;
  }
  void unask(std::uint64_t request) { add(LECTERN_EFFECT_UNASK).request = request; }
  /// `timer`: a number of the policy's own; `at_ms` on room.now_ms's clock, 0 cancels.
  void timer(std::uint64_t timer, std::int64_t at_ms) {
    lectern_effect& effect = add(LECTERN_EFFECT_TIMER);
    effect.timer = timer;
    effect.at_ms = at_ms;
  }
  /// `target` 0 = everybody.
  void notice(std::uint64_t target, std::string text) { add(LECTERN_EFFECT_NOTICE, std::move(text)).target = target; }
  /// A JSON object shown to everybody as room-state.policy.
  void show(std::string json_object) { add(LECTERN_EFFECT_SHOW, std::move(json_object)); }
  /// The state handed to the next reduce; at most 64 KiB.
  void state(std::string next) { state_ = std::move(next); }

  /// Hands everything to the host; the wrapper does it when reduce has returned.
  void deliver(const lectern_policy_out& out) const {
    for (const auto& [effect, text] : effects_) {
      lectern_effect made = effect;
      made.text = str(text);
      detail::check(out.effect(out.ctx, &made));
    }
    if (state_) detail::check(out.state(out.ctx, str(*state_)));
  }

 private:
  lectern_effect& add(std::uint32_t kind, std::string text = {}) {
    lectern_effect effect{};
    effect.struct_size = sizeof effect;
    effect.kind = kind;
    return effects_.emplace_back(effect, std::move(text)).first;
  }
  std::vector<std::pair<lectern_effect, std::string>> effects_;
  std::optional<std::string> state_;
};

/// The object holds its settings and nothing else. Derived classes have a constructor from the settings (JSON text),
/// and may have:
///   static constexpr bool multi_editor = true;               several grants may exist at once
///   static constexpr std::string_view state_schema = "x/1";  needed when state() is used
///   static constexpr std::string_view actions_json = "[…]";  verbs offered to people
class Policy {
 public:
  virtual ~Policy() = default;
  /// [referee] Pure: same arguments, same outcome. No clock but room.now_ms, no randomness, no memory. A thrown Failure
  /// denies a request and has no effects otherwise; it counts against the policy.
  virtual void reduce(std::string_view state, const Room& room, const Event& event, Outcome& out) const = 0;

  static constexpr bool multi_editor = false;
  static constexpr std::string_view state_schema = "";
  static constexpr std::string_view actions_json = "[]";
};

namespace detail {

inline Member from_abi(const lectern_member& from) {
  return {from.id,
          from.presence,
          from.scope,
          from.caps,
          from.flags,
          from.grant,
          from.joined_ms,
          from.seen_ms,
          from.edited_ms,
          from.reserved_until_ms,
          from.scope_until_ms,
          view(from.principal),
          view(from.label),
          view(from.device)};
}
inline Room from_abi(const lectern_room& from) {
  Room to{from.version, from.epoch, from.holder, from.now_ms, from.since_ms, {}, {}};
  // By stride, not by index: a newer host's structs are longer than ours.
  const char* at = reinterpret_cast<const char*>(from.members);
  for (std::uint32_t i = 0; i < from.n_members; ++i, at += from.member_stride) {
    to.members.push_back(from_abi(*reinterpret_cast<const lectern_member*>(at)));
  }
  at = reinterpret_cast<const char*>(from.requests);
  for (std::uint32_t i = 0; i < from.n_requests; ++i, at += from.request_stride) {
    const auto& one = *reinterpret_cast<const lectern_request*>(at);
    to.requests.push_back({one.id, one.from, one.asked, one.if_epoch, one.at_ms, one.deadline_ms, view(one.reason)});
  }
  return to;
}

}  // namespace detail

template <class T>
struct PolicyOf {
  using Plugin = T;
  static constexpr std::string_view kind = LECTERN_KIND_POLICY;

  static const lectern_policy& abi() {
    static const lectern_policy made{sizeof(lectern_policy),
                                     T::multi_editor ? std::uint32_t{LECTERN_POLICY_MULTI_EDITOR} : 0u,
                                     str(T::state_schema),
                                     str(T::actions_json),
                                     &create,
                                     &destroy,
                                     &reduce};
    return made;
  }

 private:
  static lectern_status create(lectern_str config, void** self, lectern_error* error) noexcept {
    detail::Call call("lectern_policy.create", error);
    call.initialised().control().text(config, "config");
    return detail::make<T>(call, self, view(config));
  }
  static void destroy(void* self) noexcept { detail::unmake<T>("lectern_policy.destroy", self); }
  static lectern_status reduce(const void* self, lectern_str state, const lectern_room* room,
                               const lectern_event* event, const lectern_policy_out* out) noexcept {
    // NOLINTNEXTLINE(bugprone-sizeof-expression): the size of the slot is what is meant.
    const bool may_say = out != nullptr && LECTERN_HAS(out, error);
    detail::Call call("lectern_policy.reduce", may_say ? out->error : nullptr);
    call.initialised().given(out, "out").object(self).given(room, "room").given(event, "event");
    if (!call.failed()) look(call, *static_cast<const detail::Object<T>*>(self), state, *room, *event);
    return call.run([&] {
      const Event happened{event->kind,    event->value, event->seq,        event->who,       event->target,
                           event->request, event->timer, view(event->verb), view(event->json)};
      Outcome outcome;
      detail::value<T>(self).reduce(view(state), detail::from_abi(*room), happened, outcome);
      outcome.deliver(*out);
    });
  }
  static void look(detail::Call& call, const detail::Object<T>& object, lectern_str state, const lectern_room& room,
                   const lectern_event& event) noexcept {
    call.alone("[referee]", object.inside, "on the object").text(state, "state");
    if (room.n_members != 0) call.size(room.member_stride, sizeof(lectern_member), "member");
    if (room.n_requests != 0) call.size(room.request_stride, sizeof(lectern_request), "request");
    call.text(event.verb, "verb").text(event.json, "json");
    if (call.failed() || !detail::Call::thorough()) return;
    const char* at = reinterpret_cast<const char*>(room.members);
    std::uint64_t last = 0;
    for (std::uint32_t i = 0; i < room.n_members; ++i, at += room.member_stride) {
      const auto& one = *reinterpret_cast<const lectern_member*>(at);
      call.text(one.principal, "principal").text(one.label, "label").text(one.device, "device");
      if (i != 0 && one.id <= last) detail::broken("[call]", "lectern_policy.reduce", "got members not sorted by id");
      last = one.id;
    }
  }
};

}  // namespace lectern::sdk
