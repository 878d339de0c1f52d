// A part of a body, as the header Range asks for it (RFC 9110, 14): one range of bytes; whatever else is asked for gets
// the whole, which is always a right answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/http.hpp"

namespace lectern::api {

struct ByteRange {
  std::uint64_t first = 0, count = 0;  // bytes
  bool operator==(const ByteRange&) const = default;
};

/// [any] What a GET asks for of a body of `size` bytes; nothing: the whole. 416 `range_not_satisfiable` when the body
/// has none of those bytes. Pure.
Result<std::optional<ByteRange>> asked_range(const Request& request, std::uint64_t size);

/// [any] For the headers Range ("bytes=0-9") and Content-Range ("bytes 0-9/100"). Pure; `range` is not empty.
std::string range_header(ByteRange range);
std::string content_range(ByteRange range, std::uint64_t size);
/// [any] The size of the body of which an answer with that Content-Range has exactly `range`; else nothing. Pure.
std::optional<std::uint64_t> size_of_ranged(std::string_view content_range, ByteRange range);

}  // namespace lectern::api
