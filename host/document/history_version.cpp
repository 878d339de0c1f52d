#include "document/history_version.hpp"

#include <algorithm>
#include <unordered_map>

#include "base/json.hpp"
#include "base/text.hpp"

namespace lectern::document {
namespace {

class Touches {
 public:
  CellTouch& of(const std::string& cell_id) {
    const auto [it, fresh] = at_.try_emplace(cell_id, all_.size());
    if (fresh) all_.emplace_back().cell_id = cell_id;
    return all_[it->second];
  }
  std::vector<CellTouch> take() { return std::move(all_); }

  void operator()(const CreateCell& change) {
    auto& touch = of(change.cell_id);
    touch.created = true;
    touch.inserted += text::code_points(change.source);
  }
  void operator()(const DeleteCell& change) { of(change.cell_id).removed = true; }
  void operator()(const MoveCell& change) { of(change.cell_id).moved = true; }
  void operator()(const ReorderCells& change) {
    for (const auto& id : change.cell_ids) of(id).moved = true;
  }
  void operator()(const SetSource& change) { of(change.cell_id).inserted += text::code_points(change.source); }
  void operator()(const SpliceSource& change) {
    auto& touch = of(change.cell_id);
    touch.inserted += text::code_points(change.insert);
    touch.deleted += change.delete_count;
  }
  void operator()(const SetCellType& change) { of(change.cell_id).changed = true; }
  void operator()(const SetMetadata& change) {
    if (change.cell_id) of(*change.cell_id).changed = true;
  }

 private:
  std::vector<CellTouch> all_;
  std::unordered_map<std::string, std::size_t> at_;
};

}  // namespace

std::vector<CellTouch> touches_of(const std::vector<Change>& changes) {
  Touches touches;
  for (const auto& change : changes) std::visit(touches, change);
  return touches.take();
}

void merge_touches(Version& into, const std::vector<CellTouch>& later) {
  for (const auto& touch : later) {
    const auto known = std::find_if(into.cells.begin(), into.cells.end(),
                                    [&](const CellTouch& cell) { return cell.cell_id == touch.cell_id; });
    if (known != into.cells.end()) {
      known->inserted += touch.inserted;
      known->deleted += touch.deleted;
      known->created |= touch.created;
      known->removed = touch.removed || (known->removed && !touch.created);
      known->moved |= touch.moved;
      known->changed |= touch.changed;
    } else if (into.cells.size() < max_cells_told) {
      into.cells.push_back(touch);
    } else {
      ++into.more_cells;
    }
  }
}

void merge_author(Version& into, const Author& author) {
  if (author.client_id.empty()) return;
  const auto known = std::find_if(into.authors.begin(), into.authors.end(),
                                  [&](const Author& one) { return one.client_id == author.client_id; });
  if (known == into.authors.end()) {
    into.authors.push_back(author);
    return;
  }
  for (const auto& actor : author.actors) {
    if (std::find(known->actors.begin(), known->actors.end(), actor) == known->actors.end()) {
      known->actors.push_back(actor);
    }
  }
}

std::string to_json(const Version& version) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("number", version.number)
      .member("history_id", version.history_id)
      .member("source", version.source)
      .member("first", static_cast<std::uint64_t>(version.first_ms))
      .member("last", static_cast<std::uint64_t>(version.last_ms))
      .member("edits", version.edits)
      .member("more", version.more_cells)
      .member("restored", version.restored)
      .member("restored_cell", version.restored_cell);
  writer.key("heads").begin_array();
  for (const auto& head : version.heads) writer.string(head.hex());
  writer.end_array().key("authors").begin_array();
  for (const auto& author : version.authors) {
    writer.begin_object()
        .member("client_id", author.client_id)
        .member("label", author.label)
        .member("device", author.device)
        .key("actors")
        .begin_array();
    for (const auto& actor : author.actors) writer.string(actor);
    writer.end_array().end_object();
  }
  writer.end_array().key("cells").begin_array();
  for (const auto& cell : version.cells) {
    writer.begin_object()
        .member("id", cell.cell_id)
        .member("inserted", cell.inserted)
        .member("deleted", cell.deleted)
        .member("created", cell.created)
        .member("removed", cell.removed)
        .member("moved", cell.moved)
        .member("changed", cell.changed)
        .end_object();
  }
  writer.end_array().end_object();
  return out;
}

Result<Version> version_from_json(std::string_view text) {
  LECTERN_TRY(const auto value, json::parse(text));
  const json::Fields fields(value, "version");
  Version version;
  LECTERN_TRY(version.number, fields.unsigned_integer("number"));
  LECTERN_TRY(version.history_id, fields.string("history_id"));
  LECTERN_TRY(version.source, fields.string("source"));
  LECTERN_TRY(const auto first, fields.unsigned_integer("first"));
  LECTERN_TRY(const auto last, fields.unsigned_integer("last"));
  version.first_ms = static_cast<std::int64_t>(first);
  version.last_ms = static_cast<std::int64_t>(last);
  LECTERN_TRY(version.edits, fields.unsigned_integer("edits"));
  LECTERN_TRY(version.more_cells, fields.unsigned_integer("more"));
  LECTERN_TRY(version.restored, fields.string("restored"));
  LECTERN_TRY(version.restored_cell, fields.string("restored_cell"));
  LECTERN_TRY(const auto heads, fields.strings("heads"));
  for (const auto& head : heads) {
    const auto hash = ChangeHash::from_hex(head);
    if (!hash) return fail(400, "bad_request", "version.heads has what is no hash");
    version.heads.push_back(*hash);
  }
  LECTERN_TRY(const auto* authors, fields.array("authors"));
  for (const auto& one : *authors) {
    const json::Fields of(one, "version.authors[]");
    Author author;
    LECTERN_TRY(author.client_id, of.string("client_id"));
    LECTERN_TRY(author.label, of.string("label"));
    LECTERN_TRY(author.device, of.string("device"));
    LECTERN_TRY(author.actors, of.strings("actors"));
    version.authors.push_back(std::move(author));
  }
  LECTERN_TRY(const auto* cells, fields.array("cells"));
  for (const auto& one : *cells) {
    const json::Fields of(one, "version.cells[]");
    CellTouch cell;
    LECTERN_TRY(cell.cell_id, of.string("id"));
    LECTERN_TRY(cell.inserted, of.unsigned_integer("inserted"));
    LECTERN_TRY(cell.deleted, of.unsigned_integer("deleted"));
    LECTERN_TRY(cell.created, of.boolean("created"));
    LECTERN_TRY(cell.removed, of.boolean("removed"));
    LECTERN_TRY(cell.moved, of.boolean("moved"));
    LECTERN_TRY(cell.changed, of.boolean("changed"));
    version.cells.push_back(std::move(cell));
  }
  return version;
}

}  // namespace lectern::document
