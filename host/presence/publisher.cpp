#include "presence/publisher.hpp"

#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "presence/device.hpp"

namespace lectern::presence {

namespace {
constexpr std::int64_t least_beat_ms = 10'000;
constexpr std::int64_t most_beat_ms = 60'000;
}  // namespace

Publisher::Publisher(Writer writer, std::int64_t lag_ms, std::int64_t min_period_ms, std::shared_ptr<std::uint64_t> seq)
    : seq_(std::move(seq)),
      beat_ms_(std::max(std::clamp(2 * lag_ms, least_beat_ms, most_beat_ms), min_period_ms)),
      min_period_ms_(min_period_ms) {
  record_.device_id = std::move(writer.device_id);
  record_.device_name = std::move(writer.device_name);
  record_.instance_id = std::move(writer.instance_id);
  record_.machine = std::move(writer.machine);
  record_.boot = std::move(writer.boot);
  record_.client = "lectern/0.1.0";
  record_.pid = static_cast<std::uint64_t>(::getpid());
  record_.pid_started = process_started(record_.pid);
  record_.ttl_ms = std::clamp(std::max(3 * beat_ms_, 2 * beat_ms_ + 4 * lag_ms), min_ttl_ms, max_ttl_ms);
}

void Publisher::set_endpoints(std::vector<Endpoint> endpoints) {
  if (record_.endpoints == endpoints) return;
  record_.endpoints = std::move(endpoints);
  changed_ = true;
}

void Publisher::set_sessions(std::vector<SessionEntry> sessions) {
  if (sessions.size() > max_sessions) sessions.resize(max_sessions);
  if (record_.sessions == sessions) return;
  record_.sessions = std::move(sessions);
  changed_ = true;
}

void Publisher::set_draining() {
  if (record_.state == InstanceState::live) changed_ = true;
  record_.state = InstanceState::draining;
}

std::int64_t Publisher::next_due_ms() const {
  if (published_ms_ < 0) return std::numeric_limits<std::int64_t>::min();
  if (!changed_) return published_ms_ + beat_ms_;
  return published_ms_ + std::min(beat_ms_, min_period_ms_ << (failures_ == 0 ? 0 : std::min(failures_ - 1, 10u)));
}

std::optional<std::string> Publisher::due(Now now) {
  if (now.monotonic_ms < next_due_ms()) return std::nullopt;
  return next(now);
}

std::string Publisher::next(Now now) {
  record_.seq = ++*seq_;
  record_.written_at_ms = now.wall_ms;
  published_ms_ = now.monotonic_ms;
  changed_ = false;
  return write_record(record_);
}

std::string Publisher::ended(Now now) {
  record_.state = InstanceState::ended;
  record_.sessions.clear();
  record_.endpoints.clear();
  return next(now);
}

void Publisher::failed() {
  ++failures_;
  changed_ = true;
}

}  // namespace lectern::presence
