// A recorded room once more: what a policy said, and what the same or another policy says to the same events.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "plugin/policy.hpp"
#include "plugin/policy_json.hpp"

namespace lectern::policy_lab {

/// [control] The lines of a recording; empty ones are skipped. 404 `not_found`, 413 `too_large` (64 MiB), 400
/// `bad_recording` with the line.
Result<std::vector<plugin::RecordedDecision>> read_recording(const std::filesystem::path& path);
Result<std::vector<plugin::RecordedDecision>> parse_recording(const std::string& text, const std::string& path);

struct Replayed {
  std::uint64_t seq = 0;
  std::string policy;                        // that was recorded
  std::string event, situation;              // in words
  std::vector<std::string> recorded, again;  // effects in words; a failure is one of them
  bool same = true;
};

/// [referee] Every recorded event once more through `policy`. The rooms are the recorded ones, so each line is judged
/// by itself. The state is the recorded one where `policy` has the recorded policy's id, else what `policy` made of the
/// lines before.
std::vector<Replayed> replay(const std::vector<plugin::RecordedDecision>& decisions, const plugin::Policy& policy);

}  // namespace lectern::policy_lab
