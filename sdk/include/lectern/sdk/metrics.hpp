// Figures of a plugin's own, which the host shows in /metrics. Make them at namespace scope:
//
//   lectern::sdk::Counter refused{"refused_total", "Takeovers that were refused"};
//   …
//   refused.add();
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string_view>

#include "lectern/sdk/checks.hpp"

namespace lectern::sdk {
namespace detail {

/// Declares itself with the first use after each init. Lives as long as the library.
class Metric {
 public:
  Metric(const Metric&) = delete;
  Metric& operator=(const Metric&) = delete;

 protected:
  Metric(std::uint32_t kind, std::string_view name, std::string_view help)
      : number_(next()), kind_(kind), name_(name), help_(help) {}
  ~Metric() = default;
  /// Null when the host takes no metrics.
  const lectern_metrics* ready() noexcept {
    const Services& now = services();
    if (now.metrics == nullptr) return nullptr;
    if (declared_.load(std::memory_order_acquire) != now.round) {
      const std::scoped_lock lock(mutex_);
      if (declared_.load(std::memory_order_relaxed) != now.round) {
        (void)now.metrics->declare(now.metrics->ctx, number_, kind_, str(name_), str(help_));
        declared_.store(now.round, std::memory_order_release);
      }
    }
    return now.metrics;
  }
  [[nodiscard]] std::uint64_t number() const { return number_; }

 private:
  static std::uint64_t next() {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1) + 1;
  }
  std::uint64_t number_;
  std::uint32_t kind_;
  std::string_view name_, help_;
  std::mutex mutex_;
  std::atomic<std::uint64_t> declared_{0};
};

}  // namespace detail

/// Only rises. `name` ends in _total; both texts are constants.
class Counter : detail::Metric {
 public:
  Counter(std::string_view name, std::string_view help) : Metric(LECTERN_METRIC_COUNTER, name, help) {}
  /// [any] Lost before init and after deinit.
  void add(double by = 1) noexcept {
    if (const auto* to = ready()) to->add(to->ctx, number(), by);
  }
};

class Gauge : detail::Metric {
 public:
  Gauge(std::string_view name, std::string_view help) : Metric(LECTERN_METRIC_GAUGE, name, help) {}
  /// [any] Both are lost before init and after deinit.
  void set(double value) noexcept {
    if (const auto* to = ready()) to->set(to->ctx, number(), value);
  }
  void add(double by) noexcept {
    if (const auto* to = ready()) to->add(to->ctx, number(), by);
  }
};

}  // namespace lectern::sdk
