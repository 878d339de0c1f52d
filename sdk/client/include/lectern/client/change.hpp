// The changes that a transaction is made of (docs/protocol.md, section 4). Each is a JSON value; what is missing here
// is built with Json by hand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lectern/client/json.hpp"

namespace lectern::client {

/// Where a cell goes: beside another one, or to the end.
struct Place {
  enum class Where { end, before, after };
  Where where = Where::end;
  std::string cell_id;

  static Place at_end() { return {}; }
  static Place before(std::string cell_id) { return {Where::before, std::move(cell_id)}; }
  static Place after(std::string cell_id) { return {Where::after, std::move(cell_id)}; }
};

/// Everything [any].
namespace change {

inline Json placed(Json change, const Place& place) {
  if (place.where == Place::Where::before) change.set("before", place.cell_id);
  if (place.where == Place::Where::after) change.set("after", place.cell_id);
  return change;
}
/// `cell_id` must be new; new_cell_id() makes one.
inline Json create_cell(const std::string& cell_id, const std::string& source, const std::string& cell_type = "code",
                        const Place& place = {}) {
  return placed(
      Json().set("type", "create_cell").set("cell_id", cell_id).set("cell_type", cell_type).set("source", source),
      place);
}
inline Json delete_cell(const std::string& cell_id) {
  return Json().set("type", "delete_cell").set("cell_id", cell_id);
}
inline Json move_cell(const std::string& cell_id, const Place& place) {
  return placed(Json().set("type", "move_cell").set("cell_id", cell_id), place);
}
inline Json reorder_cells(const std::vector<std::string>& cell_ids) {
  return Json().set("type", "reorder_cells").set("cell_ids", Json::Array(cell_ids.begin(), cell_ids.end()));
}
/// `base_hash`: the sha256 in hex of the source that was seen; the host answers 409 `stale_base` when it is another
/// now.
inline Json set_source(const std::string& cell_id, const std::string& source) {
  return Json().set("type", "set_source").set("cell_id", cell_id).set("source", source);
}
inline Json set_source(const std::string& cell_id, const std::string& source, const std::string& base_hash) {
  return set_source(cell_id, source).set("base_hash", base_hash);
}
/// `index` and `remove` count Unicode code points at the transaction's base_version.
inline Json splice_source(const std::string& cell_id, std::uint64_t index, std::uint64_t remove,
                          const std::string& insert) {
  return Json()
      .set("type", "splice_source")
      .set("cell_id", cell_id)
      .set("index", index)
      .set("delete", remove)
      .set("insert", insert);
}
inline Json set_cell_type(const std::string& cell_id, const std::string& cell_type) {
  return Json().set("type", "set_cell_type").set("cell_id", cell_id).set("cell_type", cell_type);
}
/// No `cell_id`: the notebook's. A null value takes the member away.
inline Json set_metadata(const std::optional<std::string>& cell_id, const std::vector<std::string>& path, Json value) {
  return Json()
      .set("type", "set_metadata")
      .set("cell_id", cell_id ? Json(*cell_id) : Json())
      .set("path", Json::Array(path.begin(), path.end()))
      .set("value", std::move(value));
}

}  // namespace change

/// [any] 12 random hex digits.
std::string new_cell_id();

}  // namespace lectern::client
