// Where a cell stands: nteract's fractional index (loro_fractional_index). Bytes as uppercase hex, ended by 0x80;
// comparing two of them as text orders them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lectern::document {

/// [any] A position between two neighbours; nullopt as a neighbour means the end of the list. Empty when nothing lies
/// between them: they are equal, out of order or not positions at all. Then the whole list needs numbering anew.
std::optional<std::string> position_between(std::optional<std::string_view> left,
                                            std::optional<std::string_view> right);

/// [any] `count` rising positions, as appending one after the other gives them.
std::vector<std::string> positions_for(std::size_t count);

}  // namespace lectern::document
