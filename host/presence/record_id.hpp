// What may name a device, an instance or a session in what other hosts say: it becomes part of addresses and file
// names.
#pragma once

#include <cstddef>
#include <string_view>

namespace lectern::presence {

constexpr std::size_t longest_session_id = 128;

/// [any] Letters, digits, '-', '_' and '.', and no more than `limit` of them. Pure.
bool is_id(std::string_view id, std::size_t limit);

}  // namespace lectern::presence
