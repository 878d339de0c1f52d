// A history that has grown past a limit: the notebook begins a new one, and the old one is kept aside.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "document/notebook_document.hpp"
#include "document/notebook_store.hpp"

namespace lectern::document {

/// [any] The author of a history's first change: the import of another history must not be taken for the same change.
std::string import_actor(std::string_view history_id);

/// [worker] When `document`, restored from `notebook`, has more than `limit` operations and more than half of them are
/// past, it becomes one that shows the same and has no past, under a new `notebook.history_id`; the journal is written
/// anew, and the old one kept beside it, where looking back finds it. Only while nobody has the notebook open: whoever
/// comes back with the old history gets the new one, and keeps what it had not sent as a draft. When the old one
/// cannot be kept, all stays as it is; an error is one of the journal, which is of no use then.
Status trim_past(OpenedNotebook& notebook, Journal& journal, NotebookDocument& document, std::uint64_t limit);

/// [worker] The journal in `state_dir` gives up its place, which takes no space on the disk: the next open takes the
/// notebook from its file, and looking back still finds the journal. With the notebook's leases; nothing is written to
/// the journal any more.
Status put_journal_aside(const std::string& state_dir);

}  // namespace lectern::document
