// What a file looks like from outside: as long as that is the same, so is its content, and it need not be read again.
// Private to plugin/.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>

#include "base/clock.hpp"

namespace lectern::plugin {

struct FileFacts {
  std::int64_t changed_s = 0, changed_ns = 0;
  ::ino_t inode = 0;
  ::off_t size = 0;

  /// [any] All zero when there is none.
  static FileFacts of(const std::filesystem::path& path) {
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0) return {};
    return {facts.st_ctim.tv_sec, facts.st_ctim.tv_nsec, facts.st_ino, facts.st_size};
  }
  bool operator==(const FileFacts&) const = default;

  /// [any] Whether its next change will show. A file that was changed just now may be changed once more without looking
  /// any different, for its time is not finer than a tick.
  [[nodiscard]] bool settled() const {
    constexpr std::int64_t surely_past_ms = 1000;
    return inode != 0 && clock::wall_ms() - (changed_s * 1000 + changed_ns / 1'000'000) >= surely_past_ms;
  }
};

}  // namespace lectern::plugin
