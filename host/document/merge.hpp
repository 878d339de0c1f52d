// An edit somebody made to the file while a session had it: merged cell by cell, three ways. What only one side changed
// is taken; what both changed is kept on both sides, for a person to choose.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "document/notebook_changes.hpp"
#include "document/notebook_document.hpp"
#include "document/notebook_file.hpp"

namespace lectern::document {

/// A cell as the file had it when this host last read or wrote it. Of the source only what tells it from another.
struct BaseCell {
  std::string id;
  std::string cell_type;
  std::string source_hash;  ///< sha256, 32 bytes
  std::string metadata_json = "{}";
  bool id_invented = false;  ///< the file has none for it: it is told by its content
};

/// What both sides started from. `known` is false when nobody remembers it: then whatever differs is a conflict, and
/// nothing is deleted.
struct MergeBase {
  std::vector<BaseCell> cells;
  std::string metadata_json = "{}";
  bool known = false;
};

/// [any]
MergeBase merge_base_of(const LoadedNotebook& file);
MergeBase merge_base_of(const std::vector<CellContent>& cells, std::string_view metadata_json);
/// [any] For the journal, and back; nullopt for what is not one.
std::string to_json(const MergeBase& base);
std::optional<MergeBase> merge_base_from_json(std::string_view json);

/// A cell that both sides changed. The document goes on with ours until somebody chooses.
struct CellConflict {
  enum class Kind { both_edited, deleted_here, deleted_there };
  std::string cell_id;
  Kind kind = Kind::both_edited;
  std::string cell_type, source, metadata_json = "{}";  ///< theirs; empty with deleted_there
  std::optional<std::string> after;                     ///< the cell before it in the file; nullopt = it is the first
};
[[nodiscard]] std::string_view kind_name(CellConflict::Kind kind);

enum class MergeChoice { ours, theirs, both };

struct OutsideMerge {
  std::vector<Change> changes;  ///< what the document lacks of the file, to be applied in this order
  std::vector<CellConflict> conflicts;
  std::vector<std::string> ids;         ///< of the file's cells in the file's order, as the document calls them
  std::vector<std::string> from_there;  ///< cells whose source came from the file
  bool passed_over = false;             ///< metadata or order that both sides changed: ours stayed, without asking
  MergeBase base;                       ///< for the next merge; cells in conflict are as they were
};

/// [reactor] Merges the file `theirs` into a document that holds `ours`. Cells are matched by id, those without one in
/// the file by their content. Takes time in proportion to what differs.
OutsideMerge merge_outside(const MergeBase& base, const std::vector<const Cell*>& ours, std::string_view our_metadata,
                           const LoadedNotebook& theirs);

/// [reactor] The edits a choice means. `live`: the cell as the document has it now, null when it has none.
std::vector<Change> changes_of(const CellConflict& conflict, MergeChoice choice, const Cell* live);

/// [any] What the base says of the conflict's cell once somebody has chosen: what the file says.
void settle(MergeBase& base, const CellConflict& conflict);

/// [worker] The outputs of a cell without what a writer is free to choose (white space, escapes): equal texts mean
/// equal outputs.
std::string outputs_hash(std::string_view outputs_json);

/// [any] The same notebook with its cells called `ids`, one each, in order.
std::shared_ptr<const LoadedNotebook> renamed(std::shared_ptr<const LoadedNotebook> file,
                                              const std::vector<std::string>& ids);

}  // namespace lectern::document
