// What the processes of kernels use, as the system counts it. A kernel is the leader of a session of processes: what it
// starts belongs to it, unless it leaves on purpose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace lectern::runtime {

struct ProcessFigures {
  std::uint64_t rss = 0;     // bytes resident; pages that processes share count for each
  std::uint64_t cpu_ms = 0;  // since each began, those that ended included
  std::size_t processes = 0;
  std::int64_t at_ms = 0;  // of the host's monotonic clock
};

class ProcessTable {
 public:
  /// [worker] Of the session that `leader` leads: nothing when there is none, or when it does not descend from this
  /// host. One look at all processes serves everybody who asks within 400 ms.
  std::optional<ProcessFigures> of(std::int64_t leader);
  /// [worker] SIGKILL to its group, after the same checks.
  bool kill(std::int64_t leader);

 private:
  void look();
  [[nodiscard]] bool ours(std::int64_t process) const;

  std::mutex mutex_;  // of what follows
  std::unordered_map<std::int64_t, ProcessFigures> sessions_;
  std::unordered_map<std::int64_t, std::int64_t> parents_;
  std::int64_t at_ms_ = -1;
};

}  // namespace lectern::runtime
