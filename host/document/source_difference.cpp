#include "document/source_difference.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "base/text.hpp"

namespace lectern::document {
namespace {

// Comparing lines pays only past this; the tables of them may be this large, a long stretch cut this many times over.
constexpr std::size_t kFewBytes = 64;
constexpr std::size_t kMaxTable = 4'000'000;
constexpr int kMaxCuts = 8;

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

// Which lines two texts share, in order. Short stretches by a longest common subsequence; long ones are first cut at
// the lines that each text has exactly once, in the longest order they share (as "patience diff" does).
class SharedLines {
 public:
  using Match = std::pair<std::size_t, std::size_t>;  // place in old, place in now

  SharedLines(const std::vector<std::string_view>& old, const std::vector<std::string_view>& now)
      : old_(old), now_(now) {
    match({0, old.size(), 0, now.size()}, kMaxCuts);
  }
  [[nodiscard]] const std::vector<Match>& matches() const { return matches_; }

 private:
  void match(Hunk part, int cuts) {
    const auto rows = part.from_end - part.from + 1, wide = part.to_end - part.to + 1;
    if (rows == 1 || wide == 1) return;
    if (rows <= budget_ / wide) {
      budget_ -= rows * wide;
      return by_table(part, wide);
    }
    std::size_t tail = 0;
    while (part.from < part.from_end && part.to < part.to_end && old_[part.from] == now_[part.to]) {
      matches_.emplace_back(part.from++, part.to++);
    }
    while (part.from < part.from_end && part.to < part.to_end && old_[part.from_end - 1] == now_[part.to_end - 1]) {
      --part.from_end, --part.to_end, ++tail;
    }
    if (cuts > 0) {
      auto rest = part;
      for (const auto& [i, j] : anchors(part)) {
        match({rest.from, i, rest.to, j}, cuts - 1);
        matches_.emplace_back(i, j);
        rest.from = i + 1, rest.to = j + 1;
      }
      if (rest.from != part.from) match(rest, cuts - 1);
    }
    for (std::size_t i = 0; i < tail; ++i) matches_.emplace_back(part.from_end + i, part.to_end + i);
  }

  void by_table(const Hunk& part, std::size_t wide) {
    const auto rows = part.from_end - part.from, columns = part.to_end - part.to;
    std::vector<std::uint32_t> common((rows + 1) * wide);
    const auto same = [&](std::size_t i, std::size_t j) { return old_[part.from + i] == now_[part.to + j]; };
    for (std::size_t i = rows; i-- > 0;) {
      for (std::size_t j = columns; j-- > 0;) {
        common[i * wide + j] = same(i, j) ? common[(i + 1) * wide + j + 1] + 1
                                          : std::max(common[(i + 1) * wide + j], common[i * wide + j + 1]);
      }
    }
    for (std::size_t i = 0, j = 0; i < rows && j < columns;) {
      if (same(i, j)) {
        matches_.emplace_back(part.from + i++, part.to + j++);
      } else if (common[(i + 1) * wide + j] >= common[i * wide + j + 1]) {
        ++i;
      } else {
        ++j;
      }
    }
  }

  [[nodiscard]] std::vector<Match> anchors(const Hunk& part) const {
    struct Seen {
      std::size_t in_old = 0, in_now = 0, place = 0;
    };
    std::unordered_map<std::string_view, Seen> seen;
    for (auto i = part.from; i < part.from_end; ++i) ++seen[old_[i]].in_old;
    for (auto j = part.to; j < part.to_end; ++j) {
      auto& line = seen[now_[j]];
      ++line.in_now;
      line.place = j;
    }
    std::vector<Match> once;
    for (auto i = part.from; i < part.from_end; ++i) {
      const auto& line = seen.at(old_[i]);
      if (line.in_old == 1 && line.in_now == 1) once.emplace_back(i, line.place);
    }
    return longest_rising(once);
  }

  static std::vector<Match> longest_rising(const std::vector<Match>& pairs) {
    constexpr auto none = static_cast<std::size_t>(-1);
    std::vector<std::size_t> tails, before(pairs.size(), none);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const auto at = std::lower_bound(tails.begin(), tails.end(), pairs[i].second,
                                       [&](std::size_t tail, std::size_t place) { return pairs[tail].second < place; });
      if (at != tails.begin()) before[i] = *std::prev(at);
      if (at == tails.end()) {
        tails.push_back(i);
      } else {
        *at = i;
      }
    }
    std::vector<Match> out;
    for (auto i = tails.empty() ? none : tails.back(); i != none; i = before[i]) out.push_back(pairs[i]);
    std::reverse(out.begin(), out.end());
    return out;
  }

  const std::vector<std::string_view>& old_;
  const std::vector<std::string_view>& now_;
  std::vector<Match> matches_;
  std::size_t budget_ = kMaxTable;  // fields of all tables together: this runs on a reactor
};

// What lies between the lines that stay.
std::vector<Hunk> by_lines(std::string_view from, std::string_view to, const Hunk& whole) {
  const auto old = lines(from.substr(whole.from, whole.from_end - whole.from));
  const auto now = lines(to.substr(whole.to, whole.to_end - whole.to));
  if (old.size() < 2 || now.size() < 2) return {whole};
  std::vector<Hunk> hunks;
  Hunk open{whole.from, whole.from, whole.to, whole.to};
  std::size_t i = 0, j = 0;
  const auto upto = [&](std::size_t next_i, std::size_t next_j) {
    for (; i < next_i; ++i) open.from_end += old[i].size();
    for (; j < next_j; ++j) open.to_end += now[j].size();
    if (open.from != open.from_end || open.to != open.to_end) hunks.push_back(open);
    open = {open.from_end, open.from_end, open.to_end, open.to_end};
  };
  const SharedLines shared(old, now);
  for (const auto& [next_i, next_j] : shared.matches()) {
    upto(next_i, next_j);
    const auto kept = old[i++].size();
    ++j;
    open = {open.from_end + kept, open.from_end + kept, open.to_end + kept, open.to_end + kept};
  }
  upto(old.size(), now.size());
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
