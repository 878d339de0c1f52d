// A folder gets another name with the live notebooks in it: all of them go along, or nothing is changed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/workers.hpp"
#include "document/notebook_store.hpp"
#include "session/session.hpp"

namespace lectern::session {

class LiveSession;

struct FolderRenaming {
  std::string from, to;                                // absolute, canonical
  std::vector<std::shared_ptr<LiveSession>> sessions;  // all that are below `from`
  std::shared_ptr<void> hold;                          // nobody opens, makes or writes below either as long as it lives
  document::NotebookStore* store = nullptr;            // outlives the renaming, as do the workers
  Workers* workers = nullptr;
};

/// [any] What is unsaved is saved first, then saves wait until it is over. Answers, on whatever thread, when every
/// session is at its new path, or is where it was: 409 `conflict`, `busy`, 423 `open_elsewhere`, what saving answers,
/// and the errors of rename_entry().
void rename_folder(FolderRenaming what, Reply<bool> reply);

}  // namespace lectern::session
