#include "document/source_difference.hpp"

#include <algorithm>
#include <cstdint>

#include "base/text.hpp"

namespace lectern::document {
namespace {

// Comparing lines pays only past this, and only up to a table this large.
constexpr std::size_t kFewBytes = 64;
constexpr std::size_t kMaxTable = 4'000'000;

bool inside_character(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U;
}

// A stretch of `from` that becomes a stretch of `to`. Both in bytes, on character boundaries.
struct Hunk {
  std::size_t from, from_end, to, to_end;
};

Hunk trimmed(std::string_view from, std::string_view to, Hunk hunk) {
  while (hunk.from < hunk.from_end && hunk.to < hunk.to_end && from[hunk.from] == to[hunk.to]) ++hunk.from, ++hunk.to;
  while (inside_character(from, hunk.from) || inside_character(to, hunk.to)) --hunk.from, --hunk.to;
  while (hunk.from < hunk.from_end && hunk.to < hunk.to_end && from[hunk.from_end - 1] == to[hunk.to_end - 1]) {
    --hunk.from_end, --hunk.to_end;
  }
  while (inside_character(from, hunk.from_end)) ++hunk.from_end, ++hunk.to_end;
  return hunk;
}

std::vector<std::string_view> lines(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size() - 1) + 1;
    out.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return out;
}

// Hunks between the lines that a longest common subsequence keeps.
std::vector<Hunk> by_lines(std::string_view from, std::string_view to, const Hunk& whole) {
  const auto old = lines(from.substr(whole.from, whole.from_end - whole.from));
  const auto now = lines(to.substr(whole.to, whole.to_end - whole.to));
  const auto wide = now.size() + 1;
  if (old.size() < 2 || now.size() < 2 || (old.size() + 1) * wide > kMaxTable) return {whole};
  std::vector<std::uint32_t> common((old.size() + 1) * wide);
  for (std::size_t i = old.size(); i-- > 0;) {
    for (std::size_t j = now.size(); j-- > 0;) {
      common[i * wide + j] = old[i] == now[j] ? common[(i + 1) * wide + j + 1] + 1
                                              : std::max(common[(i + 1) * wide + j], common[i * wide + j + 1]);
    }
  }
  std::vector<Hunk> hunks;
  Hunk open{whole.from, whole.from, whole.to, whole.to};
  const auto close = [&](std::size_t kept) {
    if (open.from != open.from_end || open.to != open.to_end) hunks.push_back(open);
    open = {open.from_end + kept, open.from_end + kept, open.to_end + kept, open.to_end + kept};
  };
  for (std::size_t i = 0, j = 0; i < old.size() || j < now.size();) {
    if (i < old.size() && j < now.size() && old[i] == now[j]) {
      close(old[i].size());
      ++i, ++j;
    } else if (j == now.size() || (i < old.size() && common[(i + 1) * wide + j] >= common[i * wide + j + 1])) {
      open.from_end += old[i++].size();
    } else {
      open.to_end += now[j++].size();
    }
  }
  close(0);
  return hunks;
}

}  // namespace

std::vector<SpliceSource> source_difference(const std::string& cell_id, std::string_view from, std::string_view to) {
  if (from == to) return {};
  const auto whole = trimmed(from, to, {0, from.size(), 0, to.size()});
  const bool few = whole.from_end - whole.from < kFewBytes;
  std::vector<SpliceSource> splices;
  std::size_t read = 0;     // bytes of `from` counted so far
  std::uint64_t index = 0;  // code points of the result so far
  for (const auto& coarse : few ? std::vector<Hunk>{whole} : by_lines(from, to, whole)) {
    const auto hunk = trimmed(from, to, coarse);
    SpliceSource splice;
    splice.cell_id = cell_id;
    splice.index = index + text::code_points(from.substr(read, hunk.from - read));
    splice.delete_count = text::code_points(from.substr(hunk.from, hunk.from_end - hunk.from));
    splice.insert = std::string(to.substr(hunk.to, hunk.to_end - hunk.to));
    index = splice.index + text::code_points(splice.insert);
    read = hunk.from_end;
    splices.push_back(std::move(splice));
  }
  return splices;
}

}  // namespace lectern::document
