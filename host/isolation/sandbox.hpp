// What a plugin's process may do: compute. Used by lectern-plugin-host on itself.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.hpp"
#include "isolation/process.hpp"

namespace lectern::isolation {

/// [control] Resource limits, no dumps, no new privileges.
Status limit(const Limits& limits);
/// [control] After limit(): from here on files can be read and mapped only beneath `places` (Landlock); one that does
/// not exist is left out. A kernel without Landlock: nothing happens.
Status read_only_beneath(const std::vector<std::filesystem::path>& places);
/// [control] Before the library is loaded: system calls that read files and map code are still allowed, nothing that
/// writes, connects, or starts programs is.
Status allow_loading();
/// [control] After it was loaded: files and new code are gone too, for threads that the library has started as well.
Status allow_computing();

}  // namespace lectern::isolation
