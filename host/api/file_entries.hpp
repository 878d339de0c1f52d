// What the routes about files share: what a name of the served folder looks like, which names are nobody's business,
// and which are open here.
#pragma once

#include <string_view>

#include "base/json.hpp"
#include "document/notebook_file.hpp"
#include "document/path_policy.hpp"
#include "session/directory.hpp"

namespace lectern::api {

/// [worker] One row of a listing.
json::Value entry_json(const document::FolderEntry& entry, const document::PathPolicy& paths,
                       const document::Formats& formats);

/// [any] What listings leave out is neither written nor given out, renamed nor deleted: a place for keys and hooks, not
/// for notebooks. 403 `hidden_file` for a path (relative to the root) with such a name in it.
Status check_shown(std::string_view relative);

/// [any] The session whose file is at `path` (canonical); null when there is none.
session::SessionPtr session_at(const session::Directory& directory, std::string_view path);

}  // namespace lectern::api
