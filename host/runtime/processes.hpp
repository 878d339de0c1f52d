// What the processes of kernels use, as the system counts it. A kernel is the leader of a session of processes: what it
// starts belongs to it, unless it leaves on purpose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace lectern::runtime {

struct ProcessFigures {
  std::uint64_t rss = 0;     // bytes resident; pages that processes share count for each
  std::uint64_t cpu_ms = 0;  // since each began, those that ended included
  std::size_t processes = 0;
  std::int64_t at_ms = 0;  // of the host's monotonic clock
};

/// [any] When it began, in clock ticks since the boot: a process that got the number of another has another. Empty when
/// there is no such process.
std::string process_start(std::int64_t process);

class ProcessTable {
 public:
  /// [any] `leader` is ours though it does not descend from this host: an earlier one started it.
  void take_up(std::int64_t leader);
  /// [any] It is not any more.
  void let_go(std::int64_t leader);
  /// [worker] Of the session that `leader` leads: nothing when there is none, or when it does not descend from this
  /// host and was not taken up. One look at all processes serves everybody who asks within 400 ms.
  std::optional<ProcessFigures> of(std::int64_t leader);
  /// [worker] SIGKILL to its group, after the same checks.
  bool kill(std::int64_t leader);

 private:
  void look();
  [[nodiscard]] bool ours(std::int64_t process) const;

  std::mutex mutex_;  // of what follows
  std::unordered_map<std::int64_t, ProcessFigures> sessions_;
  std::unordered_map<std::int64_t, std::int64_t> parents_;
  std::unordered_set<std::int64_t> taken_up_;
  std::int64_t at_ms_ = -1;
};

}  // namespace lectern::runtime
