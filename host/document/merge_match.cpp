#include "document/merge_match.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/crypto.hpp"

namespace lectern::document {
namespace {

// A cell that is still to be matched: its content, and where it stands in its list.
struct Loose {
  std::size_t at = 0;
  std::string content;
};
using Pair = std::pair<std::size_t, std::size_t>;  // places in the two lists of loose cells

std::string content_key(std::string_view type, std::string_view source_hash) {
  return std::string(type) + ":" + std::string(source_hash);
}

// Contents that stand once on either side are the same cell wherever they stand.
std::vector<Pair> unique_pairs(const std::vector<Loose>& a, const std::vector<Loose>& b) {
  struct Seen {
    std::size_t a = 0, b = 0, in_a = 0, in_b = 0;
  };
  std::unordered_map<std::string_view, Seen> seen;
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto& one = seen[a[i].content];
    ++one.in_a;
    one.a = i;
  }
  for (std::size_t i = 0; i < b.size(); ++i) {
    auto& one = seen[b[i].content];
    ++one.in_b;
    one.b = i;
  }
  std::vector<Pair> pairs;
  for (const auto& [content, one] : seen) {
    if (one.in_a == 1 && one.in_b == 1) pairs.emplace_back(one.a, one.b);
  }
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

// The longest run of pairs that rise on both sides: what did not move.
std::vector<Pair> rising(const std::vector<Pair>& pairs) {
  std::vector<std::size_t> tails, parent(pairs.size(), pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto it = std::lower_bound(tails.begin(), tails.end(), pairs[i].second,
                                     [&](std::size_t tail, std::size_t value) { return pairs[tail].second < value; });
    if (it != tails.begin()) parent[i] = *(it - 1);
    if (it == tails.end()) {
      tails.push_back(i);
    } else {
      *it = i;
    }
  }
  std::vector<Pair> run;
  for (std::size_t i = tails.empty() ? pairs.size() : tails.back(); i < pairs.size(); i = parent[i]) {
    run.push_back(pairs[i]);
  }
  std::reverse(run.begin(), run.end());
  return run;
}

class Matcher {
 public:
  Matcher(const std::vector<Loose>& a, const std::vector<Loose>& b)
      : a_(a), b_(b), matched_(a.size()), taken_(b.size()) {}

  std::vector<Pair> run() {
    const auto unique = unique_pairs(a_, b_);
    for (const auto& [i, j] : unique) take(i, j);
    std::size_t from_a = 0, from_b = 0;
    for (const auto& [i, j] : rising(unique)) {
      gap(from_a, i, from_b, j);
      from_a = i + 1;
      from_b = j + 1;
    }
    gap(from_a, a_.size(), from_b, b_.size());
    return std::move(pairs_);
  }

 private:
  void take(std::size_t i, std::size_t j) {
    matched_[i] = taken_[j] = true;
    pairs_.emplace_back(i, j);
  }

  // Between two cells that stayed: equal contents in order, then, when as many are left on both sides, one for one.
  void gap(std::size_t a0, std::size_t a1, std::size_t b0, std::size_t b1) {
    for (std::size_t i = a0, from = b0; i < a1; ++i) {
      if (matched_[i]) continue;
      for (std::size_t j = from; j < b1; ++j) {
        if (taken_[j] || b_[j].content != a_[i].content) continue;
        take(i, j);
        from = j + 1;
        break;
      }
    }
    std::vector<std::size_t> left_a, left_b;
    for (std::size_t i = a0; i < a1; ++i) {
      if (!matched_[i]) left_a.push_back(i);
    }
    for (std::size_t j = b0; j < b1; ++j) {
      if (!taken_[j]) left_b.push_back(j);
    }
    if (left_a.size() != left_b.size()) return;
    for (std::size_t k = 0; k < left_a.size(); ++k) take(left_a[k], left_b[k]);
  }

  const std::vector<Loose>& a_;
  const std::vector<Loose>& b_;
  std::vector<bool> matched_, taken_;
  std::vector<Pair> pairs_;
};

struct Known {
  std::string id, content;
  bool id_invented = false;
};

std::vector<Known> known_cells(const MergeBase& base, const std::vector<const Cell*>& ours) {
  std::vector<Known> known;
  if (base.known) {
    for (const auto& cell : base.cells) {
      known.push_back({cell.id, content_key(cell.cell_type, cell.source_hash), cell.id_invented});
    }
  } else {
    for (const auto* cell : ours) {
      known.push_back({cell->id, content_key(cell->cell_type, crypto::sha256(cell->source)), false});
    }
  }
  return known;
}

// A merge whose base nobody recorded (its conflict is still open, or the host died first) is done again with the base
// of then. What the first one took from the file is a cell of ours that neither the base nor a name knows: it is that
// cell, and not made once more.
void match_ours(const std::vector<Known>& known, const std::vector<const Cell*>& ours, const std::vector<Loose>& loose,
                std::vector<std::string>& ids) {
  std::unordered_set<std::string_view> taken(ids.begin(), ids.end());
  for (const auto& cell : known) taken.insert(cell.id);
  std::multimap<std::string, const Cell*> free;  // equal contents in their order
  for (const auto* cell : ours) {
    if (!taken.contains(cell->id)) free.emplace(content_key(cell->cell_type, crypto::sha256(cell->source)), cell);
  }
  for (const auto& cell : loose) {
    if (!ids[cell.at].empty()) continue;
    const auto found = free.lower_bound(cell.content);
    if (found == free.end() || found->first != cell.content) continue;
    ids[cell.at] = found->second->id;
    free.erase(found);
  }
}

}  // namespace

std::vector<std::string> match_cells(const MergeBase& base, const std::vector<const Cell*>& ours,
                                     const LoadedNotebook& theirs) {
  const auto known = known_cells(base, ours);
  const auto invented = [](const plugin::FormatCell& cell) { return (cell.changed & plugin::cell_id_changed) != 0; };
  std::unordered_set<std::string_view> names;  // all that are somebody's
  for (const auto& cell : known) names.insert(cell.id);
  for (const auto* cell : ours) names.insert(cell->id);
  std::vector<std::string> ids(theirs.cells.size());
  std::unordered_set<std::string_view> used;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto& cell = theirs.cells[i];
    if (invented(cell) || !names.contains(cell.id)) continue;
    ids[i] = cell.id;
    used.insert(cell.id);
  }
  // Somebody may have given ids to a file that had none: then new names say nothing.
  const bool were_invented =
      std::any_of(known.begin(), known.end(), [](const Known& cell) { return cell.id_invented; });
  std::vector<Loose> a, b;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto& cell = theirs.cells[i];
    if (ids[i].empty() && (invented(cell) || were_invented)) {
      b.push_back({i, content_key(cell.cell_type, crypto::sha256(cell.source))});
    }
  }
  if (!b.empty()) {
    for (std::size_t i = 0; i < known.size(); ++i) {
      if (!used.contains(known[i].id)) a.push_back({i, known[i].content});
    }
    for (const auto& [i, j] : Matcher(a, b).run()) ids[b[j].at] = known[a[i].at].id;
    match_ours(known, ours, b, ids);
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!ids[i].empty()) continue;
    const auto& cell = theirs.cells[i];
    ids[i] = names.contains(cell.id) ? crypto::uuid().substr(0, 8) : std::string(cell.id);
  }
  return ids;
}

}  // namespace lectern::document
