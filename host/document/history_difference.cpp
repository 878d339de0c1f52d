#include "document/history_difference.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/json.hpp"
#include "document/live_cells.hpp"

namespace lectern::document {
namespace {

using Index = std::unordered_map<std::string_view, std::size_t>;

template <class Cells, class Get>
Index index_of(const Cells& cells, Get get) {
  Index index;
  for (std::size_t i = 0; i < cells.size(); ++i) index.emplace(get(cells[i]).id, i);
  return index;
}
const Cell& itself(const Cell& cell) {
  return cell;
}
const Cell& pointed(const Cell* cell) {
  return *cell;
}

// Cells of `after` that are not in the longest run that kept its order.
std::unordered_set<std::string_view> moved_cells(const Index& before, const std::vector<Cell>& after) {
  std::vector<std::size_t> was;
  std::vector<std::string_view> ids;
  for (const auto& cell : after) {
    const auto found = before.find(cell.id);
    if (found == before.end()) continue;
    was.push_back(found->second);
    ids.push_back(cell.id);
  }
  std::vector<std::size_t> tails, parent(was.size(), was.size());
  for (std::size_t i = 0; i < was.size(); ++i) {
    const auto it = std::lower_bound(tails.begin(), tails.end(), was[i],
                                     [&](std::size_t tail, std::size_t value) { return was[tail] < value; });
    if (it != tails.begin()) parent[i] = *(it - 1);
    if (it == tails.end()) {
      tails.push_back(i);
    } else {
      *it = i;
    }
  }
  std::unordered_set<std::string_view> moved(ids.begin(), ids.end());
  for (std::size_t i = tails.empty() ? was.size() : tails.back(); i < was.size(); i = parent[i]) moved.erase(ids[i]);
  return moved;
}

void metadata_toward(const Cell& now, const Cell& target, std::vector<Change>& changes) {
  if (same_json(now.metadata_json, target.metadata_json)) return;
  const auto from = json::parse(now.metadata_json);
  const auto to = json::parse(target.metadata_json);
  if (!from || !to || !from->is_object() || !to->is_object()) return;
  for (const auto& [key, value] : *from->as_object()) {
    if (to->find(key) == nullptr) changes.emplace_back(SetMetadata{now.id, {key}, std::nullopt});
  }
  for (const auto& [key, value] : *to->as_object()) {
    const auto* old = from->find(key);
    const auto text = json::write(value);
    if (old == nullptr || !same_json(json::write(*old), text)) {
      changes.emplace_back(SetMetadata{now.id, {key}, text});
    }
  }
}

void content_toward(const Cell& now, const Cell& target, std::vector<Change>& changes) {
  if (now.cell_type != target.cell_type) changes.emplace_back(SetCellType{now.id, target.cell_type});
  if (now.source != target.source) changes.emplace_back(SetSource{now.id, target.source, std::nullopt});
  metadata_toward(now, target, changes);
}

CreateCell creation_of(const Cell& cell) {
  CreateCell made;
  made.cell_id = cell.id;
  made.cell_type = cell.cell_type;
  made.source = cell.source;
  made.metadata_json = cell.metadata_json.empty() ? "{}" : cell.metadata_json;
  return made;
}

}  // namespace

std::vector<CellDifference> compare_cells(const std::vector<Cell>& before, const std::vector<Cell>& after) {
  const auto old = index_of(before, itself);
  const auto present = index_of(after, itself);
  const auto moved = moved_cells(old, after);
  std::vector<CellDifference> out;
  // Gone cells by the last cell before them that is still there; "" for those at the front.
  std::unordered_map<std::string_view, std::vector<const Cell*>> gone_after;
  std::string_view standing;
  for (const auto& cell : before) {
    if (present.contains(cell.id)) {
      standing = cell.id;
    } else {
      gone_after[standing].push_back(&cell);
    }
  }
  const auto tell_gone = [&](std::string_view id) {
    const auto found = gone_after.find(id);
    if (found == gone_after.end()) return;
    for (const auto* cell : found->second) out.push_back({cell, nullptr, false, false, false, false});
  };
  tell_gone({});
  for (const auto& cell : after) {
    const auto found = old.find(cell.id);
    if (found == old.end()) {
      out.push_back({nullptr, &cell, false, false, false, false});
      continue;
    }
    const auto& was = before[found->second];
    CellDifference difference{&was,
                              &cell,
                              was.source != cell.source,
                              was.cell_type != cell.cell_type,
                              !same_json(was.metadata_json, cell.metadata_json),
                              moved.contains(cell.id)};
    if (difference.source || difference.type || difference.metadata || difference.moved) out.push_back(difference);
    tell_gone(cell.id);
  }
  return out;
}

std::vector<Change> changes_toward(const std::vector<const Cell*>& now, const std::vector<Cell>& target) {
  const auto present = index_of(now, pointed);
  const auto wanted = index_of(target, itself);
  std::vector<Change> changes;
  std::vector<std::string_view> order;  // as it will be without a reorder
  for (const auto* cell : now) {
    if (wanted.contains(cell->id)) {
      order.push_back(cell->id);
    } else {
      changes.emplace_back(DeleteCell{cell->id});
    }
  }
  std::size_t last = 0;  // where the cell before is, most likely
  const auto place_after = [&](std::string_view id) {
    while (last < order.size() && order[last] != id) ++last;
    if (last == order.size()) {
      last = static_cast<std::size_t>(std::find(order.begin(), order.end(), id) - order.begin());
    }
    return order.begin() + static_cast<std::ptrdiff_t>(std::min(last + 1, order.size()));
  };
  for (std::size_t i = 0; i < target.size(); ++i) {
    const auto& cell = target[i];
    const auto found = present.find(cell.id);
    if (found != present.end()) {
      content_toward(*now[found->second], cell, changes);
      continue;
    }
    auto made = creation_of(cell);
    auto at = order.begin();
    if (i > 0) {
      made.after = target[i - 1].id;
      at = place_after(target[i - 1].id);
    } else if (!order.empty()) {
      made.before = std::string(order.front());
    }
    order.insert(at, cell.id);
    changes.emplace_back(std::move(made));
  }
  const bool in_order = std::equal(order.begin(), order.end(), target.begin(), target.end(),
                                   [](std::string_view id, const Cell& cell) { return id == cell.id; });
  if (!in_order) {
    ReorderCells reorder;
    for (const auto& cell : target) reorder.cell_ids.push_back(cell.id);
    changes.emplace_back(std::move(reorder));
  }
  return changes;
}

Result<std::vector<Change>> changes_toward_cell(const std::vector<const Cell*>& now, const std::vector<Cell>& target,
                                                std::string_view cell_id) {
  const auto wanted = std::find_if(target.begin(), target.end(), [&](const Cell& cell) { return cell.id == cell_id; });
  if (wanted == target.end()) {
    return fail(404, "unknown_cell", "that version has no cell '" + std::string(cell_id.substr(0, 80)) + "'");
  }
  std::vector<Change> changes;
  const auto present = index_of(now, pointed);
  if (const auto found = present.find(cell_id); found != present.end()) {
    content_toward(*now[found->second], *wanted, changes);
    return changes;
  }
  auto made = creation_of(*wanted);
  for (auto before = wanted; before != target.begin();) {
    --before;
    if (present.contains(before->id)) {
      made.after = before->id;
      break;
    }
  }
  if (!made.after && !now.empty()) made.before = now.front()->id;
  changes.emplace_back(std::move(made));
  return changes;
}

}  // namespace lectern::document
