#include "base/clock.hpp"

#include <chrono>
#include <cstdio>
#include <ctime>

namespace lectern::clock {

using std::chrono::duration_cast;

std::int64_t now_ms() {
  return duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
std::int64_t now_us() {
  return duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
std::int64_t wall_ms() {
  return duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string rfc3339(std::int64_t wall_milliseconds) {
  const std::time_t seconds = wall_milliseconds / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char date[24];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  char out[40];
  std::snprintf(out, sizeof out, "%s.%03dZ", date, static_cast<int>(wall_milliseconds % 1000));
  return out;
}

}  // namespace lectern::clock
