// Reloading one plugin from its folder while people work: what POST /api/v1/plugins/{id}/reload and a watched plugin
// folder do.
#pragma once

#include <string>

#include "api/endpoints.hpp"
#include "base/json.hpp"
#include "base/task.hpp"

namespace lectern::api {

/// [worker] A policy is swapped in every session that runs it, one after the other; a format serves the notebooks that
/// are opened from now on, a runtime the kernels that are started from now on. Answers `{id, generation, sessions:[…]}`
/// on any thread. 404 `plugin_missing`, 409 `not_reloadable` for transports and presence backends, or what refused it;
/// then what ran before goes on.
void reload_plugin(const Parts& parts, const std::string& id, UniqueFunction<void(Result<json::Value>)> done);

}  // namespace lectern::api
