#include "plugin/extensions.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <utility>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "plugin/call.hpp"

namespace lectern::plugin {

namespace {

constexpr std::uint64_t most_message = 16u << 10;
constexpr std::size_t most_field = 1024;
constexpr std::uint32_t most_fields = 16;
constexpr std::int64_t slow_us = 100'000;

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name.front() >= 'a' && name.front() <= 'z' &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

std::string_view cut(lectern_str text, std::uint64_t most) {
  return sane(text, UINT64_MAX) ? view(text).substr(0, most) : std::string_view("(a text at address 0)");
}

log::Level level_of(std::int32_t level) {
  return level < LECTERN_LOG_DEBUG || level > LECTERN_LOG_ERROR ? log::Level::info : static_cast<log::Level>(level);
}

/// A value with spaces or quotes is quoted, so that fields can be told apart.
std::string field_text(const lectern_log_field& field) {
  const std::string value = text::label(cut(field.value, most_field), most_field);
  const bool plain = !value.empty() && value.find_first_of(" \"=") == std::string::npos;
  std::string quoted;
  if (!plain) json::write_string(value, quoted);
  return " " + text::label(cut(field.key, 64), 64) + "=" + (plain ? value : quoted);
}

}  // namespace

bool RateLimit::pass(std::int64_t now_ms, std::uint64_t& dropped) {
  const std::scoped_lock lock(mutex_);
  if (last_ms_ != 0) left_ = std::min(most_, left_ + static_cast<double>(now_ms - last_ms_) / 1000.0 * each_second_);
  last_ms_ = now_ms;
  if (left_ < 1) {
    ++dropped_;
    return false;
  }
  left_ -= 1;
  dropped = std::exchange(dropped_, 0);
  return true;
}

/// The functions a plugin calls. None may throw, and none trusts an argument.
struct Services::Thunks {
  static Services& at(void* ctx) { return *static_cast<Services*>(ctx); }

  static void log(void* ctx, std::int32_t level, lectern_str message) noexcept {
    try {
      if (at(ctx).usable("lectern_host.log")) at(ctx).write(level, cut(message, most_message));
    } catch (...) {  // out of memory for a log line: the plugin's call must not fail for it
    }
  }
  static const void* get_extension(void* ctx, lectern_str id) noexcept {
    if (!at(ctx).usable("lectern_host.get_extension") || !sane(id, 256)) return nullptr;
    return at(ctx).extension(view(id));
  }
  static void write(void* ctx, std::int32_t level, lectern_str message, const lectern_log_field* fields,
                    std::uint32_t n_fields) noexcept {
    try {
      if (!at(ctx).usable("lectern_log.write")) return;
      std::string line(cut(message, most_message));
      for (std::uint32_t i = 0; fields != nullptr && i < std::min(n_fields, most_fields); ++i)
        line += field_text(fields[i]);
      at(ctx).write(level, line);
    } catch (...) {  // as above
    }
  }
  static lectern_status declare(void* ctx, std::uint64_t metric, std::uint32_t kind, lectern_str name,
                                lectern_str help) noexcept {
    try {
      if (!at(ctx).usable("lectern_metrics.declare")) return LECTERN_CONFLICT;
      return at(ctx).declare(metric, kind, name, help);
    } catch (...) {
      return LECTERN_INTERNAL;
    }
  }
  static void add(void* ctx, std::uint64_t metric, double by) noexcept {
    at(ctx).change(metric, by, false, "lectern_metrics.add");
  }
  static void set(void* ctx, std::uint64_t metric, double value) noexcept {
    at(ctx).change(metric, value, true, "lectern_metrics.set");
  }
  static void broken(void* ctx, lectern_str tag, lectern_str where, lectern_str what) noexcept {
    at(ctx).checker_->broken(Side::host, cut(tag, 64), cut(where, 128), cut(what, 400));
  }
};

Services::Services(const std::string& id, const ServiceOptions& options)
    : id_(id),
      area_("plugin " + id),
      lowest_level_(options.lowest_level),
      checker_(std::make_shared<Checker>(id, options.checks)) {
  host_ = {sizeof host_, LECTERN_ABI_MAJOR, LECTERN_ABI_MINOR, 0, this, &Thunks::log, &Thunks::get_extension};
  log_ = {sizeof log_, static_cast<std::int32_t>(lowest_level_), this, &Thunks::write};
  metrics_abi_ = {sizeof metrics_abi_, 0, this, &Thunks::declare, &Thunks::add, &Thunks::set};
  checks_abi_ = {sizeof checks_abi_, static_cast<std::int32_t>(options.checks), this, &Thunks::broken};
}

bool Services::usable(const char* where) noexcept {
  if (open_.load()) return true;
  checker_->broken(Side::plugin, "(initialised)", where,
                   "was called after deinit: a thread of the plugin is still alive");
  return false;
}

const void* Services::extension(std::string_view id) const noexcept {
  if (id == LECTERN_EXT_LOG) return &log_;
  if (id == LECTERN_EXT_METRICS) return &metrics_abi_;
  if (id == LECTERN_EXT_CHECKS) return &checks_abi_;
  return nullptr;
}

void Services::write(std::int32_t level, std::string_view message) {
  const log::Level shown = level_of(level);
  if (shown < lowest_level_) return;
  std::uint64_t dropped = 0;
  if (!lines_.pass(clock::now_ms(), dropped)) {
    dropped_lines_.fetch_add(1);
    return;
  }
  if (dropped != 0)
    log::warning(area_, "wrote " + std::to_string(dropped) + " lines too many, which were dropped (20 a second pass)");
  checker_->check_utf8(message, "lectern_host.log", "message");
  log::write(shown, area_, text::label(message, most_message));
}

lectern_status Services::declare(std::uint64_t metric, std::uint32_t kind, lectern_str name, lectern_str help) {
  const bool counter = kind == LECTERN_METRIC_COUNTER;
  const auto refuse = [&](const std::string& what) -> lectern_status {
    checker_->broken(Side::plugin, "[any]", "lectern_metrics.declare", what);
    return LECTERN_INVALID;
  };
  if (metric < 1 || metric > metrics_.size())
    return refuse("got the number " + std::to_string(metric) + ", 1 to 64 are allowed");
  if (!counter && kind != LECTERN_METRIC_GAUGE) return refuse("got the kind " + std::to_string(kind));
  if (!sane(name, 64) || !is_name(view(name)) || !sane(help, 4096)) return refuse("got a name that is not snake_case");
  PluginMetric made{counter, std::string(view(name)), text::label(view(help), 200), 0};
  if (counter != made.name.ends_with("_total"))
    return refuse("got the name " + made.name + ": those of counters, and no others, end in _total");
  const std::scoped_lock lock(mutex_);
  auto& slot = metrics_[metric - 1];
  if (slot && (slot->name != made.name || slot->counter != made.counter)) return LECTERN_CONFLICT;
  if (!slot) slot = std::move(made);
  return LECTERN_OK;
}

void Services::change(std::uint64_t metric, double by, bool set, const char* where) noexcept {
  if (!usable(where)) return;
  const std::scoped_lock lock(mutex_);
  if (metric < 1 || metric > metrics_.size() || !metrics_[metric - 1]) {
    checker_->broken(Side::plugin, "[any]", where, "named a metric that was not declared");
    return;
  }
  PluginMetric& slot = *metrics_[metric - 1];
  if (!std::isfinite(by) || (slot.counter && (set || by < 0))) {
    checker_->broken(Side::plugin, "[any]", where,
                     slot.counter ? "would have made a counter fall" : "got a value that is not finite");
    return;
  }
  slot.value = set ? by : slot.value + by;
}

void Services::adopt(const isolation::News& news) {
  for (const auto& one : news.metrics) {
    const std::uint32_t kind = one.counter ? LECTERN_METRIC_COUNTER : LECTERN_METRIC_GAUGE;
    if (declare(one.number, kind, to_abi(one.name), to_abi(one.help)) != LECTERN_OK) continue;
    change(one.number, one.value, !one.counter, one.counter ? "lectern_metrics.add" : "lectern_metrics.set");
  }
  for (const auto& one : news.breaches)
    checker_->add({one.of_host ? Side::host : Side::plugin, one.tag, one.where, one.what, one.count});
  dropped_lines_.fetch_add(news.dropped_lines);
}

std::vector<PluginMetric> Services::metrics() const {
  std::vector<PluginMetric> out;
  const std::scoped_lock lock(mutex_);
  for (std::size_t i = 0; i < metrics_.size(); ++i) {
    if (!metrics_[i]) continue;
    out.push_back(*metrics_[i]);
    out.back().number = i + 1;
  }
  return out;
}

namespace {

struct HealthReport {
  std::optional<Health> said;
  bool garbled = false;
};

/// Absent: it makes no sense.
std::optional<Health> sensible(std::int32_t state, std::string_view summary, std::string_view details) {
  if (state < LECTERN_HEALTH_OK || state > LECTERN_HEALTH_FAILING) return std::nullopt;
  Health health{static_cast<HealthState>(state), text::label(summary, 512), std::string(details)};
  if (!health.details_json.empty()) {
    const auto value = json::parse(health.details_json, {.bytes = 8u << 10, .depth = 16, .nodes = 1000});
    if (!value || value->as_object() == nullptr) return std::nullopt;
    health.details_json = json::write(*value);
  }
  return health;
}

lectern_status on_health(void* ctx, std::int32_t state, lectern_str summary, lectern_str details) noexcept {
  try {
    auto* to = static_cast<HealthReport*>(Lent::borrowed(ctx, "lectern_health_out.report"));
    if (to == nullptr) return LECTERN_CONFLICT;
    const bool fine = !to->said && sane(summary, 512) && sane(details, 8u << 10);
    if (fine) to->said = sensible(state, view(summary), view(details));
    to->garbled = !fine || !to->said;
    return to->garbled ? lectern_status{LECTERN_INVALID} : lectern_status{LECTERN_OK};
  } catch (...) {
    return LECTERN_INTERNAL;
  }
}

Health garbled(const CheckerPtr& checker) {
  checker->broken(Side::plugin, "[call]", "lectern_health_out.report", "got a report that makes no sense");
  return {HealthState::failing, "its health report makes no sense", {}};
}

}  // namespace

std::optional<Health> ask_health(const void* extension, const CheckerPtr& checker) {
  const lectern_health health = read_struct(static_cast<const lectern_health*>(extension));
  if (health.check == nullptr) return std::nullopt;
  HealthReport report;
  const Loan<lectern_health_out> out(checker, &report, {sizeof(lectern_health_out), 0, nullptr, &on_health});
  const auto start = clock::now_us();
  lectern_status status = LECTERN_INTERNAL;
  try {
    status = may_throw(health.check)(out.get());
  } catch (...) {
    checker->broken(Side::plugin, "[any]", "lectern_health.check", "threw an exception across the plugin line");
  }
  if (clock::now_us() - start > slow_us)
    checker->broken(Side::plugin, "[any]", "lectern_health.check", "took more than 100 ms, and must not block");
  if (report.garbled) return garbled(checker);
  if (status != LECTERN_OK) return Health{HealthState::failing, "it could not say how it is", {}};
  return report.said ? std::move(*report.said) : Health{};
}

Health checked_health(const isolation::HealthSaid& said, const CheckerPtr& checker) {
  auto health = sensible(said.state, said.summary, said.details);
  return health ? std::move(*health) : garbled(checker);
}

namespace {

struct Family {
  bool counter = true;
  std::string help;
  std::map<std::string, double> values;  // by plugin id
};

std::string number(double value) {
  char buffer[32];
  const auto [end, problem] = std::to_chars(buffer, buffer + sizeof buffer, value);
  return problem == std::errc() ? std::string(buffer, end) : "0";
}

}  // namespace

std::string metrics_text(const std::vector<std::pair<std::string, std::vector<PluginMetric>>>& plugins) {
  std::map<std::string, Family> families;
  for (const auto& [id, metrics] : plugins) {
    for (const PluginMetric& metric : metrics) {
      const auto [at, fresh] = families.try_emplace(metric.name, Family{metric.counter, metric.help, {}});
      Family& family = at->second;
      if (family.counter != metric.counter) continue;  // another plugin has the name for something else
      double& value = family.values[id];
      value = metric.counter ? value + metric.value : metric.value;
    }
  }
  std::string out;
  for (const auto& [name, family] : families) {
    std::string help = family.help;
    std::replace(help.begin(), help.end(), '\\', '/');
    const std::string full = "lectern_plugin_" + name;
    out.append("# HELP ").append(full).append(" ").append(help).append("\n# TYPE ").append(full);
    out.append(family.counter ? " counter\n" : " gauge\n");
    for (const auto& [id, value] : family.values)
      out.append(full).append("{plugin=\"").append(id).append("\"} ").append(number(value)).append("\n");
  }
  return out;
}

}  // namespace lectern::plugin
