#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace lectern::document {

// The edits of the wire contract (lectern.v1, section 4, "Changes"). Text is UTF-8. A member whose
// name ends in `_json` holds JSON text whose bytes are kept as they came.

struct CreateCell {
  std::string cell_id;
  std::string cell_type;  ///< "code", "markdown" or "raw"
  std::string source;
  std::optional<std::string> before;  ///< anchor cell; at most one of before and after
  std::optional<std::string> after;
  std::string metadata_json = "{}";
  bool operator==(const CreateCell&) const = default;
};

struct DeleteCell {
  std::string cell_id;
  bool operator==(const DeleteCell&) const = default;
};

struct MoveCell {
  std::string cell_id;
  std::optional<std::string> before;  ///< exactly one of before and after
  std::optional<std::string> after;
  bool operator==(const MoveCell&) const = default;
};

/// Cells not named keep their relative order behind the named ones.
struct ReorderCells {
  std::vector<std::string> cell_ids;
  bool operator==(const ReorderCells&) const = default;
};

struct SetSource {
  std::string cell_id;
  std::string source;
  std::optional<std::string> base_hash;  ///< sha256 hex of the source the author saw
  bool operator==(const SetSource&) const = default;
};

struct SpliceSource {
  std::string cell_id;
  std::uint64_t index = 0;         ///< in Unicode code points
  std::uint64_t delete_count = 0;  ///< in Unicode code points
  std::string insert;
  bool operator==(const SpliceSource&) const = default;
};

struct SetCellType {
  std::string cell_id;
  std::string cell_type;
  bool operator==(const SetCellType&) const = default;
};

struct SetMetadata {
  std::optional<std::string> cell_id;     ///< nullopt: the notebook's own metadata
  std::vector<std::string> path;          ///< object keys, outermost first, never empty
  std::optional<std::string> value_json;  ///< nullopt removes the key
  bool operator==(const SetMetadata&) const = default;
};

using Change =
    std::variant<CreateCell, DeleteCell, MoveCell, ReorderCells, SetSource, SpliceSource, SetCellType, SetMetadata>;

}  // namespace lectern::document
