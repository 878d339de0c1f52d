#include "policy_lab/replay.hpp"

#include <fstream>
#include <sstream>
#include <utility>

#include "policy_lab/telling.hpp"

namespace lectern::policy_lab {
namespace {

constexpr std::size_t max_bytes = 64u << 20;

std::vector<std::string> words(const Result<plugin::PolicyOutcome>& outcome, const Names& names,
                               const plugin::RoomSnapshot& room) {
  if (!outcome) return {"fails: " + outcome.error().message};
  std::vector<std::string> out;
  for (const auto& effect : outcome->effects) out.push_back(sentence(effect, names, room));
  return out;
}

bool equal(const Result<plugin::PolicyOutcome>& one, const Result<plugin::PolicyOutcome>& other) {
  if (one.has_value() != other.has_value()) return false;
  return !one || one->effects == other->effects;
}

}  // namespace

Result<std::vector<plugin::RecordedDecision>> parse_recording(const std::string& text, const std::string& path) {
  std::vector<plugin::RecordedDecision> out;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty()) continue;
    auto decision = plugin::from_json_line(line);
    if (!decision) {
      return fail(400, "bad_recording", path + ":" + std::to_string(number) + ": " + decision.error().message,
                  "`lectern policy record SESSION` makes recordings");
    }
    out.push_back(std::move(*decision));
  }
  return out;
}

Result<std::vector<plugin::RecordedDecision>> read_recording(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(404, "not_found", "cannot read " + path.string());
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (!error && size > max_bytes) {
    return fail(413, "too_large", path.string() + " has more than " + std::to_string(max_bytes) + " bytes");
  }
  std::ostringstream text;
  text << file.rdbuf();
  return parse_recording(text.str(), path.string());
}

std::vector<Replayed> replay(const std::vector<plugin::RecordedDecision>& decisions, const plugin::Policy& policy) {
  std::vector<Replayed> out;
  std::string own_state;
  for (const auto& decision : decisions) {
    const bool recorded_one = decision.policy == policy.id();
    auto outcome = policy.reduce(recorded_one ? decision.state : own_state, decision.room, decision.event);
    if (outcome && outcome->state) own_state = *outcome->state;
    const auto names = Names::of_room(decision.room);
    Replayed line;
    line.seq = decision.event.seq;
    line.policy = decision.policy;
    line.event = sentence(decision.event, names, decision.room);
    line.situation = situation(decision.room, names);
    line.recorded = words(decision.outcome, names, decision.room);
    line.again = words(outcome, names, decision.room);
    line.same = equal(decision.outcome, outcome);
    out.push_back(std::move(line));
  }
  return out;
}

}  // namespace lectern::policy_lab
