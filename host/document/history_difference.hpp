// Between two states of a notebook: what differs, cell by cell, and the edits that lead from one to the other.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "document/notebook_changes.hpp"
#include "document/notebook_document.hpp"

namespace lectern::document {

struct CellDifference {
  const Cell* before = nullptr;  ///< null: the cell is new
  const Cell* after = nullptr;   ///< null: the cell is gone
  bool source = false, type = false, metadata = false, moved = false;
};

/// [any] Only the cells that differ, in the order of `after`, gone ones behind the cell they followed. Pointers are
/// into the arguments.
std::vector<CellDifference> compare_cells(const std::vector<Cell>& before, const std::vector<Cell>& after);

/// [any] The edits that make `now` the same cells as `target`: which there are, their order, type, source and metadata.
std::vector<Change> changes_toward(const std::vector<const Cell*>& now, const std::vector<Cell>& target);

/// [any] The same for one cell of `target`; a cell that is gone now comes back where it stood. 404 `unknown_cell` when
/// `target` does not have it.
Result<std::vector<Change>> changes_toward_cell(const std::vector<const Cell*>& now, const std::vector<Cell>& target,
                                                std::string_view cell_id);

}  // namespace lectern::document
