// `lectern kernels`: the kernels that outlive their hosts.
#pragma once

#include "app/options.hpp"
#include "base/result.hpp"

namespace lectern::app {

/// [control] Lists them, or ends those that no host speaks for. 404 `session_not_found`, 409 `kernel_in_use`, 503
/// `kernel_unavailable`.
Status run_kernels(const ToolOptions& options);

}  // namespace lectern::app
