// A policy's effects applied to a session's room, all or none; the rules they must hold are plugin/effect_plan.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "plugin/effect_plan.hpp"
#include "session/epochs.hpp"
#include "session/room.hpp"

namespace lectern::session {

/// What happened to one member's rights.
struct RightsChange {
  MemberId member = 0;
  std::uint32_t caps_before = 0, caps_after = 0;
  std::uint64_t revoked = 0;  // epoch of the grant that was taken; 0 = none
  std::uint64_t granted = 0;  // epoch of the new grant; 0 = none
};
struct Resolution {
  std::uint64_t request = 0;
  bool allow = false;
  std::string text;
};
struct Asking {
  std::uint64_t request = 0;
  MemberId target = 0;
  std::string text;
};
struct Notice {
  MemberId target = 0;  // 0 = everybody
  std::string text;
};

struct Applied {
  std::vector<RightsChange> rights;  // revocations first, grants last: that is the order in which people are told
  std::vector<Resolution> resolutions;
  std::vector<Asking> asks;
  std::vector<std::uint64_t> unasked;
  std::vector<Notice> notices;
  bool timers_changed = false;
  bool shown_changed = false;
};

using EffectRules = plugin::EffectRules;

/// [reactor] Applies `effects` to `room`, all or none. Refusals are 422 `effect_refused` and say which effect broke
/// which rule: a stranger is named, a grant goes to someone absent, view-only or without the edit scope, two editors
/// under an exclusive policy, an unknown kind. 503 `epoch_not_journaled`: no counter value is on disk; try again when
/// one is.
Result<Applied> apply_effects(Room& room, Epochs& epochs, const std::vector<plugin::Effect>& effects,
                              const EffectRules& rules);

}  // namespace lectern::session
