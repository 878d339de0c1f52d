// The ids that new cells may have. Files with others open all the same, and what is theirs stays.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace lectern::document {

inline constexpr std::size_t longest_cell_id = 64;
/// For people, behind "the id …".
inline constexpr std::string_view cell_id_rule = "is none for a cell: 1 to 64 letters, digits, '-' and '_'";

/// [any] As nbformat 4.5 has it: other programs refuse files with any other.
inline bool is_cell_id(std::string_view id) {
  return !id.empty() && id.size() <= longest_cell_id && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

}  // namespace lectern::document
