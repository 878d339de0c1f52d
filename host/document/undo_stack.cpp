#include "document/undo_stack.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/text.hpp"
#include "document/json_text.hpp"
#include "document/live_cells.hpp"

namespace lectern::document {
namespace {

constexpr std::size_t kEntriesKept = 100;
constexpr std::size_t kBytesKept = 4U << 20U;
constexpr std::int64_t kPauseMs = 700;

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

// ---- entries --------------------------------------------------------------------------------------------------------

UndoStack::Entry UndoStack::entry_of(const std::vector<EditStep>& steps, std::int64_t now_ms) {
  Entry entry;
  entry.at_ms = now_ms;
  const auto text_of = [](const std::string& cell_id, std::uint64_t index, std::uint64_t inserted,
                          const std::string& removed) {
    Text text{cell_id, index, {}, removed, text::code_points(removed)};
    if (inserted > 0) text.ranges.push_back({index, index + inserted});
    return text;
  };
  for (const auto& step : steps) {
    std::visit(
        Overloaded{[&](const SpliceStep& splice) {
                     entry.bytes += splice.removed.size();
                     entry.steps.emplace_back(text_of(splice.cell_id, splice.index, splice.inserted, splice.removed));
                   },
                   [&](const CreateStep& create) {
                     entry.steps.emplace_back(Made{text_of(create.cell_id, 0, create.length, {})});
                   },
                   [&](const RemoveStep& remove) {
                     entry.bytes += remove.source.size() + remove.metadata_json.size();
                     entry.steps.emplace_back(remove);
                   },
                   [&](const MoveStep& moved) {
                     if (!moved.renumbered) entry.steps.emplace_back(moved);
                   },
                   [&](const auto& other) { entry.steps.emplace_back(other); }},
        step);
  }
  return entry;
}

const std::string& UndoStack::cell_of(const Step& step) {
  return std::visit(Overloaded{[](const Made& made) -> const std::string& { return made.text.cell_id; },
                               [](const auto& other) -> const std::string& { return other.cell_id; }},
                    step);
}

void UndoStack::did(const std::vector<EditStep>& steps, std::int64_t now_ms) {
  redo_.clear();
  auto entry = entry_of(steps, now_ms);
  stand(entry, nullptr);
  if (entry.steps.empty()) return renumbered(steps);
  if (joins(entry)) {
    join(std::move(entry));
  } else {
    undo_.push_back(std::move(entry));
  }
  renumbered(steps);
  bound();
}

void UndoStack::bound() {
  std::size_t bytes = 0, keep = 0;
  while (keep < undo_.size() && keep < kEntriesKept) {
    bytes += undo_[undo_.size() - 1 - keep].bytes;
    if (bytes > kBytesKept && keep > 0) break;
    ++keep;
  }
  undo_.erase(undo_.begin(), undo_.end() - static_cast<std::ptrdiff_t>(keep));
}

// Typing goes on where it stopped; so does erasing, in both directions.
bool UndoStack::joins(const Entry& entry) const {
  if (undo_.empty() || entry.steps.size() != 1 || undo_.back().steps.size() != 1) return false;
  const auto& last = undo_.back();
  const auto* was = std::get_if<Text>(&last.steps.front());
  const auto* now = std::get_if<Text>(&entry.steps.front());
  if (was == nullptr || now == nullptr || was->cell_id != now->cell_id) return false;
  if (entry.at_ms - last.at_ms > kPauseMs || was->ranges.size() > 1) return false;
  const auto gone = now->removed_length;
  const bool types = !now->ranges.empty();
  if (types && gone > 0) return false;
  if (was->ranges.empty()) return types ? now->at == was->at : now->at == was->at || now->at + gone == was->at;
  const auto& range = was->ranges.front();
  return types ? now->at == range.end : now->at + gone == range.end && now->at >= range.begin;
}

void UndoStack::join(Entry entry) {
  auto& last = undo_.back();
  auto& was = std::get<Text>(last.steps.front());
  auto& now = std::get<Text>(entry.steps.front());
  last.at_ms = entry.at_ms;
  if (!now.ranges.empty()) {
    if (was.ranges.empty()) was.ranges.push_back({now.at, now.at});
    was.ranges.front().end += now.ranges.front().end - now.ranges.front().begin;
  } else if (!was.ranges.empty()) {  // of what was typed just now
    was.ranges.front().end = now.at;
    if (was.ranges.front().begin == now.at) was.ranges.clear();
    if (was.ranges.empty() && was.removed.empty()) undo_.pop_back();
  } else {
    last.bytes += now.removed.size();
    was.removed = now.at == was.at ? was.removed + now.removed : now.removed + was.removed;
    was.removed_length += now.removed_length;
    was.at = now.at;
  }
}

// ---- the edits of others --------------------------------------------------------------------------------------------

// What pass() does where the edit lies wholly before or behind the text, which most do: everybody's stack hears of
// every keystroke. False: it does not.
bool UndoStack::beside(Text& text, Splice& splice) {
  if (splice.index + splice.deleted <= text.at) {
    const auto shift = [&](std::uint64_t& place) { place = place - splice.deleted + splice.inserted; };
    for (auto& range : text.ranges) {
      shift(range.begin);
      shift(range.end);
    }
    shift(text.at);
  } else if (splice.index > text.at && (text.ranges.empty() || splice.index >= text.ranges.back().end)) {
    for (const auto& range : text.ranges) splice.index -= range.end - range.begin;
    splice.index += text.removed_length;
  } else {
    return false;
  }
  text.touched = text.touched || splice.inserted > 0;
  return true;
}

// Moves `text` by an edit made after it, and says the same edit for the source as it was before `text`: what lies under
// it in the stack counts there.
std::vector<UndoStack::Splice> UndoStack::pass(Text& text, const Splice& splice) {
  const auto begin = splice.index, end = splice.index + splice.deleted;
  const auto removed = text.removed_length;
  const auto ours_in = [&](std::uint64_t from, std::uint64_t to) {
    std::uint64_t sum = 0;
    for (const auto& range : text.ranges) {
      const auto low = std::max(range.begin, from), high = std::min(range.end, to);
      if (low < high) sum += high - low;
    }
    return sum;
  };
  const auto before = [&](std::uint64_t place) { return place - ours_in(0, place) + (place > text.at ? removed : 0); };
  // What comes in where text goes back stands before that text.
  std::vector<Splice> under;
  if (begin <= text.at && end > text.at && removed > 0) {
    const auto left = before(begin);
    under.push_back({splice.cell_id, left, text.at - begin, splice.inserted});
    const auto right = end - text.at - ours_in(text.at, end);
    if (right > 0) under.push_back({splice.cell_id, left + splice.inserted + removed, right, 0});
  } else {
    under.push_back({splice.cell_id, before(begin), splice.deleted - ours_in(begin, end), splice.inserted});
  }

  const auto shifted = [&](std::uint64_t place) { return place - splice.deleted + splice.inserted; };
  std::vector<Range> next;
  for (const auto& range : text.ranges) {
    if (range.begin < begin) next.push_back({range.begin, std::min(range.end, begin)});
    if (range.end > end) next.push_back({shifted(std::max(range.begin, end)), shifted(range.end)});
  }
  text.ranges = std::move(next);
  if (text.at >= begin) text.at = shifted(std::max(text.at, end));
  text.touched = text.touched || splice.inserted > 0;
  return under;
}

void UndoStack::move(Entries& entries, Splice splice) {
  std::vector<Splice> moving{std::move(splice)};
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    for (auto step = entry->steps.rbegin(); step != entry->steps.rend(); ++step) {
      auto* text = std::get_if<Text>(&*step);
      const auto* made = std::get_if<Made>(&*step);
      if (made != nullptr) text = &std::get<Made>(*step).text;
      if (text == nullptr || text->cell_id != moving.front().cell_id) continue;
      if (moving.size() > 1 || !beside(*text, moving.front())) {
        std::vector<Splice> next;
        for (const auto& one : moving) {
          auto under = pass(*text, one);
          std::move(under.begin(), under.end(), std::back_inserter(next));
        }
        moving = std::move(next);
      }
      if (made == nullptr) continue;
      // What lies under it was done to an earlier cell of this id, which comes back only if this one goes.
      if (text->touched) forget_older(entries, entry, step);
      return;
    }
  }
}

void UndoStack::rename(Entries& entries, const std::string& cell_id, const std::string& from, const std::string& to) {
  for (auto& entry : entries) {
    for (auto& step : entry.steps) {
      if (auto* moved = std::get_if<MoveStep>(&step); moved != nullptr && moved->cell_id == cell_id) {
        if (moved->to == from) moved->to = to;
        if (moved->from == from) moved->from = to;
      }
    }
  }
}

void UndoStack::renumbered(const std::vector<EditStep>& steps) {
  for (const auto& step : steps) {
    const auto* moved = std::get_if<MoveStep>(&step);
    if (moved == nullptr || !moved->renumbered) continue;
    const auto stood = stands_.find(moved->cell_id);
    const auto from = stood == stands_.end() ? moved->from : stood->second;
    if (stood != stands_.end()) stands_.erase(stood);
    rename(undo_, moved->cell_id, from, moved->to);
    rename(redo_, moved->cell_id, from, moved->to);
  }
}

void UndoStack::others_did(const std::vector<EditStep>& steps) {
  if (undo_.empty() && redo_.empty()) return stands_.clear();
  for (const auto& step : steps) {
    if (const auto* splice = std::get_if<SpliceStep>(&step)) {
      const Splice moving{splice->cell_id, splice->index, text::code_points(splice->removed), splice->inserted};
      move(undo_, moving);
      move(redo_, moving);
    } else if (const auto* moved = std::get_if<MoveStep>(&step); moved != nullptr && !moved->renumbered) {
      stands_.erase(moved->cell_id);
    } else if (const auto* removed = std::get_if<RemoveStep>(&step)) {
      stands_.erase(removed->cell_id);
    } else if (const auto* created = std::get_if<CreateStep>(&step)) {
      forget(undo_, created->cell_id);
      forget(redo_, created->cell_id);
    }
  }
  renumbered(steps);
}

// A cell that was gone and that others brought back has their text: the places of what was done to it before mean
// nothing in it, and taking that back would take theirs.
void UndoStack::forget(Entries& entries, const std::string& cell_id) {
  for (auto& entry : entries) std::erase_if(entry.steps, [&](const Step& step) { return cell_of(step) == cell_id; });
  std::erase_if(entries, [](const Entry& entry) { return entry.steps.empty(); });
}

void UndoStack::forget_older(Entries& entries, Entries::reverse_iterator entry,
                             std::vector<Step>::reverse_iterator made) {
  const auto cell_id = cell_of(*made);
  const auto about = [&](const Step& step) { return cell_of(step) == cell_id; };
  for (auto older = std::next(entry); older != entries.rend(); ++older) std::erase_if(older->steps, about);
  const auto end = std::prev(made.base());
  entry->steps.erase(std::remove_if(entry->steps.begin(), end, about), end);
  std::erase_if(entries, [](const Entry& one) { return one.steps.empty(); });
}

// ---- there and back -------------------------------------------------------------------------------------------------

/// The changes that take one entry back.
class UndoStack::Reversal {
 public:
  Reversal(const NotebookDocument& document, const std::map<std::string, std::string>& stands)
      : document_(document), stands_(stands) {}

  std::vector<Change> of(const Entry& entry) {
    for (auto step = entry.steps.rbegin(); step != entry.steps.rend(); ++step) {
      std::visit([this](const auto& one) { take_back(one); }, *step);
    }
    // A cell that goes takes what else would happen to it along.
    std::erase_if(changes_, [this](const Change& change) {
      const auto* splice = std::get_if<SpliceSource>(&change);
      const auto* type = std::get_if<SetCellType>(&change);
      const auto* moved = std::get_if<MoveCell>(&change);
      const auto* metadata = std::get_if<SetMetadata>(&change);
      return (splice != nullptr && gone_.contains(splice->cell_id)) ||
             (type != nullptr && gone_.contains(type->cell_id)) ||
             (moved != nullptr && gone_.contains(moved->cell_id)) ||
             (metadata != nullptr && metadata->cell_id && gone_.contains(*metadata->cell_id));
    });
    return std::move(changes_);
  }

  /// The moves in it, by where cells count as standing.
  std::vector<MoveStep> planned() { return std::move(planned_); }

 private:
  void take_back(const Text& text) {
    const auto length = length_of(text.cell_id);
    if (!length || text.at > *length || (!text.ranges.empty() && text.ranges.back().end > *length)) return;
    bool put_back = text.removed.empty();
    for (auto range = text.ranges.rbegin(); range != text.ranges.rend(); ++range) {
      const bool here = !put_back && range->begin == text.at;
      splice(text.cell_id, range->begin, range->end - range->begin, here ? text.removed : std::string());
      put_back = put_back || here;
    }
    if (!put_back) splice(text.cell_id, text.at, 0, text.removed);
  }

  void take_back(const Made& made) {
    const auto& id = made.text.cell_id;
    if (!length_of(id)) return;
    if (made.text.touched) return take_back(made.text);
    lengths_.insert_or_assign(id, std::nullopt);
    if (back_.contains(id)) {  // it came and went in one edit
      std::erase_if(changes_, [&](const Change& change) {
        const auto* create = std::get_if<CreateCell>(&change);
        return create != nullptr && create->cell_id == id;
      });
      gone_.insert(id);
      return;
    }
    gone_.insert(id);
    changes_.emplace_back(DeleteCell{id});
  }

  void take_back(const RemoveStep& cell) {
    if (length_of(cell.cell_id) || gone_.contains(cell.cell_id)) return;
    lengths_.insert_or_assign(cell.cell_id, text::code_points(cell.source));
    back_.insert(cell.cell_id);
    auto [before, after] = place_of(cell.cell_id, cell.position);
    places_.emplace_back(cell.position, cell.cell_id);
    changes_.emplace_back(
        CreateCell{cell.cell_id, cell.cell_type, cell.source, std::move(before), std::move(after), cell.metadata_json});
  }

  void take_back(const MoveStep& moved) {
    const auto* cell = document_.find_cell(moved.cell_id);
    if (cell == nullptr) return;
    if (place(*cell) != moved.to) return;
    auto [before, after] = place_of(moved.cell_id, moved.from);
    if (!before && !after) return;
    planned_.push_back({moved.cell_id, place(*cell), moved.from});
    moved_.insert_or_assign(moved.cell_id, moved.from);
    changes_.emplace_back(MoveCell{moved.cell_id, std::move(before), std::move(after)});
  }

  void take_back(const TypeStep& type) {
    const auto* cell = document_.find_cell(type.cell_id);
    if (cell != nullptr && cell->cell_type == type.to) changes_.emplace_back(SetCellType{type.cell_id, type.from});
  }

  void take_back(const MetadataStep& step) {
    const auto* cell = step.cell_id.empty() ? nullptr : document_.find_cell(step.cell_id);
    if (cell == nullptr && !step.cell_id.empty()) return;
    const auto now = json_text::find(cell == nullptr ? document_.metadata_json() : cell->metadata_json, step.key);
    if (now.has_value() != step.to.has_value() || (now && !same_json(*now, *step.to))) return;
    SetMetadata change;
    if (cell != nullptr) change.cell_id = step.cell_id;
    change.path = {step.key};
    change.value_json = step.from;
    changes_.emplace_back(std::move(change));
  }

  void splice(const std::string& cell_id, std::uint64_t index, std::uint64_t deleted, std::string insert) {
    if (deleted == 0 && insert.empty()) return;
    auto& length = lengths_[cell_id];
    length = *length_of(cell_id) - deleted + text::code_points(insert);
    changes_.emplace_back(SpliceSource{cell_id, index, deleted, std::move(insert)});
  }

  /// Of a source, with what is planned so far; nullopt: there is no such cell.
  std::optional<std::uint64_t> length_of(const std::string& cell_id) const {
    if (const auto it = lengths_.find(cell_id); it != lengths_.end() && it->second) return it->second;
    if (gone_.contains(cell_id)) return std::nullopt;
    const auto* cell = document_.find_cell(cell_id);
    if (cell == nullptr) return std::nullopt;
    return cell->source_length;
  }

  /// Where a cell counts as standing, with what is planned so far.
  [[nodiscard]] const std::string& place(const Cell& cell) const {
    if (const auto planned = moved_.find(cell.id); planned != moved_.end()) return planned->second;
    const auto stood = stands_.find(cell.id);
    return stood == stands_.end() ? cell.position : stood->second;
  }

  /// Anchors for a cell that stood at `position`.
  std::pair<std::optional<std::string>, std::optional<std::string>> place_of(const std::string& cell_id,
                                                                             const std::string& position) const {
    std::optional<std::pair<std::string, std::string>> left, right;  // position, id
    const auto look_at = [&](std::string_view at, std::string_view id) {
      if (id == cell_id || gone_.contains(std::string(id))) return;
      const std::pair<std::string, std::string> here(at, id);
      if (std::tie(here.first, here.second) < std::tie(position, cell_id)) {
        if (!left || *left < here) left = here;
      } else if (!right || here < *right) {
        right = here;
      }
    };
    for (const auto* cell : document_.cells()) look_at(place(*cell), cell->id);
    for (const auto& [at, id] : places_) look_at(at, id);
    if (left) return {std::nullopt, left->second};
    if (right) return {right->second, std::nullopt};
    return {};
  }

  const NotebookDocument& document_;
  const std::map<std::string, std::string>& stands_;
  std::vector<Change> changes_;
  std::vector<MoveStep> planned_;
  mutable std::map<std::string, std::optional<std::uint64_t>> lengths_;
  std::map<std::string, std::string> moved_;                 // to where it goes back
  std::vector<std::pair<std::string, std::string>> places_;  // of cells that come back
  std::set<std::string> gone_, back_;
};

std::vector<Change> UndoStack::reverse(Entries& entries, const NotebookDocument& document) {
  while (!entries.empty()) {
    Reversal reversal(document, stands_);
    if (auto changes = reversal.of(entries.back()); !changes.empty()) {
      planned_ = reversal.planned();
      return changes;
    }
    entries.pop_back();
  }
  return {};
}

std::vector<Change> UndoStack::undo(const NotebookDocument& document) {
  return reverse(undo_, document);
}
std::vector<Change> UndoStack::redo(const NotebookDocument& document) {
  return reverse(redo_, document);
}

// Says the moves of `entry` by where cells count as standing; what took back `done` put them back to where they were.
void UndoStack::stand(Entry& entry, const Entry* done) {
  const auto stood_at = [done](const std::string& cell_id) -> const std::string* {
    if (done == nullptr) return nullptr;
    for (const auto& step : done->steps) {
      const auto* moved = std::get_if<MoveStep>(&step);
      if (moved != nullptr && moved->cell_id == cell_id) return &moved->from;
      const auto* removed = std::get_if<RemoveStep>(&step);
      if (removed != nullptr && removed->cell_id == cell_id) return &removed->position;
    }
    return nullptr;
  };
  for (auto& step : entry.steps) {
    if (auto* moved = std::get_if<MoveStep>(&step)) {
      if (const auto it = stands_.find(moved->cell_id); it != stands_.end()) {
        moved->from = std::move(it->second);
        stands_.erase(it);
      }
      if (const auto* place = stood_at(moved->cell_id)) stands_[moved->cell_id] = moved->to = *place;
    } else if (auto* removed = std::get_if<RemoveStep>(&step)) {
      if (const auto it = stands_.find(removed->cell_id); it != stands_.end()) {
        removed->position = std::move(it->second);
        stands_.erase(it);
      }
    } else if (const auto* made = std::get_if<Made>(&step)) {
      if (const auto* place = stood_at(made->text.cell_id)) stands_[made->text.cell_id] = *place;
    }
  }
  if (done == nullptr) return;
  // A cell that was between the right ones already kept its position, and counts as moved like the others.
  for (auto& moved : planned_) {
    const bool told = std::any_of(entry.steps.begin(), entry.steps.end(), [&](const Step& step) {
      const auto* known = std::get_if<MoveStep>(&step);
      return known != nullptr && known->cell_id == moved.cell_id;
    });
    if (told) continue;
    stands_[moved.cell_id] = moved.to;
    entry.steps.emplace_back(std::move(moved));
  }
  planned_.clear();
}

void UndoStack::undone(const std::vector<EditStep>& steps) {
  if (undo_.empty()) return;
  const auto done = std::move(undo_.back());
  undo_.pop_back();
  auto back = entry_of(steps, 0);
  stand(back, &done);
  if (!back.steps.empty()) redo_.push_back(std::move(back));
  renumbered(steps);
}

void UndoStack::redone(const std::vector<EditStep>& steps) {
  if (redo_.empty()) return;
  const auto done = std::move(redo_.back());
  redo_.pop_back();
  auto back = entry_of(steps, 0);
  stand(back, &done);
  if (!back.steps.empty()) undo_.push_back(std::move(back));
  renumbered(steps);
}

void UndoStack::undo_failed() {
  if (!undo_.empty()) undo_.pop_back();
}
void UndoStack::redo_failed() {
  if (!redo_.empty()) redo_.pop_back();
}

}  // namespace lectern::document
