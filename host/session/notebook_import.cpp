#include "session/notebook_import.hpp"

#include <utility>

#include "document/trimming.hpp"

namespace lectern::session {
namespace {

document::NotebookInput input_of(const document::LoadedNotebook& file) {
  document::NotebookInput input;
  input.metadata_json = file.metadata.empty() ? "{}" : std::string(file.metadata);
  input.cells.reserve(file.cells.size());
  for (const auto& cell : file.cells) {
    document::CellInput& made = input.cells.emplace_back();
    made.id = cell.id;
    made.cell_type = cell.cell_type;
    made.source = cell.source;
    if (!cell.metadata.empty()) made.metadata_json = cell.metadata;
    if (!cell.attachments.empty()) made.attachments_json = cell.attachments;
    if (cell.execution_count >= 0) made.execution_count_json = std::to_string(cell.execution_count);
  }
  return input;
}

}  // namespace

Result<document::NotebookDocument> import_notebook(const document::LoadedNotebook* file,
                                                   const document::NotebookInput& created, std::string_view history_id,
                                                   document::Journal& journal) {
  const auto actor = document::import_actor(history_id);
  LECTERN_TRY(auto document, document::NotebookDocument::import(file != nullptr ? input_of(*file) : created, actor));
  LECTERN_TRY(auto snapshot, document.save());
  LECTERN_CHECK(journal.rewrite_and_wait(std::move(snapshot), document.sidecar()));
  return document;
}

Result<document::NotebookDocument> restore_notebook(document::Recovered& recovered) {
  LECTERN_TRY(auto document, document::NotebookDocument::load(recovered.snapshot, recovered.sidecar));
  if (!recovered.changes.empty()) {
    LECTERN_CHECK(document.apply_changes(recovered.changes, std::nullopt));
  }
  recovered.snapshot.clear();
  recovered.changes.clear();
  return document;
}

}  // namespace lectern::session
