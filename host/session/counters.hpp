// What a session counts of itself, for its description and for /metrics.
#pragma once

#include <cstdint>

namespace lectern::session {

struct Counters {
  std::uint64_t commands = 0;          // that came, known or not
  std::uint64_t refused = 0;           // of them, and of submitted changes
  std::uint64_t dropped = 0;           // frames that became no command: malformed, or after the connection's end began
  std::uint64_t effects_refused = 0;   // of policies
  std::uint64_t policy_faults = 0;     // decisions that never came, broke the contract, or a rule of the room
  std::uint64_t policy_fallbacks = 0;  // the last good policy was put back
  std::uint64_t takeovers = 0;         // grants
  std::uint64_t resyncs = 0, too_slow = 0;

  Counters& operator+=(const Counters& other) {
    commands += other.commands;
    refused += other.refused;
    dropped += other.dropped;
    effects_refused += other.effects_refused;
    policy_faults += other.policy_faults;
    policy_fallbacks += other.policy_fallbacks;
    takeovers += other.takeovers;
    resyncs += other.resyncs;
    too_slow += other.too_slow;
    return *this;
  }
};

}  // namespace lectern::session
