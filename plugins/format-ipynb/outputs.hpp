// Outputs laid out as Jupyter writes them: keys sorted, text split into lines.
#pragma once

#include <string>
#include <string_view>

#include "style.hpp"

namespace ipynb {

/// Appends `outputs`, a valid JSON array of nbformat outputs, whose first line begins after `lead`. Numbers keep their
/// text.
void write_outputs(std::string_view outputs, const Style& style, std::string_view lead, std::string& out);

}  // namespace ipynb
