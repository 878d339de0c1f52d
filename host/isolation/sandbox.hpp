// What a plugin's process may do: compute, and a presence backend read and write in one folder. Used by
// lectern-plugin-host on itself.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.hpp"
#include "isolation/process.hpp"

namespace lectern::isolation {

/// [control] Resource limits, no dumps, no new privileges. `files`: it has a folder to write in.
Status limit(const Limits& limits, bool files);
/// [control] The same for what starts programs of its own: no dumps, no new privileges, nothing that they inherit and
/// could not live with.
Status limit_programs();
/// [control] After limit(): from here on files can be read and mapped only beneath `places` (Landlock), and read and
/// written beneath `folder`, which may be empty. A place that does not exist is left out. A kernel without Landlock:
/// nothing happens without a folder; with one 500 `no_sandbox`, for nothing else would hold it to that.
Status confine(const std::vector<std::filesystem::path>& places, const std::filesystem::path& folder);
/// [control] Before the library is loaded: system calls that read files and map code are still allowed, nothing that
/// writes, connects, or starts programs is; with `files` those that write are too.
Status allow_loading(bool files);
/// [control] After it was loaded: new code is gone too, and so are files unless `files`, for threads that the library
/// has started as well.
Status allow_computing(bool files);

}  // namespace lectern::isolation
