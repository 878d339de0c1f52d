#include "document/kept_copies.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <vector>

#include "base/clock.hpp"
#include "document/atomic_file.hpp"

namespace lectern::document {
namespace {

namespace fs = std::filesystem;

struct Copy {
  std::int64_t at_ms = 0;
  std::uint64_t bytes = 0;
  fs::path path;
};

// The newest first. Files with other names are not ours to count or remove.
std::vector<Copy> list(const std::string& copies) {
  std::vector<Copy> found;
  std::error_code error;
  for (fs::directory_iterator item(copies, error), end; !error && item != end; item.increment(error)) {
    const auto name = item->path().filename().string();
    Copy kept;
    const auto [stop, bad] = std::from_chars(name.data(), name.data() + name.size(), kept.at_ms);
    if (bad != std::errc() || stop == name.data() + name.size() || *stop != '-') continue;
    kept.path = item->path();
    std::error_code unknown;
    kept.bytes = item->file_size(unknown);
    if (!unknown) found.push_back(std::move(kept));
  }
  std::sort(found.begin(), found.end(), [](const Copy& a, const Copy& b) { return a.at_ms > b.at_ms; });
  return found;
}

}  // namespace

Result<std::string> keep_copy(const std::string& copies, std::string_view file_name, std::string_view bytes,
                              const CopyLimits& limits) {
  LECTERN_CHECK(make_folders(copies));
  std::int64_t at_ms = clock::wall_ms();
  // Two within one millisecond are two copies.
  const auto taken = list(copies);
  const auto is_taken = [&](std::int64_t ms) {
    return std::any_of(taken.begin(), taken.end(), [&](const Copy& kept) { return kept.at_ms == ms; });
  };
  while (is_taken(at_ms)) ++at_ms;
  std::string path = copies + "/" + std::to_string(at_ms) + "-" + std::string(file_name.substr(0, 180));
  LECTERN_CHECK(replace_file(path, bytes, 0600).map([](auto&&) {}));
  thin_copies(copies, limits, at_ms);
  return path;
}

std::int64_t newest_copy_age_ms(const std::string& copies) {
  const auto kept = list(copies);
  return kept.empty() ? std::numeric_limits<std::int64_t>::max() : clock::wall_ms() - kept.front().at_ms;
}

void thin_copies(const std::string& copies, const CopyLimits& limits, std::int64_t now_ms) {
  constexpr std::int64_t day_ms = 24 * 3'600'000LL;
  std::size_t count = 0;
  std::uint64_t bytes = 0;
  std::int64_t last_day = std::numeric_limits<std::int64_t>::max();
  for (const auto& kept : list(copies)) {
    const std::int64_t age = now_ms - kept.at_ms;
    const std::int64_t day = kept.at_ms / day_ms;
    const bool second_of_its_day = age > limits.all_for_ms && day == last_day;
    const bool stays = count == 0 || (age <= limits.longest_ms && !second_of_its_day && count < limits.most &&
                                      bytes + kept.bytes <= limits.most_bytes);
    if (stays) {
      ++count;
      bytes += kept.bytes;
      last_day = day;
    } else {
      std::error_code ignored;
      fs::remove(kept.path, ignored);
    }
  }
}

}  // namespace lectern::document
