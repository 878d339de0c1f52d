// What a plugin's process may do: compute. Used by lectern-plugin-host on itself.
#pragma once

#include "base/result.hpp"
#include "isolation/process.hpp"

namespace lectern::isolation {

/// [control] Resource limits, no dumps, no new privileges.
Status limit(const Limits& limits);
/// [control] Before the library is loaded: system calls that read files and map code are still allowed, nothing that
/// writes, connects, or starts programs is.
Status allow_loading();
/// [control] After it was loaded: files and new code are gone too. Threads that run by then keep the first filter.
Status allow_computing();

}  // namespace lectern::isolation
