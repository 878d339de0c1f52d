// `lectern presence`, `lectern devices`, `lectern attach` and `lectern create --on`: what the running server knows of
// other hosts, and sessions of theirs here.
#pragma once

#include "app/options.hpp"
#include "base/result.hpp"

namespace lectern::app {

/// [control] The sessions that live elsewhere, and how the ways to learn of them do.
Status run_presence(const ToolOptions& options);
/// [control] The devices that were heard of, with or without sessions.
Status run_devices(const ToolOptions& options);

/// [control] Attaches a session by its id, or by its title where only one has it; 404 `remote_session_not_found`, 409
/// `ambiguous`.
Status run_attach(const ToolOptions& options);
/// [control] `lectern create RUNTIME [PATH] --on DEVICE`: on the device of that id, or of that name where only one has
/// it; 404 `remote_device_not_found`, 409 `ambiguous`.
Status run_create_on(const ToolOptions& options);

}  // namespace lectern::app
