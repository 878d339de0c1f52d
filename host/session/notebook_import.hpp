// From a parsed file, or from what a journal kept, to the live document.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "document/notebook_document.hpp"
#include "document/notebook_store.hpp"

namespace lectern::session {

/// [worker] Builds the document of a new history. `file` may be null: then `created` is what the notebook starts with.
Result<document::NotebookDocument> build_notebook(const document::LoadedNotebook* file,
                                                  const document::NotebookInput& created, std::string_view history_id,
                                                  const document::DocumentLimits& limits = {});
/// [worker] The saved document `bytes` without the changes `chunks`, on which nothing else in it may depend.
Result<document::NotebookDocument> document_without(std::string_view bytes, std::string_view sidecar,
                                                    const std::vector<std::string>& chunks,
                                                    const document::DocumentLimits& limits = {});
/// [worker] The document a journal kept.
Result<document::NotebookDocument> restore_notebook(document::Recovered& recovered,
                                                    const document::DocumentLimits& limits = {});

}  // namespace lectern::session
