// How much of what a child told waits to be taken. Past a bound the child is not read any more: it then waits itself,
// instead of filling the host's memory.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

namespace lectern::isolation {

/// [any]
class Flow {
 public:
  static constexpr std::size_t most_bytes = 32u << 20;
  explicit Flow(std::function<void()> on_room) : on_room_(std::move(on_room)) {}
  [[nodiscard]] bool full() const { return bytes_.load() > most_bytes; }
  void add(std::size_t bytes) { bytes_ += bytes; }
  void take(std::size_t bytes) {
    const auto before = bytes_.fetch_sub(bytes);
    if (before > most_bytes && before - bytes <= most_bytes) on_room_();
  }

 private:
  std::atomic<std::size_t> bytes_{0};
  const std::function<void()> on_room_;
};

/// What one event counts for, given back with it. Empty for what came from a plugin in this process.
class Credit {
 public:
  Credit() = default;
  Credit(std::shared_ptr<Flow> flow, std::size_t bytes) : flow_(std::move(flow)), bytes_(bytes) { flow_->add(bytes_); }
  ~Credit() { give_back(); }
  Credit(Credit&& other) noexcept : flow_(std::move(other.flow_)), bytes_(std::exchange(other.bytes_, 0)) {}
  Credit& operator=(Credit&& other) noexcept {
    give_back();
    flow_ = std::move(other.flow_);
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }
  /// Whoever told it is held up in its own process when too much waits: nobody here needs to be.
  [[nodiscard]] bool counts() const { return flow_ != nullptr; }
  /// Two events became one.
  void join(Credit&& other) {
    if (flow_ == nullptr || other.flow_ != flow_) return;
    bytes_ += std::exchange(other.bytes_, 0);
    other.flow_.reset();
  }

 private:
  void give_back() {
    if (flow_ != nullptr) flow_->take(bytes_);
    flow_.reset();
  }
  std::shared_ptr<Flow> flow_;  // shared: events may outlive the process they came from
  std::size_t bytes_ = 0;
};

}  // namespace lectern::isolation
