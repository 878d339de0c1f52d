// One cell and its text in the script: from its marker to the next one.
#pragma once

#include <string>
#include <string_view>

#include "lectern/sdk/format.hpp"
#include "marker.hpp"

namespace percent {

struct ScriptCell {
  std::string type;
  std::string source;
  std::string metadata;  ///< JSON object
};

/// `text` begins with the marker, or with code when it is what stands before the first marker.
ScriptCell parse_cell(std::string_view text, const Dialect& dialect);

/// The text of a cell after its changes: what did not change stays as it is in `cell.original`. It ends with a line end
/// when something `follows`, and with a blank line too when it had to be written anew. `first` = nothing but the header
/// is before it.
std::string render_cell(const lectern::sdk::Cell& cell, const Dialect& dialect, bool first, bool follows);

}  // namespace percent
