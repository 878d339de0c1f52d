// Changing what names stand for: folders made, files and folders given another name, names removed. What people see in
// a listing; nothing is written over, and nothing hidden is removed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace lectern::document {

/// [worker] Makes the folder `path` (absolute, no links in it), in one that is there. 409 `path_exists`.
Status make_folder(const std::string& path);

/// [worker] What has the name `from` has the name `to` from now on, both absolute in folders without links; a link is
/// itself. Never over anything: 409 `path_exists`, also when that came just now. 400 `bad_path` (a folder into itself,
/// a name that is too long), 409 `other_file_system`, 404 `not_found`.
Status rename_entry(const std::string& from, const std::string& to);

/// [worker] Removes a file, a link (never what it leads to) or a folder with nothing in it. 409 `folder_not_empty`.
Status remove_entry(const std::string& path);

/// What is in a folder and in those in it, links not followed.
struct FolderContents {
  struct File {
    std::string path;  ///< absolute
    std::uint64_t device = 0, inode = 0;
  };
  std::vector<File> files;  ///< regular ones
  std::size_t entries = 0;  ///< everything, folders and links included
  std::string hidden;       ///< one whose name begins with a dot, absolute; empty = there is none
};
/// [worker] 413 `too_large` when there are more than `limit` entries, or folders deeper than 100.
Result<FolderContents> contents_of(const std::string& path, std::size_t limit = 100'000);

/// [worker] Removes the folder `path` with everything in it. It stops at the first name that does not go, and what went
/// before stays gone.
Status remove_folder(const std::string& path);

}  // namespace lectern::document
