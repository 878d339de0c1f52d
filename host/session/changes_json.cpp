#include "session/changes_json.hpp"

#include <optional>
#include <unordered_set>
#include <utility>

#include "base/text.hpp"
#include "document/cell_id.hpp"

namespace lectern::session {
namespace {

using document::Change;

Result<std::string> object_text(const json::Value& value, std::string_view key, const std::string& path) {
  const auto* found = value.find(key);
  if (found == nullptr || found->is_null()) return std::string("{}");
  if (!found->is_object()) {
    return fail(
        json::error_at(path + "." + std::string(key), " must be an object, not " + std::string(found->type_name())));
  }
  return json::write(*found);
}

Result<Change> create_cell(const json::Value& value, const json::Fields& fields, const std::string& path) {
  document::CreateCell change;
  LECTERN_TRY(change.cell_id, fields.string("cell_id"));
  if (!document::is_cell_id(change.cell_id)) {
    return fail(
        400, "bad_cell_id",
        path + ".cell_id: the id \"" + text::label(change.cell_id, 80) + "\" " + std::string(document::cell_id_rule),
        "choose another one, random hex digits for instance", "{\"path\":\"" + path + ".cell_id\"}");
  }
  LECTERN_TRY(change.cell_type, fields.string("cell_type"));
  LECTERN_TRY(change.source, fields.string("source"));
  LECTERN_TRY(change.before, fields.optional_string("before"));
  LECTERN_TRY(change.after, fields.optional_string("after"));
  LECTERN_TRY(change.metadata_json, object_text(value, "metadata", path));
  return Change(std::move(change));
}

Result<Change> move_cell(const json::Fields& fields, const std::string& path) {
  document::MoveCell change;
  LECTERN_TRY(change.cell_id, fields.string("cell_id"));
  LECTERN_TRY(change.before, fields.optional_string("before"));
  LECTERN_TRY(change.after, fields.optional_string("after"));
  if (!change.before && !change.after) {
    return fail(json::error_at(path, " must have before or after", "name the cell it goes before or after"));
  }
  return Change(std::move(change));
}

Result<Change> reorder_cells(const json::Fields& fields, const std::string& path) {
  document::ReorderCells change;
  LECTERN_TRY(change.cell_ids, fields.strings("cell_ids"));
  std::unordered_set<std::string_view> named;
  for (const auto& id : change.cell_ids) {
    if (named.insert(id).second) continue;
    return fail(json::error_at(path + ".cell_ids", " names \"" + text::label(id, 80) + "\" twice",
                               "name each cell once, in the order they shall have"));
  }
  return Change(std::move(change));
}

Result<Change> set_source(const json::Fields& fields) {
  document::SetSource change;
  LECTERN_TRY(change.cell_id, fields.string("cell_id"));
  LECTERN_TRY(change.source, fields.string("source"));
  LECTERN_TRY(change.base_hash, fields.optional_string("base_hash"));
  return Change(std::move(change));
}

Result<Change> splice_source(const json::Fields& fields) {
  document::SpliceSource change;
  LECTERN_TRY(change.cell_id, fields.string("cell_id"));
  LECTERN_TRY(change.index, fields.unsigned_integer("index"));
  LECTERN_TRY(change.delete_count, fields.unsigned_integer("delete"));
  LECTERN_TRY(change.insert, fields.string("insert"));
  return Change(std::move(change));
}

Result<Change> set_metadata(const json::Value& value, const json::Fields& fields, const std::string& path) {
  document::SetMetadata change;
  if (value.find("cell_id") == nullptr) {
    return fail(json::error_at(path + ".cell_id", " is missing; null means the notebook's own metadata"));
  }
  LECTERN_TRY(change.cell_id, fields.optional_string("cell_id"));
  LECTERN_TRY(change.path, fields.strings("path"));
  const auto* stored = value.find("value");
  if (stored == nullptr) return fail(json::error_at(path + ".value", " is missing; null removes the key"));
  if (!stored->is_null()) change.value_json = json::write(*stored);
  return Change(std::move(change));
}

Result<Change> parse_change(const json::Value& value, const std::string& path) {
  const json::Fields fields(value, path);
  LECTERN_CHECK(fields.check());
  LECTERN_TRY(const auto type, fields.string("type"));
  if (type == "create_cell") return create_cell(value, fields, path);
  if (type == "move_cell") return move_cell(fields, path);
  if (type == "set_source") return set_source(fields);
  if (type == "splice_source") return splice_source(fields);
  if (type == "set_metadata") return set_metadata(value, fields, path);
  if (type == "delete_cell") {
    document::DeleteCell change;
    LECTERN_TRY(change.cell_id, fields.string("cell_id"));
    return Change(std::move(change));
  }
  if (type == "reorder_cells") return reorder_cells(fields, path);
  if (type == "set_cell_type") {
    document::SetCellType change;
    LECTERN_TRY(change.cell_id, fields.string("cell_id"));
    LECTERN_TRY(change.cell_type, fields.string("cell_type"));
    return Change(std::move(change));
  }
  return fail(json::error_at(path + ".type", " is '" + text::label(type, 40) + "'",
                             "use create_cell, delete_cell, move_cell, reorder_cells, set_source, splice_source, "
                             "set_cell_type or set_metadata"));
}

class ChangeWriter {
 public:
  explicit ChangeWriter(json::Writer& out) : out_(out) {}
  void operator()(const document::CreateCell& change) {
    begin("create_cell", change.cell_id).member("cell_type", change.cell_type).member("source", change.source);
    anchors(change.before, change.after);
    out_.member_raw("metadata", change.metadata_json);
  }
  void operator()(const document::DeleteCell& change) { begin("delete_cell", change.cell_id); }
  void operator()(const document::MoveCell& change) {
    begin("move_cell", change.cell_id);
    anchors(change.before, change.after);
  }
  void operator()(const document::ReorderCells& change) {
    out_.begin_object().member("type", "reorder_cells").key("cell_ids").begin_array();
    for (const auto& id : change.cell_ids) out_.string(id);
    out_.end_array();
  }
  void operator()(const document::SetSource& change) {
    begin("set_source", change.cell_id).member("source", change.source);
  }
  void operator()(const document::SpliceSource& change) {
    begin("splice_source", change.cell_id)
        .member("index", change.index)
        .member("delete", change.delete_count)
        .member("insert", change.insert);
  }
  void operator()(const document::SetCellType& change) {
    begin("set_cell_type", change.cell_id).member("cell_type", change.cell_type);
  }
  void operator()(const document::SetMetadata& change) {
    out_.begin_object().member("type", "set_metadata").key("cell_id");
    change.cell_id ? out_.string(*change.cell_id) : out_.null();
    out_.key("path").begin_array();
    for (const auto& key : change.path) out_.string(key);
    out_.end_array().member_raw("value", change.value_json ? std::string_view(*change.value_json) : "null");
  }

 private:
  json::Writer& begin(std::string_view type, const std::string& cell_id) {
    return out_.begin_object().member("type", type).member("cell_id", cell_id);
  }
  void anchors(const std::optional<std::string>& before, const std::optional<std::string>& after) {
    if (before) out_.member("before", *before);
    if (after) out_.member("after", *after);
  }
  json::Writer& out_;
};

}  // namespace

Result<std::vector<Change>> parse_changes(const json::Array& changes, const std::string& path) {
  std::vector<Change> parsed;
  parsed.reserve(changes.size());
  for (std::size_t i = 0; i < changes.size(); ++i) {
    LECTERN_TRY(auto change, parse_change(changes[i], path + "[" + std::to_string(i) + "]"));
    parsed.push_back(std::move(change));
  }
  return parsed;
}

std::string changes_json(const std::vector<Change>& changes) {
  std::string out;
  json::Writer writer(out);
  writer.begin_array();
  for (const auto& change : changes) {
    std::visit(ChangeWriter(writer), change);
    writer.end_object();
  }
  writer.end_array();
  return out;
}

}  // namespace lectern::session
