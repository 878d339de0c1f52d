// The host's log: one line per event on standard error, `time level area message`. Secrets never go in.
#pragma once

#include <string_view>

namespace lectern::log {

enum class Level { debug = 0, info = 1, warning = 2, error = 3 };

/// [control] What is below `level` is not written. Default: info.
void set_level(Level level);
/// [any] Writes one line at once; control characters in `message` are shown as '?'.
void write(Level level, std::string_view area, std::string_view message);

inline void debug(std::string_view area, std::string_view message) {
  write(Level::debug, area, message);
}
inline void info(std::string_view area, std::string_view message) {
  write(Level::info, area, message);
}
inline void warning(std::string_view area, std::string_view message) {
  write(Level::warning, area, message);
}
inline void error(std::string_view area, std::string_view message) {
  write(Level::error, area, message);
}

}  // namespace lectern::log
