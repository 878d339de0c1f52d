// What a list of edits comes to: which apply, as which engine operations, which are dropped because what they name is
// gone, and whether they contradict each other. Decides everything before the document is touched.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "document/live_cells.hpp"

namespace lectern::document {

struct CreateOp {
  Cell cell;
};
struct DeleteOp {
  std::string cell_id;
};
struct FieldOp {
  std::string cell_id, key, value;
};
struct MetadataOp {
  std::string cell_id;  // "" for the notebook
  std::vector<std::string> path;
  std::optional<std::string> value;
};
using EngineOp = std::variant<CreateOp, DeleteOp, FieldOp, SpliceSource, MetadataOp>;

/// A splice into a source that changed after the author's version: made at that version, then merged.
struct LateSplice {
  std::size_t index = 0;  // in the submitted list
  SpliceSource splice;
};

struct TransactionPlan {
  std::vector<LateSplice> late;  // one change of its own, before the others
  std::vector<EngineOp> ops;     // one change, at today's version
  std::vector<Change> applied;   // what `ops` do, as readers apply it
  std::vector<DroppedChange> dropped;
  StagedMetadata staged;
};

/// [reactor] Errors: 400 invalid_change, 400 base_required, 409 stale_base, 413 too_large, 422 contradiction,
/// 422 out_of_range.
Result<TransactionPlan> plan_transaction(const LiveCells& cells, const DocumentLimits& limits,
                                         const std::vector<Change>& changes, std::optional<std::uint64_t> base_version);

}  // namespace lectern::document
