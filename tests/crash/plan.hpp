// What is to happen to the calls of one process, as text: "die=before dieat=12 loss=some seed=3".
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace lectern::crash {

enum class Death { never, before, mid, after };
/// What a power cut takes of what was never synced: all of it, a seeded part of it, or nothing (a bare kill).
enum class Loss { all, some, none };
/// Which syncs make anything durable. All but `all` are for proving that the matrix would notice.
enum class Sync { all, none, files, folders, all_but_log };

struct Plan {
  Death die = Death::never;
  std::uint64_t die_at = 0;   ///< the call, counted from 1
  int fail_errno = 0;         ///< 0 = no call fails
  bool short_write = false;   ///< the call at fail_at writes half of what it should; those after it fail, if any
  std::uint64_t fail_at = 0;  ///< the first call that fails
  std::uint64_t fail_for = 1;
  Loss loss = Loss::all;
  Sync sync = Sync::all;
  std::uint64_t seed = 1;
  bool trace = false;  ///< each call on stderr
};

inline std::uint64_t number_in(std::string_view text) {
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::numeric_limits<std::uint64_t>::max();
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

inline int errno_named(std::string_view name) {
  return name == "ENOSPC" ? 28 : name == "EIO" ? 5 : name == "EROFS" ? 30 : name == "EDQUOT" ? 122 : 0;
}

/// Words it does not know are ignored, so that a line of the driver's report can be given as it is.
inline Plan parse_plan(std::string_view text) {
  Plan plan;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(' ', at), text.size());
    const std::string_view word = text.substr(at, end - at);
    at = end + 1;
    const auto equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = word.substr(0, equals);
    const std::string_view value = word.substr(equals + 1);
    if (key == "die") {
      plan.die = value == "before"  ? Death::before
                 : value == "mid"   ? Death::mid
                 : value == "after" ? Death::after
                                    : Death::never;
    }
    if (key == "dieat") plan.die_at = number_in(value);
    if (key == "fail") plan.fail_errno = errno_named(value);
    if (key == "fail" && value == "short") plan.short_write = true;
    if (key == "failat") plan.fail_at = number_in(value);
    if (key == "failfor") plan.fail_for = number_in(value);
    if (key == "loss") plan.loss = value == "some" ? Loss::some : value == "none" ? Loss::none : Loss::all;
    if (key == "sync") {
      plan.sync = value == "none"      ? Sync::none
                  : value == "files"   ? Sync::files
                  : value == "folders" ? Sync::folders
                  : value == "but_log" ? Sync::all_but_log
                                       : Sync::all;
    }
    if (key == "seed") plan.seed = number_in(value);
    if (key == "trace") plan.trace = value == "1";
  }
  return plan;
}

}  // namespace lectern::crash
