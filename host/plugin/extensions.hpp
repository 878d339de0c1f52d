// What the host offers to one generation of a plugin: its lectern_host with the extensions log/1, metrics/1 and
// checks/1; and what a plugin may say by extensions of its own (health/1). Private to plugin/, but for the reports.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "isolation/news.hpp"
#include "isolation/remote.hpp"
#include "lectern/abi/base.h"
#include "lectern/abi/ext/health.h"
#include "lectern/abi/ext/log.h"
#include "lectern/abi/ext/metrics.h"
#include "plugin/checking.hpp"

namespace lectern::plugin {

/// What every generation of a host gets.
struct ServiceOptions {
  CheckLevel checks = CheckLevel::minimal;     // the setting plugin_checks
  log::Level lowest_level = log::Level::info;  // what the host's log writes
};

/// One figure of a plugin's own.
struct PluginMetric {
  bool counter = true;
  std::string name;  // "refused_total"
  std::string help;
  double value = 0;
  std::uint64_t number = 0;  // what the plugin calls it
};

enum class HealthState : std::int32_t { ok = 0, degraded = 1, failing = 2 };
inline constexpr std::array<std::string_view, 3> health_names{"ok", "degraded", "failing"};
struct Health {
  HealthState state = HealthState::ok;
  std::string summary;
  std::string details_json;  // an object; may be empty
};

/// Lets a burst through, then a few a second; [any].
class RateLimit {
 public:
  RateLimit(double burst, double each_second) : most_(burst), each_second_(each_second), left_(burst) {}
  /// True when one more may pass at `now_ms`; `dropped` receives how many were held back since the last that passed.
  bool pass(std::int64_t now_ms, std::uint64_t& dropped);

 private:
  std::mutex mutex_;
  const double most_, each_second_;
  double left_;
  std::int64_t last_ms_ = 0;
  std::uint64_t dropped_ = 0;
};

/// OWNERSHIP: the generation's; where the library stays mapped after its end, kept for ever, because a thread of the
/// plugin may still call in. After close() every function only reports the breach.
class Services {
 public:
  Services(const std::string& id, const ServiceOptions& options);
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  /// [any] For init; the same address until the object ends.
  [[nodiscard]] const lectern_host* host() const { return &host_; }
  [[nodiscard]] const CheckerPtr& checker() const { return checker_; }
  /// [control] deinit returned.
  void close() { open_.store(false); }
  /// [any] What the plugin declared, in the order of its numbers.
  [[nodiscard]] std::vector<PluginMetric> metrics() const;
  /// [any] Lines of the plugin that were dropped by the limit.
  [[nodiscard]] std::uint64_t dropped_lines() const { return dropped_lines_.load(); }

  /// [any] One line of the log; past the limit it is counted and dropped.
  void write(std::int32_t level, std::string_view message);
  /// [any] What a plugin in a process of its own counted and did there, checked as if it had called from here.
  void adopt(const isolation::News& news);

 private:
  struct Thunks;
  bool usable(const char* where) noexcept;
  const void* extension(std::string_view id) const noexcept;
  lectern_status declare(std::uint64_t metric, std::uint32_t kind, lectern_str name, lectern_str help);
  void change(std::uint64_t metric, double by, bool set, const char* where) noexcept;

  const std::string id_, area_;
  const log::Level lowest_level_;
  const CheckerPtr checker_;
  std::atomic<bool> open_{true};
  lectern_host host_{};
  lectern_log log_{};
  lectern_metrics metrics_abi_{};
  lectern_checks checks_abi_{};
  RateLimit lines_{100, 20};
  std::atomic<std::uint64_t> dropped_lines_{0};
  mutable std::mutex mutex_;  // of the metrics
  std::array<std::optional<PluginMetric>, 64> metrics_;
};

/// [any] What health/1 of a plugin says; absent when `extension` is null or too short. It must not block, but nothing
/// stops it: call it where a plugin that hangs hurts least.
std::optional<Health> ask_health(const void* extension, const CheckerPtr& checker);

/// [any] The same of a plugin in a process of its own, from what came over.
Health checked_health(const isolation::HealthSaid& said, const CheckerPtr& checker);

/// [any] The text exposition of the plugins' metrics, from pairs of a plugin's id and what one generation of it counts.
/// Generations of one plugin are added up (gauges: the last counts).
std::string metrics_text(const std::vector<std::pair<std::string, std::vector<PluginMetric>>>& plugins);

}  // namespace lectern::plugin
