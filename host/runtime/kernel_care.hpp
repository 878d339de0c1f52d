// What the host keeps an eye on while a kernel lives: how long nobody used it, and what its processes use.
// Everything [reactor].
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/loop.hpp"
#include "runtime/processes.hpp"

namespace lectern::runtime {

class Hub;

struct KernelLimits {
  std::int64_t cull_idle_ms = 0;   // 0 = never
  std::uint64_t memory_bytes = 0;  // of all its processes; 0 = as much as there is
};

/// What a kernel's processes used when they were last looked at.
struct KernelFigures {
  std::uint64_t rss = 0;
  std::uint64_t cpu_percent = 0;  // of one core, between the last two looks
  std::size_t processes = 0;
};

class KernelCare {
 public:
  struct Hooks {
    /// Something runs, waits to run, or a question is open.
    std::function<bool()> at_work;
    /// Nobody used the kernel for so long: it shall be shut down. `words` say so.
    std::function<void(std::string words)> idle_too_long;
    /// It uses nearly all that it may.
    std::function<void(std::string words)> nearly_full;
    /// It uses more than that, and is killed right after this.
    std::function<void(std::string words)> over;
    std::function<void()> figures_changed;
  };
  /// References outlive it.
  KernelCare(Loop& loop, Hub& hub, ProcessTable& processes, Hooks hooks);
  ~KernelCare();
  KernelCare(const KernelCare&) = delete;
  KernelCare& operator=(const KernelCare&) = delete;

  void limit(const KernelLimits& limits) { limits_ = limits; }
  /// A kernel lives, as this process; 0 when nobody says as which.
  void started(std::int64_t process);
  void ended();
  /// It was used.
  void active();
  [[nodiscard]] const std::optional<KernelFigures>& figures() const { return figures_; }

 private:
  void wait_for_idleness(std::int64_t ms);
  void wait_to_look();
  void look();
  void seen(const std::optional<ProcessFigures>& now);

  Loop& loop_;
  Hub& hub_;
  ProcessTable& processes_;
  Hooks hooks_;
  KernelLimits limits_;
  Timer idle_, looking_;
  std::int64_t process_ = 0, active_ms_ = 0;
  bool alive_now_ = false, warned_ = false, looking_now_ = false;
  std::optional<ProcessFigures> last_;
  std::optional<KernelFigures> figures_;
  std::shared_ptr<bool> alive_;  // shared with workers' answers
};

/// [any] "1.5 GiB"
std::string size_words(std::uint64_t bytes);

}  // namespace lectern::runtime
