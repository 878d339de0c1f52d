// The latest decisions of a room's policy, kept in memory so that an operator can look at what happened and try another
// policy on it (`lectern policy record`, `lectern policy replay`). Bounded; what changed nothing is not kept.
#pragma once

#include <cstddef>
#include <deque>
#include <string>

#include "plugin/policy_json.hpp"
#include "session/referee.hpp"

namespace lectern::session {

class PolicyRecord {
 public:
  static constexpr std::size_t most_decisions = 1'000;
  static constexpr std::size_t most_bytes = 1u << 20;  // of rooms, roughly

  /// [reactor] A decision that was taken; its outcome is not written to any more. Mere activity without effects is left
  /// out: it comes every second.
  void add(const Ruling& ruling);
  /// [reactor] JSON lines (plugin/policy_json.hpp), the oldest first.
  [[nodiscard]] std::string text() const;

 private:
  [[nodiscard]] static std::size_t size_of(const plugin::RecordedDecision& decision);
  std::deque<plugin::RecordedDecision> decisions_;  // copies: a policy that is kept alive by them would never unload
  std::size_t bytes_ = 0;
};

}  // namespace lectern::session
