// A consumer policy as the session layer sees it: plain values in, plain values out, nothing thrown.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "plugin/generation.hpp"

namespace lectern::plugin {

enum : std::uint32_t { cap_edit = 1, cap_interact = 2 };  // bits of caps and scope
enum class Presence : std::uint32_t { present = 0, probing = 1, lost = 2 };
enum : std::uint32_t { member_view_only = 1, member_headless = 2, member_agent = 4, member_dirty = 8 };

/// One consumer of a room. Times are milliseconds of clock::now_ms(), 0 = none.
struct Member {
  std::uint64_t id = 0;  // the host's number for the client, stable over reconnects
  Presence presence = Presence::present;
  std::uint32_t scope = cap_edit | cap_interact;  // the most it may ever have
  std::uint32_t caps = 0;                         // what it has now
  std::uint32_t flags = 0;                        // member_*
  std::uint64_t grant = 0;                        // epoch of its right to edit; 0 = none
  std::int64_t joined_ms = 0, seen_ms = 0, edited_ms = 0;
  std::int64_t reserved_until_ms = 0, scope_until_ms = 0;
  std::string principal, label, device;
};

/// An open takeover request.
struct Request {
  std::uint64_t id = 0, from = 0;
  std::uint64_t asked = 0;     // the member asked to agree; 0 = nobody yet
  std::uint64_t if_epoch = 0;  // 0 = none
  std::int64_t at_ms = 0, deadline_ms = 0;
  std::string reason;
};

/// The room at one moment; a copy, so that it can cross to the referee's thread.
struct RoomSnapshot {
  std::uint64_t version = 0;  // rises with every change of the room
  std::uint64_t epoch = 0;    // the counter; the next grant gets epoch + 1
  std::uint64_t holder = 0;   // the editor under an exclusive policy, also while lost and reserved
  std::int64_t now_ms = 0;    // the only clock a policy has
  std::int64_t since_ms = 0;  // when `holder` got the pen
  std::vector<Member> members;
  std::vector<Request> requests;
};

enum class EventKind : std::uint32_t {
  installed = 1,
  joined,
  left,
  lost,
  returned,
  changed,
  requested,
  withdrawn,
  answered,
  ask_ended,
  released,
  activity,
  timer,
  action
};
/// [any] "installed", "joined", ...
std::string_view event_name(EventKind kind);

struct PolicyEvent {
  EventKind kind = EventKind::installed;
  std::uint32_t value = 0;  // answered: 1 = agrees
  std::uint64_t seq = 0;    // rises by one per event of this room
  std::uint64_t who = 0, target = 0, request = 0, timer = 0;
  std::string verb, json;
};

enum class EffectKind : std::uint32_t { set_caps = 1, grant, vacate, resolve, ask, unask, timer, notice, show };
/// [any] "set_caps", "grant", ...
std::string_view effect_name(EffectKind kind);

struct Effect {
  EffectKind kind = EffectKind::notice;
  std::uint32_t caps = 0;  // set_caps, vacate; grant: what the former holder keeps
  bool allow = false;      // resolve
  std::uint64_t target = 0, request = 0, timer = 0;
  std::int64_t at_ms = 0;
  std::string text;
  bool operator==(const Effect&) const = default;
};

struct PolicyOutcome {
  std::vector<Effect> effects;       // in the policy's order; applied all or none
  std::optional<std::string> state;  // absent = unchanged
};

/// One policy with its settings. It keeps no memory between calls: the state is the session's, so one object serves any
/// number of sessions, one reduce at a time. Shared, because a referee's thread that was given up on is still inside.
class Policy {
 public:
  /// [control] `config_json` is the settings object, "{}" for none. 400 `bad_config` with the policy's words.
  static Result<std::shared_ptr<Policy>> create(GenerationPtr generation, std::string config_json);
  /// [any]
  ~Policy();
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;

  /// [referee] What the policy says to `event`. The effects are well-formed (kinds, bits, UTF-8, sizes) but not yet
  /// checked against the room: that is the session's. 500 `policy_failed` when it failed, threw or wrote garbage; that
  /// is counted with its generation, and nothing of what it wrote before is kept.
  Result<PolicyOutcome> reduce(std::string_view state, const RoomSnapshot& room, const PolicyEvent& event) const;

  [[nodiscard]] const std::string& id() const;            // [any]
  [[nodiscard]] const std::string& config() const;        // [any] as given
  [[nodiscard]] bool multi_editor() const;                // [any] several grants may exist at once
  [[nodiscard]] const std::string& actions_json() const;  // [any] JSON array of {"verb","label","tier"}; "[]" for none
  [[nodiscard]] const std::string& state_schema() const;  // [any] equal = may be handed the old one's state
  [[nodiscard]] const GenerationPtr& generation() const;  // [any]

 private:
  struct Inner;
  explicit Policy(std::unique_ptr<Inner> inner);
  std::unique_ptr<Inner> inner_;
};

using PolicyPtr = std::shared_ptr<Policy>;

}  // namespace lectern::plugin
