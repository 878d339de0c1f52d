// Older contents of a notebook's file, kept in `copies` of its state folder as `<ms since 1970>-<file name>`: what a
// save was about to drop, what somebody else wrote, and now and then what simply was there before.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lectern::document {

struct CopyLimits {
  std::int64_t version_every_ms = 10 * 60'000;         ///< a save keeps what it replaces when the newest is older
  std::int64_t all_for_ms = 24 * 3'600'000LL;          ///< past that age one a day stays
  std::int64_t longest_ms = 30 * 24 * 3'600'000LL;     ///< past that age nothing stays but the newest
  std::size_t most = 60;                               ///< the oldest go first
  std::uint64_t most_bytes = std::uint64_t{1} << 30U;  ///< of all together; the newest always stays
};

/// [worker] Keeps `bytes` in the folder `copies`, made when missing, fsynced with its name; returns its path. Then lets
/// the oldest go, by `limits`.
Result<std::string> keep_copy(const std::string& copies, std::string_view file_name, std::string_view bytes,
                              const CopyLimits& limits = {});

/// [worker] The age of the newest copy; a very long time when there is none.
std::int64_t newest_copy_age_ms(const std::string& copies);

/// [worker] Lets go what `limits` do not keep, at the time `now_ms`. What cannot be removed stays.
void thin_copies(const std::string& copies, const CopyLimits& limits, std::int64_t now_ms);

}  // namespace lectern::document
