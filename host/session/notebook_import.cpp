#include "session/notebook_import.hpp"

#include <cstdint>
#include <unordered_set>
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

Result<document::NotebookDocument> build_notebook(const document::LoadedNotebook* file,
                                                  const document::NotebookInput& created, std::string_view history_id,
                                                  const document::DocumentLimits& limits) {
  const auto actor = document::import_actor(history_id);
  return document::NotebookDocument::import(file != nullptr ? input_of(*file) : created, actor, limits);
}

Result<document::NotebookDocument> document_without(std::string_view bytes, std::string_view sidecar,
                                                    const std::vector<std::string>& chunks,
                                                    const document::DocumentLimits& limits) {
  LECTERN_TRY(auto whole, document::NotebookDocument::load(bytes, sidecar, limits));
  if (chunks.empty()) return whole;
  const auto all = document::DocumentLimits::unbounded();
  LECTERN_TRY(const auto unwanted, document::NotebookDocument::inspect_changes(chunks, all));
  std::unordered_set<std::string> left_out;
  for (const auto& info : unwanted) left_out.insert(info.hash.hex());
  LECTERN_TRY(const auto history, whole.changes_since({}));
  LECTERN_TRY(const auto infos, document::NotebookDocument::inspect_changes(history, all));
  std::string kept;  // changes one after the other are a saved document, too
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (!left_out.contains(infos[i].hash.hex())) kept += history[i];
  }
  return document::NotebookDocument::load(kept, sidecar, limits);
}

Result<document::NotebookDocument> restore_notebook(document::Recovered& recovered,
                                                    const document::DocumentLimits& limits) {
  LECTERN_TRY(auto document, document::NotebookDocument::load(recovered.snapshot, recovered.sidecar, limits));
  if (!recovered.changes.empty()) {
    LECTERN_CHECK(document.apply_changes(recovered.changes, std::nullopt));
  }
  recovered.snapshot.clear();
  recovered.changes.clear();
  return document;
}

}  // namespace lectern::session
