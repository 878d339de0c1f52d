// The smallest steps of an edit, each with what it replaced: what undoing needs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace lectern::document {

struct SpliceStep {
  std::string cell_id;
  std::uint64_t index = 0;     ///< in code points
  std::uint64_t inserted = 0;  ///< code points that came
  std::string removed;         ///< text that went
};

struct CreateStep {
  std::string cell_id;
  std::uint64_t length = 0;  ///< of its first source, in code points
};

struct RemoveStep {
  std::string cell_id, cell_type, position, source, metadata_json;
};

struct MoveStep {
  std::string cell_id;
  std::string from, to;     ///< positions
  bool renumbered = false;  ///< it stands where it stood
};

struct TypeStep {
  std::string cell_id;
  std::string from, to;
};

struct MetadataStep {
  std::string cell_id;  ///< "" for the notebook
  std::string key;
  std::optional<std::string> from, to;  ///< JSON text
};

using EditStep = std::variant<SpliceStep, CreateStep, RemoveStep, MoveStep, TypeStep, MetadataStep>;

}  // namespace lectern::document
