// Replacing a file so that a crash leaves the old content or the new one: a temporary file beside it, fsync, rename,
// fsync of the folder.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "document/system_file.hpp"

namespace lectern::document {

/// Mode and owner for the new file.
struct Ownership {
  unsigned mode = 0600;
  unsigned uid = 0, gid = 0;
};

/// [worker] Makes `bytes` the content of `path` (absolute, no links in it) and returns the new file, open for reading
/// and writing. With `owner` the file gets its mode and, where this process may, its owner; without it `mode`. On an
/// error the old content is still there, no temporary file is left, and the message says so; only when the last step
/// failed, the fsync of the folder, the new content is in place but a power cut may take it back.
/// `before_replacing` is asked right before the rename, with the new file; its error is passed on.
Result<Descriptor> replace_file(const std::string& path, std::string_view bytes, unsigned mode,
                                const std::optional<Ownership>& owner = std::nullopt,
                                const std::function<Status(int file)>& before_replacing = {});

/// [worker] As replace_file, for a file that is to be new: 409 `path_exists` when something has that name, also when it
/// came while this one was written. Nothing of it is there after an error, but for the fsync of the folder.
Result<Descriptor> create_file(const std::string& path, std::string_view bytes, unsigned mode);

/// [worker] Removes temporary files that a crash left beside `path`, when they are older than a minute.
void remove_leftovers(const std::string& path);
/// [worker] Removes all temporary files in `folder`, whatever they were to replace. Only for a folder that this process
/// has to itself.
void remove_all_leftovers(const std::string& folder);

/// [worker] Makes the folder `path` and those above it that are missing, mode 0700. What it made is durable, or gone
/// again and an error.
Status make_folders(const std::string& path);

}  // namespace lectern::document
