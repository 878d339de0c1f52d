// The clock by which deadlines of kernels are kept.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace jupyter {

inline constexpr auto never = std::numeric_limits<std::int64_t>::max();

/// Monotonic.
inline std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace jupyter
