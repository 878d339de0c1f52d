// From a parsed file, or from what a journal kept, to the live document.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "document/notebook_document.hpp"
#include "document/notebook_store.hpp"

namespace lectern::session {

/// [worker] Builds the document of a new history and gives `journal` its first snapshot. `file` may be null: then
/// `created` is what the notebook starts with.
Result<document::NotebookDocument> import_notebook(const document::LoadedNotebook* file,
                                                   const document::NotebookInput& created, std::string_view history_id,
                                                   document::Journal& journal);
/// [worker] The document a journal kept.
Result<document::NotebookDocument> restore_notebook(document::Recovered& recovered);

}  // namespace lectern::session
