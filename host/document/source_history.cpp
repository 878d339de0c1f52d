#include "document/source_history.hpp"

#include <algorithm>
#include <iterator>

namespace lectern::document {
namespace {

constexpr std::size_t kEditsKept = 4096;        // at least
constexpr std::size_t kForgottenAtOnce = 1024;  // moving the rest up is paid once for so many

struct Range {
  std::uint64_t begin, end;
};

}  // namespace

void SourceHistory::record(std::uint64_t version, std::uint64_t index, std::uint64_t deleted, std::uint64_t inserted) {
  edits_.push_back({version, index, deleted, inserted});
  if (edits_.size() < kEditsKept + kForgottenAtOnce) return;
  const auto kept = edits_.begin() + kForgottenAtOnce;
  complete_from_ = std::prev(kept)->version;
  edits_.erase(edits_.begin(), kept);
}

std::optional<std::vector<SpliceSource>> SourceHistory::carry(const SpliceSource& splice, std::uint64_t base_version,
                                                              std::uint64_t length, bool& in_range) const {
  if (base_version < complete_from_) return std::nullopt;
  const auto since = std::upper_bound(edits_.begin(), edits_.end(), base_version,
                                      [](std::uint64_t version, const Edit& edit) { return version < edit.version; });
  for (auto edit = since; edit != edits_.end(); ++edit) length = length + edit->deleted - edit->inserted;
  in_range = splice.index <= length && splice.delete_count <= length - splice.index;
  if (!in_range) return std::vector<SpliceSource>{};

  // The engine inserts behind a character. Of two insertions behind the same one the later stands first; behind one
  // that was deleted since, what others insert there comes before it.
  auto at = splice.index;
  bool behind_deleted = false;
  std::vector<Range> gone;
  if (splice.delete_count > 0) gone.push_back({splice.index, splice.index + splice.delete_count});
  for (auto edit = since; edit != edits_.end(); ++edit) {
    const auto tail = edit->index + edit->deleted;
    const auto behind = [&](std::uint64_t place) { return place - edit->deleted + edit->inserted; };
    if (at > edit->index) {
      behind_deleted = behind_deleted || at <= tail;
      at = at < tail ? edit->index + edit->inserted : behind(at);
    } else if (at == edit->index && behind_deleted) {
      at += edit->inserted;
    }
    std::vector<Range> next;
    const auto keep = [&next](std::uint64_t begin, std::uint64_t end) {
      if (begin >= end) return;
      if (!next.empty() && next.back().end == begin) {
        next.back().end = end;
      } else {
        next.push_back({begin, end});
      }
    };
    for (const auto& range : gone) {
      keep(range.begin, std::min(range.end, edit->index));
      if (range.end > tail) keep(behind(std::max(range.begin, tail)), behind(range.end));
    }
    gone = std::move(next);
  }

  // From the back, so that no index moves under the next.
  std::vector<SpliceSource> out;
  bool inserted = splice.insert.empty();
  for (auto range = gone.rbegin(); range != gone.rend(); ++range) {
    const bool here = !inserted && range->begin == at;
    out.push_back({splice.cell_id, range->begin, range->end - range->begin, here ? splice.insert : std::string()});
    inserted = inserted || here;
  }
  if (!inserted) out.push_back({splice.cell_id, at, 0, splice.insert});
  return out;
}

}  // namespace lectern::document
