// What of a folder would survive a power cut. Beside the real files it remembers what was written, created, renamed or
// removed since the last fsync of the file, or of its folder, and takes that back when the power goes.
//
// The rules are POSIX's, not one file system's: content is durable after an fsync of the file; a name is durable after
// an fsync of the folder it is in; a failed fsync marks the pages clean, so that a later one does not write them
// (Linux). Not thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "plan.hpp"

namespace lectern::crash {

class DiskModel {
 public:
  /// `attic`: an existing folder on the same file system, outside of what is modelled; keeps what was removed.
  explicit DiskModel(std::string attic) : attic_(std::move(attic)) {}

  /// The content or mode of the file behind `fd` is about to change.
  void before_change(int fd);
  /// A file was made and opened: nothing of it is durable.
  void made_file(const std::string& path, int fd);
  void made_folder(const std::string& path);
  void made_link(const std::string& path);
  /// Something is about to lose its name `path`: the token goes to removed() or renamed(), or to not_removed().
  std::string before_losing(const std::string& path);
  void not_removed(const std::string& token);
  void removed(const std::string& path, const std::string& token);
  void removed_folder(const std::string& path);
  void renamed(const std::string& from, const std::string& to, const std::string& token);
  /// Bytes of the file behind `fd` were written: their pages are dirty again.
  void wrote(int fd, std::uint64_t offset, std::uint64_t size);
  /// An fsync of a file or folder, that succeeded or failed.
  void synced(int fd, bool well, Sync sync);

  /// The power goes.
  void lose(Loss loss, std::uint64_t seed);

 private:
  struct Content {
    int fd = -1;  // ours, so that the file can be restored whatever its name is now
    std::string durable;
    mode_t mode = 0;
    std::set<std::uint64_t> dropped;  // pages that a failed fsync marked clean
  };
  enum class Kind { made, made_folder, removed, removed_folder, renamed };
  struct NameChange {
    Kind kind;
    ino_t folder;  // whose fsync makes it durable
    std::string from, to, kept;
  };
  void restore(Content& content, Loss loss, std::mt19937_64& random);
  void undo(const NameChange& change);
  Content& remember(int fd, bool is_new);

  std::string attic_;
  std::uint64_t kept_ = 0;
  std::map<ino_t, Content> contents_;  // of files whose content is not all durable
  std::vector<NameChange> names_;      // not durable, in order
};

}  // namespace lectern::crash
