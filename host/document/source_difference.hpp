// From one source to another in few splices, so that what others type around and between them stays.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "document/notebook_changes.hpp"

namespace lectern::document {

/// [any] Splices to apply in order; empty when nothing differs. Common first and last characters are kept, and between
/// them common lines. Both texts are valid UTF-8. The engine pays for every character, so a reformatted cell must
/// not be told as a new one.
std::vector<SpliceSource> source_difference(const std::string& cell_id, std::string_view from, std::string_view to);

}  // namespace lectern::document
