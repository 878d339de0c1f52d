// Which cell of a changed file is which cell of the notebook.
#pragma once

#include <string>
#include <vector>

#include "document/merge.hpp"

namespace lectern::document {

/// [any] The notebook's id for each cell of `theirs`, in the file's order; all distinct. By id where the file has ids.
/// Cells without one (their ids were invented from their places) are the cells of the base with the same content, and
/// between those, the ones that stand in the same gap. What is left is a cell of `ours` that the base does not know,
/// when it says the same; what is nobody else gets an id of its own.
std::vector<std::string> match_cells(const MergeBase& base, const std::vector<const Cell*>& ours,
                                     const LoadedNotebook& theirs);

}  // namespace lectern::document
