// What happens on a worker before there is a session: files, plugins, journals.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "document/path_policy.hpp"
#include "session/directory.hpp"
#include "session/live_session.hpp"

namespace lectern::session {

/// [worker] The format plugins there are now.
document::Formats load_formats(plugin::Registry& registry);
/// [worker] A policy object of the plugin that is there now. 404 `plugin_missing`, 400 `bad_config`.
Result<plugin::PolicyPtr> load_policy(plugin::Registry& registry, const PolicyChoice& choice);
/// [worker] Everything a session of the notebook at `where` begins with; where nothing is, a new one. With `watch` it
/// is only read when another host has it; so it is when the disk takes nothing (OpenedNotebook::unwritable). The errors
/// of NotebookStore::open.
Result<Prepared> prepare_open(const Services& services, const Settings& settings, const PolicyChoice& policy,
                              const document::ResolvedPath& where, bool watch);
/// As Home::claim: nobody else here opens or makes anything at that path until Prepared::claim is gone.
using Hold = std::function<Result<std::shared_ptr<void>>(const std::string& path)>;
/// [worker] A new notebook with a free name, in the canonical folder `folder` and working there.
Result<Prepared> prepare_untitled(const Services& services, const Settings& settings, const PolicyChoice& policy,
                                  const std::string& folder, const Hold& hold);
/// [worker] The same for a new notebook. 400 `unknown_runtime`, 409 `path_exists`, 403 `outside_root`.
Result<Prepared> prepare_create(const Services& services, const Settings& settings, const PolicyChoice& policy,
                                const CreateRequest& request, const Hold& hold);

}  // namespace lectern::session
