// One cell and its block in the document.
#pragma once

#include <string>
#include <string_view>

#include "blocks.hpp"
#include "lectern/sdk/format.hpp"

namespace markdown {

struct DocumentCell {
  std::string type;
  std::string source;
  std::string metadata;  ///< JSON object
};

DocumentCell parse_block(const Block& block, const Dialect& dialect);

/// Where a cell is to stand.
struct Place {
  bool document_begins = false;  ///< nothing is before it, and a rule at its beginning would begin front matter
  bool after_text = false;       ///< a text is before it, from which only a break sets it apart
  bool last = false;
};

/// The text of a cell after its changes: what did not change stays as it is in `cell.original`.
std::string render_cell(const lectern::sdk::Cell& cell, const Dialect& dialect, const Place& place);

}  // namespace markdown
