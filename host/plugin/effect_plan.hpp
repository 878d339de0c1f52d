// The rules by which a policy's effects hold in a room: checked against the room as it is, all or none. The session
// applies what is planned here, and lectern-validate tries policies by it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "plugin/policy.hpp"

namespace lectern::plugin {

struct EffectRules {
  bool multi_editor = false;
  std::int64_t now_ms = 0;
  std::int64_t longest_ask_ms = 600'000;
  std::size_t max_timers = 64;
};

/// The room the rules look at. Lent for the call.
class PlannedRoom {
 public:
  virtual ~PlannedRoom() = default;
  [[nodiscard]] virtual const Member* member(std::uint64_t id) const = 0;    ///< null when not in the room
  [[nodiscard]] virtual const Request* request(std::uint64_t id) const = 0;  ///< null when not open
  [[nodiscard]] virtual std::size_t timers() const = 0;                      ///< how many are set
  virtual void each_member(const std::function<void(const Member&)>& visit) const = 0;
};

enum class EffectRule {
  stranger,
  edit_by_caps,
  grant_without_scope,
  grant_to_absent,
  two_grants,
  closed_request,
  resolved_twice,
  asks_the_asker,
  asks_absent,
  too_many_timers,
  show_no_object,
  unknown_kind,
  two_editors,  ///< of all effects together
};

/// Which rule was broken, by which effect, about whom.
struct EffectRefusal {
  EffectRule rule = EffectRule::unknown_kind;
  std::size_t index = 0;  ///< of the effect
  EffectKind kind = EffectKind::notice;
  std::uint64_t member = 0, other_member = 0, request = 0;  ///< 0 = not about one
  std::size_t count = 0;                                    ///< editors left, timers allowed
};

/// What shall become of one member: first all revocations, then capabilities, then grants.
struct MemberPlan {
  std::optional<std::uint32_t> caps;
  bool vacate = false, grant = false;
  std::uint32_t keeps = cap_interact;  ///< after losing a grant

  [[nodiscard]] bool revokes(const Member& member) const { return vacate && member.grant != 0; }
  /// What the member has once its capabilities are set; nothing for one that holds or gets a grant.
  [[nodiscard]] std::optional<std::uint32_t> caps_of(const Member& member) const {
    if (!caps || grant || member.grant != 0) return std::nullopt;
    return *caps & cap_interact & member.scope;
  }
  /// Asked when the revocations are done.
  [[nodiscard]] bool grants(const Member& member) const { return grant && member.grant == 0; }
};

struct PlannedResolution {
  std::uint64_t request = 0;
  bool allow = false;
  std::string text;
};
struct PlannedAsk {
  std::uint64_t request = 0, target = 0;
  std::optional<std::int64_t> deadline_ms;  ///< of the request from now on; as it was when nothing
  std::string text;
};
struct PlannedNotice {
  std::uint64_t target = 0;  ///< 0 = everybody
  std::string text;
};

struct EffectPlan {
  std::map<std::uint64_t, MemberPlan> members;
  std::vector<PlannedResolution> resolutions;
  std::vector<PlannedAsk> asks;
  std::vector<std::uint64_t> unasked;
  std::vector<PlannedNotice> notices;
  std::map<std::uint64_t, std::int64_t> timers;  ///< number and when; 0 = cancelled
  std::optional<std::string> shown;
};

/// [any] The plan, or the first rule that is broken.
std::variant<EffectPlan, EffectRefusal> plan_effects(const PlannedRoom& room, const std::vector<Effect>& effects,
                                                     const EffectRules& rules);

}  // namespace lectern::plugin
