// A notebook's first document, as a session makes it, on the disk before anything else happens.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "session/notebook_import.hpp"

namespace lectern::crash {

/// Builds the document of a new history and gives `journal` its first snapshot. `file` may be null: then the notebook
/// is empty.
inline Result<document::NotebookDocument> import_notebook(const document::LoadedNotebook* file,
                                                          std::string_view history_id, document::Journal& journal) {
  LECTERN_TRY(auto document, session::build_notebook(file, document::NotebookInput{}, history_id));
  LECTERN_TRY(auto snapshot, document.save());
  LECTERN_CHECK(journal.rewrite_and_wait(std::move(snapshot), document.sidecar()));
  return document;
}

}  // namespace lectern::crash
