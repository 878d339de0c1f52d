#include "base/log.hpp"

#include <unistd.h>

#include <atomic>
#include <string>

#include "base/clock.hpp"

namespace lectern::log {
namespace {
std::atomic<Level> threshold{Level::info};
}

void set_level(Level level) {
  threshold = level;
}

void write(Level level, std::string_view area, std::string_view message) {
  if (level < threshold.load(std::memory_order_relaxed)) return;
  static constexpr std::string_view names[] = {"debug", "info", "warning", "error"};
  std::string line = clock::rfc3339_now();
  line += ' ';
  line += names[static_cast<int>(level)];
  line += ' ';
  line += area;
  line += ' ';
  for (const char c : message) line += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  line += '\n';
  // One write call: lines of several threads do not mix.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace lectern::log
