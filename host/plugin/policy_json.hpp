// What a policy was asked and what it said, as one line of JSON: the format of recorded rooms. Each line stands alone,
// because a policy decides by its arguments alone. Times are milliseconds on the recording host's monotonic clock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "plugin/policy.hpp"

namespace lectern::plugin {

struct RecordedDecision {
  std::string policy, config;  // id and settings
  bool multi_editor = false;
  std::string state;  // as the policy was given it
  RoomSnapshot room;
  PolicyEvent event;
  Result<PolicyOutcome> outcome;  // an error: it failed
  std::int64_t took_us = 0;
};

/// [any] One line, without its end.
std::string to_json_line(const RecordedDecision& decision);
/// [any] 400 `bad_recording` saying which member is missing or of the wrong type. Unknown members are ignored. At most
/// 4 MiB.
Result<RecordedDecision> from_json_line(std::string_view line);

}  // namespace lectern::plugin
