// Copies of libraries under their content's hash. Private to plugin/.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/result.hpp"

namespace lectern::plugin {

struct Staged {
  std::filesystem::path path;
  std::string sha256;                // hex
  std::shared_ptr<const void> held;  // as long as it lives, no process's prune_staged() takes the copy away
};

/// [control] Copies `library` to `<root>/plugins/<sha256>/<file name>` and checks the copy. Loading the copy and never
/// the original has two reasons: dlopen of a path that is loaded already gives the old code, whatever the file holds
/// now; and a file rewritten in place under running code crashes it. Folders are 0700 and must be ours. `expected` (may
/// be empty) is what the manifest says. 409 `content_mismatch`, 413 `too_large`, 500 `staging_failed`.
Result<Staged> stage_library(const std::filesystem::path& library, const std::filesystem::path& root,
                             const std::string& expected);

/// [control] Removes the copies that no process holds. Returns how many.
std::size_t prune_staged(const std::filesystem::path& root);

}  // namespace lectern::plugin
