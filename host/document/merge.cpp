#include "document/merge.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "document/json_text.hpp"
#include "document/live_cells.hpp"
#include "document/merge_match.hpp"

namespace lectern::document {
namespace {

std::string_view or_empty_object(std::string_view json) {
  return json.empty() ? std::string_view("{}") : json;
}

bool same_value(std::optional<std::string_view> a, std::optional<std::string_view> b) {
  if (!a || !b) return !a && !b;
  return *a == *b || same_json(*a, *b);
}

// Three ways, key by key: what the file changed and the document did not.
void merge_metadata(std::string_view base, std::string_view ours, std::string_view theirs,
                    const std::optional<std::string>& cell_id, OutsideMerge& out) {
  if (theirs == ours || theirs == base) return;
  std::vector<std::string> keys;
  for (const auto& member : json_text::members(theirs)) keys.push_back(member.key);
  for (const auto& member : json_text::members(base)) {
    if (!json_text::find(theirs, member.key)) keys.push_back(member.key);
  }
  for (auto& key : keys) {
    const auto was = json_text::find(base, key), here = json_text::find(ours, key),
               there = json_text::find(theirs, key);
    if (same_value(here, there) || same_value(was, there)) continue;
    if (!same_value(was, here)) {
      out.passed_over = true;
      continue;
    }
    SetMetadata change;
    change.cell_id = cell_id;
    change.path = {std::move(key)};
    if (there) change.value_json = std::string(*there);
    out.changes.emplace_back(std::move(change));
  }
}

class Merger {
 public:
  Merger(const MergeBase& base, const std::vector<const Cell*>& ours, const LoadedNotebook& theirs)
      : base_(base), ours_(ours), theirs_(theirs) {
    for (const auto* cell : ours) live_.emplace(cell->id, cell);
  }

  OutsideMerge run(std::string_view our_metadata) {
    out_.ids = match_cells(base_, ours_, theirs_);
    for (std::size_t i = 0; i < out_.ids.size(); ++i) there_.emplace(out_.ids[i], i);
    for (const auto& cell : base_.cells) was_.emplace(cell.id, &cell);
    // The base of the next merge is the file, but for what is still to be chosen.
    out_.base = merge_base_of(theirs_);
    for (std::size_t i = 0; i < out_.ids.size(); ++i) out_.base.cells[i].id = out_.ids[i];
    const auto theirs = or_empty_object(theirs_.metadata);
    merge_metadata(base_.known ? std::string_view(base_.metadata_json) : our_metadata, our_metadata, theirs,
                   std::nullopt, out_);
    for (const auto& cell : base_.cells) {
      if (!there_.contains(cell.id)) gone_there(cell);
    }
    for (std::size_t i = 0; i < out_.ids.size(); ++i) cell_there(i);
    order();
    return std::move(out_);
  }

 private:
  [[nodiscard]] const Cell* live(const std::string& id) const {
    const auto it = live_.find(id);
    return it == live_.end() ? nullptr : it->second;
  }
  static bool unchanged(const BaseCell& base, std::string_view type, std::string_view source) {
    return base.cell_type == type && base.source_hash == crypto::sha256(source);
  }
  [[nodiscard]] std::optional<std::string> before(std::size_t at) const {
    if (at == 0) return std::nullopt;
    return out_.ids[at - 1];
  }

  void gone_there(const BaseCell& was) {
    const auto* here = live(was.id);
    if (here == nullptr) return;
    if (unchanged(was, here->cell_type, here->source)) {
      out_.changes.emplace_back(DeleteCell{was.id});
      deleted_.insert(was.id);
      return;
    }
    CellConflict conflict;
    conflict.cell_id = was.id;
    conflict.kind = CellConflict::Kind::deleted_there;
    out_.conflicts.push_back(std::move(conflict));
    out_.base.cells.push_back(was);
  }

  void collide(std::size_t at, CellConflict::Kind kind, const BaseCell* was) {
    const auto& there = theirs_.cells[at];
    CellConflict conflict;
    conflict.cell_id = out_.ids[at];
    conflict.kind = kind;
    conflict.cell_type = there.cell_type;
    conflict.source = there.source;
    conflict.metadata_json = or_empty_object(there.metadata);
    conflict.after = before(at);
    out_.conflicts.push_back(std::move(conflict));
    auto& kept = out_.base.cells[at];
    if (was != nullptr) {
      kept = *was;
    } else {
      kept.source_hash.clear();  // like nothing that could be read: whatever comes next differs from it
    }
  }

  void cell_there(std::size_t at) {
    const auto& id = out_.ids[at];
    const auto& there = theirs_.cells[at];
    const auto found = was_.find(id);
    const BaseCell* was = found == was_.end() ? nullptr : found->second;
    const auto* here = live(id);
    if (here == nullptr) {
      if (was == nullptr) return appear(at);
      if (!unchanged(*was, there.cell_type, there.source)) collide(at, CellConflict::Kind::deleted_here, was);
      return;
    }
    if (here->source != there.source || here->cell_type != there.cell_type) {
      if (was != nullptr && unchanged(*was, there.cell_type, there.source)) {
        // only ours changed
      } else if (was != nullptr && unchanged(*was, here->cell_type, here->source)) {
        take(id, *here, there);
      } else {
        collide(at, CellConflict::Kind::both_edited, was);
      }
    }
    // Where nobody remembers the base, what the document says stands.
    const std::string_view base_metadata = was != nullptr ? std::string_view(was->metadata_json) : here->metadata_json;
    merge_metadata(base_metadata, here->metadata_json, or_empty_object(there.metadata), id, out_);
  }

  void take(const std::string& id, const Cell& here, const plugin::FormatCell& there) {
    if (here.cell_type != there.cell_type) out_.changes.emplace_back(SetCellType{id, std::string(there.cell_type)});
    if (here.source != there.source) {
      out_.changes.emplace_back(SetSource{id, std::string(there.source), std::nullopt});
      out_.from_there.push_back(id);
    }
  }

  void appear(std::size_t at) {
    const auto& there = theirs_.cells[at];
    CreateCell made;
    made.cell_id = out_.ids[at];
    made.cell_type = there.cell_type;
    made.source = there.source;
    made.metadata_json = or_empty_object(there.metadata);
    made.after = standing_before(at);
    if (!made.after && !ours_.empty()) made.before = first_standing();
    created_.insert(made.cell_id);
    out_.from_there.push_back(made.cell_id);
    out_.changes.emplace_back(std::move(made));
  }

  [[nodiscard]] bool stands(const std::string& id) const {
    return created_.contains(id) || (live_.contains(id) && !deleted_.contains(id));
  }
  [[nodiscard]] std::optional<std::string> standing_before(std::size_t at) const {
    while (at-- > 0) {
      if (stands(out_.ids[at])) return out_.ids[at];
    }
    return std::nullopt;
  }
  [[nodiscard]] std::optional<std::string> first_standing() const {
    for (const auto* cell : ours_) {
      if (stands(cell->id)) return cell->id;
    }
    return std::nullopt;
  }

  // Cells that were there before: when the file has them in another order and the document has not, the file's counts.
  void order() {
    std::unordered_map<std::string_view, std::size_t> rank;
    std::vector<std::string> was;
    for (const auto& cell : base_.cells) {
      if (there_.contains(cell.id) && stands(cell.id)) was.push_back(cell.id);
    }
    const std::unordered_set<std::string_view> common(was.begin(), was.end());
    std::vector<std::string> there, here;
    for (const auto& id : out_.ids) {
      if (common.contains(id)) there.push_back(id);
    }
    if (there == was) return;
    for (const auto* cell : ours_) {
      if (common.contains(cell->id)) here.push_back(cell->id);
    }
    if (here == there) return;
    if (here != was) {
      out_.passed_over = true;
      return;
    }
    out_.changes.emplace_back(ReorderCells{all_in_their_order()});
  }

  // The file's order; each cell that only the document has stays behind the one it stands behind now.
  std::vector<std::string> all_in_their_order() {
    std::unordered_map<std::string, std::vector<std::string>> behind;
    std::string last;
    for (const auto* cell : ours_) {
      if (!stands(cell->id)) continue;
      if (there_.contains(cell->id)) {
        last = cell->id;
      } else {
        behind[last].push_back(cell->id);
      }
    }
    std::vector<std::string> all = std::move(behind[""]);
    for (const auto& id : out_.ids) {
      if (!stands(id)) continue;
      all.push_back(id);
      if (const auto it = behind.find(id); it != behind.end())
        all.insert(all.end(), it->second.begin(), it->second.end());
    }
    return all;
  }

  const MergeBase& base_;
  const std::vector<const Cell*>& ours_;
  const LoadedNotebook& theirs_;
  OutsideMerge out_;
  std::unordered_map<std::string, const Cell*> live_;
  std::unordered_map<std::string, const BaseCell*> was_;
  std::unordered_map<std::string, std::size_t> there_;
  std::unordered_set<std::string> deleted_, created_;
};

}  // namespace

MergeBase merge_base_of(const LoadedNotebook& file) {
  MergeBase base;
  base.known = true;
  base.metadata_json = or_empty_object(file.metadata);
  base.cells.reserve(file.cells.size());
  for (const auto& cell : file.cells) {
    base.cells.push_back({std::string(cell.id), std::string(cell.cell_type), crypto::sha256(cell.source),
                          std::string(or_empty_object(cell.metadata)), (cell.changed & plugin::cell_id_changed) != 0});
  }
  return base;
}

MergeBase merge_base_of(const std::vector<CellContent>& cells, std::string_view metadata_json) {
  MergeBase base;
  base.known = true;
  base.metadata_json = or_empty_object(metadata_json);
  base.cells.reserve(cells.size());
  for (const auto& cell : cells) {
    base.cells.push_back(
        {cell.id, cell.cell_type, crypto::sha256(cell.source), std::string(or_empty_object(cell.metadata)), false});
  }
  return base;
}

std::string to_json(const MergeBase& base) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("metadata", base.metadata_json).key("cells").begin_array();
  for (const auto& cell : base.cells) {
    writer.begin_array().string(cell.id).string(cell.cell_type).string(text::to_hex(cell.source_hash));
    if (cell.metadata_json != "{}" || cell.id_invented) writer.string(cell.metadata_json);
    if (cell.id_invented) writer.boolean(true);
    writer.end_array();
  }
  writer.end_array().end_object();
  return out;
}

std::optional<MergeBase> merge_base_from_json(std::string_view text) {
  const auto value = json::parse(text);
  if (!value) return std::nullopt;
  const auto* metadata = value->find("metadata");
  const auto* cells = value->find("cells");
  if (metadata == nullptr || !metadata->is_string() || cells == nullptr || !cells->is_array()) return std::nullopt;
  MergeBase base;
  base.known = true;
  base.metadata_json = *metadata->as_string();
  for (const auto& row : *cells->as_array()) {
    const auto* fields = row.as_array();
    if (fields == nullptr || fields->size() < 3) return std::nullopt;
    for (std::size_t i = 0; i < std::min<std::size_t>(fields->size(), 4); ++i) {
      if (!(*fields)[i].is_string()) return std::nullopt;
    }
    const auto hash = text::from_hex(*(*fields)[2].as_string());
    if (!hash) return std::nullopt;
    BaseCell cell{*(*fields)[0].as_string(), *(*fields)[1].as_string(), *hash, "{}", fields->size() > 4};
    if (fields->size() > 3) cell.metadata_json = *(*fields)[3].as_string();
    base.cells.push_back(std::move(cell));
  }
  return base;
}

std::string_view kind_name(CellConflict::Kind kind) {
  switch (kind) {
    case CellConflict::Kind::both_edited:
      return "both_edited";
    case CellConflict::Kind::deleted_here:
      return "deleted_here";
    case CellConflict::Kind::deleted_there:
      return "deleted_there";
  }
  return "";
}

OutsideMerge merge_outside(const MergeBase& base, const std::vector<const Cell*>& ours, std::string_view our_metadata,
                           const LoadedNotebook& theirs) {
  return Merger(base, ours, theirs).run(or_empty_object(our_metadata));
}

namespace {

std::vector<Change> put_back(const CellConflict& conflict, std::string id) {
  CreateCell made;
  made.cell_id = std::move(id);
  made.cell_type = conflict.cell_type;
  made.source = conflict.source;
  made.metadata_json = conflict.metadata_json;
  made.after = conflict.after;
  return {std::move(made)};
}

}  // namespace

std::vector<Change> changes_of(const CellConflict& conflict, MergeChoice choice, const Cell* live) {
  using Kind = CellConflict::Kind;
  if (choice == MergeChoice::ours) return {};
  if (conflict.kind == Kind::deleted_there) {
    if (choice == MergeChoice::both || live == nullptr) return {};
    return {DeleteCell{conflict.cell_id}};
  }
  if (live == nullptr) return put_back(conflict, conflict.cell_id);
  if (choice == MergeChoice::both) {
    auto changes = put_back(conflict, crypto::uuid().substr(0, 8));
    std::get<CreateCell>(changes.front()).after = conflict.cell_id;
    return changes;
  }
  std::vector<Change> changes;
  if (live->cell_type != conflict.cell_type) changes.emplace_back(SetCellType{conflict.cell_id, conflict.cell_type});
  if (live->source != conflict.source) {
    changes.emplace_back(SetSource{conflict.cell_id, conflict.source, std::nullopt});
  }
  return changes;
}

void settle(MergeBase& base, const CellConflict& conflict) {
  const auto it = std::find_if(base.cells.begin(), base.cells.end(),
                               [&](const BaseCell& cell) { return cell.id == conflict.cell_id; });
  if (it == base.cells.end()) return;
  if (conflict.kind == CellConflict::Kind::deleted_there) {
    base.cells.erase(it);
    return;
  }
  it->cell_type = conflict.cell_type;
  it->source_hash = crypto::sha256(conflict.source);
  it->metadata_json = conflict.metadata_json;
}

std::string outputs_hash(std::string_view outputs_json) {
  if (outputs_json.empty()) outputs_json = "[]";
  const auto value = json::parse(outputs_json);
  return crypto::sha256(value ? json::write(*value) : std::string(outputs_json));
}

std::shared_ptr<const LoadedNotebook> renamed(std::shared_ptr<const LoadedNotebook> file,
                                              const std::vector<std::string>& ids) {
  bool same = true;
  for (std::size_t i = 0; i < ids.size(); ++i) same = same && file->cells[i].id == ids[i];
  if (same) return file;
  auto out = std::make_shared<LoadedNotebook>();
  out->cells = file->cells;
  out->metadata = file->metadata;
  out->original = file->original;
  out->language = file->language;
  out->changed = file->changed;
  out->notices = file->notices;
  out->bytes = file->bytes;
  out->format = file->format;
  out->fingerprint = file->fingerprint;
  out->writable = file->writable;
  std::size_t size = 0, at = 0;
  for (const auto& id : ids) size += id.size();
  auto text = std::make_unique<char[]>(size);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::memcpy(text.get() + at, ids[i].data(), ids[i].size());
    auto& cell = out->cells[i];
    // A name of its own that the document does not use is written over with the next save that changes something.
    if (cell.id != ids[i]) cell.changed |= plugin::cell_id_changed;
    cell.id = {text.get() + at, ids[i].size()};
    at += ids[i].size();
  }
  out->copies.push_back(std::move(text));
  out->keeps = std::move(file);
  return out;
}

}  // namespace lectern::document
