// What stands before the first cell: a byte order mark, `#!`, the encoding, and Jupytext's commented YAML.
#pragma once

#include <string>
#include <string_view>

#include "marker.hpp"

namespace percent {

struct Header {
  std::string_view text;  ///< all of it, the blank lines after it included
  std::string metadata = "{}";
  Dialect dialect;
  bool had_cells = false;
};

/// Never fails: a header that makes no sense is text like any other.
Header read_header(std::string_view bytes);
/// The text of a header, with the YAML that says `metadata`. `text` may be empty.
std::string updated_header(std::string_view text, std::string_view metadata, const Dialect& dialect);

/// The header as the host keeps it for writing: its text and the dialect.
std::string pack(const Header& header);
/// False when `packed` was not made by pack().
bool unpack(std::string_view packed, Header& header);

}  // namespace percent
