#include "runtime/kernel_care.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "runtime/hub.hpp"

namespace lectern::runtime {
namespace {

constexpr std::int64_t look_limited_ms = 500;  // memory fills fast
constexpr std::int64_t look_busy_ms = 2'000;
constexpr std::int64_t look_idle_ms = 30'000;
constexpr std::uint64_t warn_percent = 90;

std::string minutes_words(std::int64_t ms) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", static_cast<double>(ms) / 60'000.0);
  return std::string(text.data()) + " minutes";
}

/// Worth telling: other than before in the first two digits.
bool differs(const KernelFigures& a, const KernelFigures& b) {
  const auto rss = std::max(a.rss, b.rss) - std::min(a.rss, b.rss);
  return rss * 100 > std::max(a.rss, b.rss) || a.cpu_percent != b.cpu_percent || a.processes != b.processes;
}

}  // namespace

std::string size_words(std::uint64_t bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*f %s", value < 10 && unit > 0 ? 1 : 0, value, units.at(unit));
  return text.data();
}

KernelCare::KernelCare(Loop& loop, Hub& hub, ProcessTable& processes, Hooks hooks)
    : loop_(loop),
      hub_(hub),
      processes_(processes),
      hooks_(std::move(hooks)),
      idle_(loop),
      looking_(loop),
      alive_(std::make_shared<bool>(true)) {}

KernelCare::~KernelCare() {
  *alive_ = false;
}

void KernelCare::started(std::int64_t process) {
  process_ = process;
  last_.reset();
  figures_.reset();
  warned_ = false;
  alive_now_ = true;
  active();
  if (process_ > 1) look();
}

void KernelCare::ended() {
  alive_now_ = false;
  process_ = 0;
  idle_.cancel();
  looking_.cancel();
  last_.reset();
  if (std::exchange(figures_, std::nullopt)) hooks_.figures_changed();
}

void KernelCare::active() {
  active_ms_ = clock::now_ms();
  if (alive_now_ && limits_.cull_idle_ms > 0 && !idle_.armed()) wait_for_idleness(limits_.cull_idle_ms);
  if (process_ > 1 && last_ && active_ms_ - last_->at_ms > look_busy_ms) look();
}

void KernelCare::wait_for_idleness(std::int64_t ms) {
  idle_.start(std::chrono::milliseconds(ms), [this] {
    if (!alive_now_) return;
    if (hooks_.at_work()) active_ms_ = clock::now_ms();
    const auto left = limits_.cull_idle_ms - (clock::now_ms() - active_ms_);
    if (left > 0) return wait_for_idleness(left);
    hooks_.idle_too_long("nobody used the kernel for " + minutes_words(limits_.cull_idle_ms) + ", so it was ended");
  });
}

void KernelCare::wait_to_look() {
  const auto ms = limits_.memory_bytes > 0 ? look_limited_ms : hooks_.at_work() ? look_busy_ms : look_idle_ms;
  looking_.start(std::chrono::milliseconds(ms), [this] {
    if (process_ > 1) look();
  });
}

void KernelCare::look() {
  if (std::exchange(looking_now_, true)) return;
  looking_.cancel();
  hub_.submit([this, alive = alive_, &loop = loop_, &processes = processes_, process = process_] {
    auto now = processes.of(process);
    loop.post([this, alive, process, now] {
      if (!*alive) return;
      looking_now_ = false;
      if (process_ == process) return seen(now);
      if (process_ > 1) look();  // another kernel by now
    });
  });
}

void KernelCare::seen(const std::optional<ProcessFigures>& now) {
  if (!now) return wait_to_look();
  KernelFigures figures{now->rss, 0, now->processes};
  if (last_ && now->at_ms > last_->at_ms && now->cpu_ms >= last_->cpu_ms) {
    figures.cpu_percent = (now->cpu_ms - last_->cpu_ms) * 100 / static_cast<std::uint64_t>(now->at_ms - last_->at_ms);
  }
  const bool tell = !figures_ || differs(*figures_, figures);
  last_ = now;
  figures_ = figures;
  if (tell) hooks_.figures_changed();
  const auto limit = limits_.memory_bytes;
  if (limit > 0 && figures.rss > limit) {
    const auto words = "the kernel used " + size_words(figures.rss) + " of memory, more than the " + size_words(limit) +
                       " it may (--kernel-memory), and was ended";
    log::warning("runtime", words);
    hooks_.over(words);
    hub_.submit([&processes = processes_, process = process_] { processes.kill(process); });
  } else if (limit > 0 && figures.rss * 100 > limit * warn_percent) {
    if (!std::exchange(warned_, true)) {
      hooks_.nearly_full("the kernel uses " + size_words(figures.rss) + " of the " + size_words(limit) +
                         " of memory it may; past that it is ended");
    }
  } else {
    warned_ = false;
  }
  wait_to_look();
}

}  // namespace lectern::runtime
