// `lectern presence` and `lectern devices`: what the running server knows of other hosts.
#pragma once

#include "app/options.hpp"
#include "base/result.hpp"

namespace lectern::app {

/// [control] The sessions that live elsewhere, and how the ways to learn of them do.
Status run_presence(const ToolOptions& options);
/// [control] The devices that were heard of, with or without sessions.
Status run_devices(const ToolOptions& options);

}  // namespace lectern::app
