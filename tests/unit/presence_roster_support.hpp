// A list of remote sessions on a clock of the test's own, and the records it is made from.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "presence/publisher.hpp"
#include "presence/roster.hpp"

namespace lectern::presence::testing {

inline constexpr std::int64_t lag = 15'000;
inline constexpr std::int64_t ttl = 120'000;

struct Clock {
  Now now{1'000'000, 1'800'000'000'000};
  void pass(std::int64_t ms) {
    now.monotonic_ms += ms;
    now.wall_ms += ms;
  }
};

inline Record record_of(const Clock& clock, std::string device, std::string session, std::uint64_t seq = 1) {
  Record record;
  record.device_id = std::move(device);
  record.device_name = "Laptop";
  record.instance_id = "boot1";
  record.seq = seq;
  record.ttl_ms = ttl;
  record.written_at_ms = clock.now.wall_ms;
  record.machine = "other-machine";
  record.endpoints = {{"wss", "10.0.0.7:8899", "lan", {"pairing"}, 1}};
  record.sessions = {{std::move(session), {}, "Analysis", "busy", false, clock.now.wall_ms}};
  return record;
}

class RosterTest : public ::testing::Test {
 protected:
  void see(const std::vector<Record>& records) {
    std::vector<FoundRecord> found;
    for (const auto& record : records) found.push_back({record.device_id, write_record(record)});
    roster_.observe("folder", found, lag, clock_.now);
    roster_.refresh(clock_.now);
  }
  /// Looks every two seconds, as the service does.
  void pass(std::int64_t ms) {
    for (; ms > 0; ms -= 2'000) {
      clock_.pass(std::min<std::int64_t>(ms, 2'000));
      roster_.refresh(clock_.now);
    }
  }
  Clock clock_;
  Roster roster_{{"me", "my-machine"}};
};

}  // namespace lectern::presence::testing
