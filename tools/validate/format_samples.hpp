// Notebooks that every format is tried with.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "plugin/format.hpp"

namespace lectern::validate {

/// [any] Notebooks that no file holds yet. Their texts are constant.
const std::vector<std::pair<std::string, plugin::WriteNotebook>>& new_notebooks();
/// [any] Files of a format known by its extension; none for one that is not known here.
std::vector<std::pair<std::string, std::string>> built_in_files(const std::string& extension);

}  // namespace lectern::validate
