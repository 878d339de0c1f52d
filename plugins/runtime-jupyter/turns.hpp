// Whose turn it is at one kernel: the I/O thread's, or that of a caller who has something to say to it. What is said in
// a caller's turn goes straight into the kernel's socket, without waking the I/O thread.
#pragma once

#include <atomic>
#include <mutex>

namespace jupyter {

class Turns {
 public:
  using Turn = std::unique_lock<std::mutex>;

  /// [any] The turn, if it can be had at once and everything that was handed over before has been said; not owned
  /// otherwise. Never waits.
  [[nodiscard]] Turn now() {
    if (handed_over_.load(std::memory_order_acquire) != 0) return {};
    return {mutex_, std::try_to_lock};
  }
  /// The I/O thread's own. A caller's is over within microseconds: it does nothing that waits.
  [[nodiscard]] Turn wait() { return Turn(mutex_); }

  /// [any] Something is handed over to the I/O thread: what is said after it comes after it.
  void hand_over() { handed_over_.fetch_add(1, std::memory_order_acq_rel); }
  /// One of those is said. In a turn.
  void said() { handed_over_.fetch_sub(1, std::memory_order_acq_rel); }

 private:
  std::mutex mutex_;
  std::atomic<int> handed_over_ = 0;
};

}  // namespace jupyter
