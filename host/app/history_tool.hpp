// `lectern history` and `lectern restore`: what was done to a notebook, and bringing a version back.
#pragma once

#include "app/options.hpp"
#include "base/result.hpp"

namespace lectern::app {

/// [control] Lists versions, or with a second argument what differs between that version and now.
Status run_history(const ToolOptions& options);
/// [control] Takes the pen, restores, gives it back.
Status run_restore(const ToolOptions& options);

}  // namespace lectern::app
