#include "document/live_cells.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "base/text.hpp"
#include "document/cell_id.hpp"
#include "document/json_text.hpp"

namespace lectern::document {
namespace {

bool comes_before(const Cell* a, const Cell* b) {
  return std::tie(a->position, a->id) < std::tie(b->position, b->id);
}

// Sources without multi-byte characters, the common case, need no walk.
std::size_t byte_at(const Cell& cell, std::uint64_t index) {
  return cell.source.size() == cell.source_length ? index : text::byte_offset(cell.source, index);
}

}  // namespace

bool same_json(std::string_view a, std::string_view b) {
  if (a == b) return true;
  std::string left, right;
  return Engine::normalize_json(a, left) && Engine::normalize_json(b, right) && left == right;
}

void LiveCells::reset(std::vector<Cell> cells, std::string metadata_json) {
  by_id_.clear();
  histories_.clear();
  order_.clear();
  metadata_ = std::move(metadata_json);
  for (auto& cell : cells) {
    auto id = cell.id;
    histories_.insert_or_assign(id, SourceHistory(cell.source_version));
    note_id(id);
    auto owned = std::make_unique<Cell>(std::move(cell));
    order_.push_back(owned.get());
    by_id_.insert_or_assign(std::move(id), std::move(owned));
  }
  std::sort(order_.begin(), order_.end(), comes_before);
}

const Cell* LiveCells::find(std::string_view id) const {
  const auto it = by_id_.find(std::string(id));
  return it == by_id_.end() ? nullptr : it->second.get();
}

void LiveCells::note_id(const std::string& id) {
  if (!is_cell_id(id)) odd_ids_.insert(id);
}

bool LiveCells::may_make(std::string_view id) const {
  return is_cell_id(id) || odd_ids_.contains(id);
}

const std::string* LiveCells::metadata_of(std::string_view cell_id) const {
  if (cell_id.empty()) return &metadata_;
  const auto* cell = find(cell_id);
  return cell == nullptr ? nullptr : &cell->metadata_json;
}

const SourceHistory* LiveCells::history_of(std::string_view cell_id) const {
  const auto it = histories_.find(std::string(cell_id));
  return it == histories_.end() ? nullptr : &it->second;
}

void LiveCells::expect(std::string_view cell_id, std::string metadata_json, std::string attachments_json) {
  expected_.insert_or_assign(std::string(cell_id), Expected{std::move(metadata_json), std::move(attachments_json)});
}

void LiveCells::set_attachments(std::string_view cell_id, std::string text) {
  if (const auto it = by_id_.find(std::string(cell_id)); it != by_id_.end()) {
    it->second->attachments_json = std::move(text);
  }
}

void LiveCells::set_metadata_text(std::string_view cell_id, std::string text) {
  if (cell_id.empty()) {
    metadata_ = std::move(text);
  } else if (const auto it = by_id_.find(std::string(cell_id)); it != by_id_.end()) {
    it->second->metadata_json = std::move(text);
  }
}

bool LiveCells::apply(const std::vector<Patch>& patches, const StagedMetadata& staged, std::uint64_t version,
                      std::vector<Change>& changes, DocumentWork& work) {
  work.patches += patches.size();
  return std::all_of(patches.begin(), patches.end(),
                     [&](const Patch& patch) { return apply_one(patch, staged, version, changes, work); });
}

bool LiveCells::apply_one(const Patch& patch, const StagedMetadata& staged, std::uint64_t version,
                          std::vector<Change>& changes, DocumentWork& work) {
  switch (patch.kind) {
    case LAM_PATCH_CELL_PUT:
      put(*patch.cell, staged, version, changes, work);
      return true;
    case LAM_PATCH_CELL_REMOVED:
      remove(patch.cell_id, changes);
      return true;
    case LAM_PATCH_SPLICE:
      return splice(patch, version, changes, work);
    case LAM_PATCH_SOURCE:
      if (const auto it = by_id_.find(patch.cell_id); it != by_id_.end()) {
        auto& cell = *it->second;
        auto removed = std::exchange(cell.source, patch.text.value_or(""));
        steps_.emplace_back(SpliceStep{cell.id, 0, text::code_points(cell.source), std::move(removed)});
        cell.source_length = text::code_points(cell.source);
        cell.source_version = version;
        histories_.insert_or_assign(cell.id, SourceHistory(version));
        work.source_bytes += cell.source.size();
        ++work.materialised;
        changes.push_back(SetSource{cell.id, cell.source, std::nullopt});
      }
      return true;
    case LAM_PATCH_FIELD:
      field(patch, changes);
      return true;
    case LAM_PATCH_METADATA:
      metadata_key(patch, staged, changes);
      return true;
    case LAM_PATCH_METADATA_ALL:
      metadata_all(patch.cell_id, patch.text.value_or("{}"), staged, changes);
      return true;
    default:
      return false;
  }
}

void LiveCells::put(const Cell& made, const StagedMetadata& staged, std::uint64_t version, std::vector<Change>& changes,
                    DocumentWork& work) {
  remove(made.id, changes);
  note_id(made.id);
  auto owned = std::make_unique<Cell>(made);
  owned->source_version = version;
  if (const auto it = staged.find(made.id); it != staged.end() && same_json(it->second, made.metadata_json)) {
    owned->metadata_json = it->second;
  }
  if (const auto it = expected_.find(made.id); it != expected_.end()) {
    owned->attachments_json = it->second.attachments_json;
    if (same_json(it->second.metadata_json, made.metadata_json)) {
      owned->metadata_json = it->second.metadata_json;
      expected_.erase(it);
    }
  }
  work.source_bytes += owned->source.size();
  ++work.materialised;
  const auto* cell = owned.get();
  steps_.emplace_back(CreateStep{cell->id, cell->source_length});
  by_id_.insert_or_assign(made.id, std::move(owned));
  histories_.insert_or_assign(made.id, SourceHistory(version));
  insert_in_order(cell);
  auto [before, after] = anchors(cell);
  changes.push_back(
      CreateCell{cell->id, cell->cell_type, cell->source, std::move(before), std::move(after), cell->metadata_json});
}

void LiveCells::remove(std::string_view id, std::vector<Change>& changes) {
  const auto it = by_id_.find(std::string(id));
  if (it == by_id_.end()) return;
  changes.push_back(DeleteCell{it->first});
  erase_from_order(it->second.get());
  histories_.erase(it->first);
  auto& gone = *it->second;
  // The document has no place for attachments; should the cell come back, it has its own again.
  if (gone.attachments_json != "{}") expect(gone.id, gone.metadata_json, std::move(gone.attachments_json));
  steps_.emplace_back(RemoveStep{it->first, std::move(gone.cell_type), std::move(gone.position), std::move(gone.source),
                                 std::move(gone.metadata_json)});
  by_id_.erase(it);
}

bool LiveCells::splice(const Patch& patch, std::uint64_t version, std::vector<Change>& changes, DocumentWork& work) {
  const auto it = by_id_.find(patch.cell_id);
  if (it == by_id_.end()) return false;
  auto& cell = *it->second;
  if (patch.index > cell.source_length || patch.delete_count > cell.source_length - patch.index) return false;
  const auto& insert = patch.text ? *patch.text : std::string();
  const auto begin = byte_at(cell, patch.index);
  const auto end = patch.delete_count == 0 ? begin : byte_at(cell, patch.index + patch.delete_count);
  const auto inserted = text::code_points(insert);
  steps_.emplace_back(SpliceStep{cell.id, patch.index, inserted, cell.source.substr(begin, end - begin)});
  cell.source.replace(begin, end - begin, insert);
  cell.source_length += inserted - patch.delete_count;
  cell.source_version = version;
  histories_[cell.id].record(version, patch.index, patch.delete_count, inserted);
  work.source_bytes += insert.size() + (end - begin);
  changes.push_back(SpliceSource{cell.id, patch.index, patch.delete_count, insert});
  return true;
}

void LiveCells::field(const Patch& patch, std::vector<Change>& changes) {
  const auto it = by_id_.find(patch.cell_id);
  if (it == by_id_.end()) return;
  auto& cell = *it->second;
  auto value = patch.text.value_or("");
  if (patch.key == "position" && value != cell.position) {
    const auto old_place = std::find(order_.begin(), order_.end(), &cell) - order_.begin();
    erase_from_order(&cell);
    auto from = std::exchange(cell.position, std::move(value));
    insert_in_order(&cell);
    const bool renumbered = order_[static_cast<std::size_t>(old_place)] == &cell;
    steps_.emplace_back(MoveStep{cell.id, std::move(from), cell.position, renumbered});
    if (renumbered) return;
    auto [before, after] = anchors(&cell);
    changes.push_back(MoveCell{cell.id, std::move(before), std::move(after)});
  } else if (patch.key == "cell_type" && value != cell.cell_type) {
    steps_.emplace_back(TypeStep{cell.id, cell.cell_type, value});
    cell.cell_type = std::move(value);
    changes.push_back(SetCellType{cell.id, cell.cell_type});
  } else if (patch.key == "execution_count") {
    cell.execution_count_json = std::move(value);
  }
}

void LiveCells::metadata_key(const Patch& patch, const StagedMetadata& staged, std::vector<Change>& changes) {
  const auto* current = metadata_of(patch.cell_id);
  if (current == nullptr) return;
  const auto it = staged.find(patch.cell_id);
  const std::string& base = it == staged.end() ? *current : it->second;
  const std::array<std::string, 1> path{patch.key};
  const auto known = json_text::find(base, patch.key);
  std::string next = base;
  if (!patch.text) {
    next = json_text::without(base, path);
  } else if (!known || !same_json(*known, *patch.text)) {
    next = json_text::with(base, path, *patch.text);
  }
  if (const auto expected = expected_.find(patch.cell_id);
      expected != expected_.end() && same_json(expected->second.metadata_json, next)) {
    next = std::move(expected->second.metadata_json);
    expected_.erase(expected);
  }
  if (next == *current) return;
  std::optional<std::string> value;
  if (const auto now = json_text::find(next, patch.key)) value = std::string(*now);
  std::optional<std::string> was;
  if (const auto before = json_text::find(*current, patch.key)) was = std::string(*before);
  steps_.emplace_back(MetadataStep{patch.cell_id, patch.key, std::move(was), value});
  SetMetadata change;
  if (!patch.cell_id.empty()) change.cell_id = patch.cell_id;
  change.path = {patch.key};
  change.value_json = std::move(value);
  set_metadata_text(patch.cell_id, std::move(next));
  changes.push_back(std::move(change));
}

void LiveCells::metadata_all(std::string_view cell_id, const std::string& json, const StagedMetadata& staged,
                             std::vector<Change>& changes) {
  const auto* current = metadata_of(cell_id);
  if (current == nullptr) return;
  std::vector<Patch> keys;
  auto note = [&](std::string key, std::optional<std::string> value) {
    Patch patch;
    patch.kind = LAM_PATCH_METADATA;
    patch.cell_id = cell_id;
    patch.key = std::move(key);
    patch.text = std::move(value);
    keys.push_back(std::move(patch));
  };
  for (auto& member : json_text::members(*current)) {
    if (!json_text::find(json, member.key)) note(std::move(member.key), std::nullopt);
  }
  for (auto& member : json_text::members(json)) {
    const auto known = json_text::find(*current, member.key);
    if (!known || !same_json(*known, member.value)) note(std::move(member.key), std::string(member.value));
  }
  for (const auto& patch : keys) metadata_key(patch, staged, changes);
}

void LiveCells::resync(std::vector<Cell> cells, const std::string& metadata_json, std::uint64_t version,
                       std::vector<Change>& changes, DocumentWork& work) {
  std::unordered_map<std::string_view, const Cell*> wanted;
  for (const auto& cell : cells) wanted.emplace(cell.id, &cell);
  std::vector<std::string> gone;
  for (const auto* cell : order_) {
    if (!wanted.contains(cell->id)) gone.push_back(cell->id);
  }
  for (const auto& id : gone) remove(id, changes);
  for (auto& cell : cells) {
    ++work.materialised;
    const auto* known = find(cell.id);
    if (known != nullptr && known->source == cell.source && known->cell_type == cell.cell_type &&
        known->position == cell.position) {
      metadata_all(cell.id, cell.metadata_json, {}, changes);
      continue;
    }
    auto attachments = known == nullptr ? std::string("{}") : known->attachments_json;
    const auto id = cell.id;
    put(cell, {}, version, changes, work);
    set_attachments(id, std::move(attachments));
  }
  metadata_all("", metadata_json, {}, changes);
}

void LiveCells::insert_in_order(const Cell* cell) {
  order_.insert(std::lower_bound(order_.begin(), order_.end(), cell, comes_before), cell);
}

void LiveCells::erase_from_order(const Cell* cell) {
  order_.erase(std::find(order_.begin(), order_.end(), cell));
}

std::pair<std::optional<std::string>, std::optional<std::string>> LiveCells::anchors(const Cell* cell) const {
  const auto at =
      static_cast<std::size_t>(std::lower_bound(order_.begin(), order_.end(), cell, comes_before) - order_.begin());
  if (at > 0) return {std::nullopt, order_[at - 1]->id};
  if (order_.size() > 1) return {order_[1]->id, std::nullopt};
  return {};
}

}  // namespace lectern::document
