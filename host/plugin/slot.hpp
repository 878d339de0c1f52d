// The current thing behind a name, while it may be replaced under its users: a mutex, a shared_ptr and an epoch.
// Readers that look often keep a Lease and pay one atomic load. (std::atomic<shared_ptr> is no faster, and TSan on GCC
// 12 reports races inside it.)
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "plugin/generation.hpp"

namespace lectern::plugin {

template <class T>
class Slot {
 public:
  Slot() = default;
  explicit Slot(std::shared_ptr<T> first) : current_(std::move(first)) {}
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  /// [any] What is current now; null before the first publish. The holder keeps it alive over any swap.
  [[nodiscard]] std::shared_ptr<T> current() const {
    const std::scoped_lock lock(mutex_);
    return current_;
  }
  /// [any] Puts `next` in place for everybody who looks from now on; gives back what was there.
  std::shared_ptr<T> publish(std::shared_ptr<T> next) {
    const std::scoped_lock lock(mutex_);
    epoch_.fetch_add(1, std::memory_order_release);
    return std::exchange(current_, std::move(next));
  }
  /// [any] Rises with every publish.
  [[nodiscard]] std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<T> current_;
  std::atomic<std::uint64_t> epoch_{1};
};

/// A cached look into a slot, for one thread. It keeps what it saw alive, so refresh() or drop it now and then.
template <class T>
class Lease {
 public:
  /// `slot` outlives the lease.
  explicit Lease(const Slot<T>& slot) : slot_(slot) {}
  /// [any, one thread at a time] The current thing; locks only when it changed.
  const std::shared_ptr<T>& get() {
    if (const auto now = slot_.epoch(); now != seen_) {
      held_ = slot_.current();
      seen_ = now;
    }
    return held_;
  }
  void drop() {
    held_.reset();
    seen_ = 0;
  }

 private:
  const Slot<T>& slot_;
  std::shared_ptr<T> held_;
  std::uint64_t seen_ = 0;
};

using GenerationSlot = Slot<Generation>;

}  // namespace lectern::plugin
