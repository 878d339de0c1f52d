// The host's two clocks: a monotonic one for every duration and deadline, a wall clock for what people read.
#pragma once

#include <cstdint>
#include <string>

namespace lectern::clock {

/// [any] Milliseconds on the monotonic clock.
std::int64_t now_ms();
/// [any] Microseconds on the monotonic clock, for figures.
std::int64_t now_us();
/// [any] Milliseconds since the epoch.
std::int64_t wall_ms();
/// [any] RFC 3339 in UTC with milliseconds.
std::string rfc3339(std::int64_t wall_milliseconds);
inline std::string rfc3339_now() {
  return rfc3339(wall_ms());
}

}  // namespace lectern::clock
