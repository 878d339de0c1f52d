// A folder that cannot be read on, as on a disk that breaks or a mount that goes: one read of a folder in this
// program fails. It puts functions of the C library's names in their place.
#pragma once

#include <dirent.h>
#include <dlfcn.h>

#include <atomic>
#include <cerrno>

namespace lectern::test {

inline std::atomic<int> folder_entries_left{-1};  // -1: reading works
inline std::atomic<bool> folder_failed{false};

/// As long as it lives: after so many entries ("." and ".." count) one read fails with EIO.
class FolderFails {
 public:
  explicit FolderFails(int entries) {
    folder_failed = false;
    folder_entries_left = entries;
  }
  ~FolderFails() { folder_entries_left = -1; }
  FolderFails(const FolderFails&) = delete;
  FolderFails& operator=(const FolderFails&) = delete;
  [[nodiscard]] bool failed() const { return folder_failed; }
};

inline bool folder_read_fails() {
  if (folder_entries_left < 0) return false;
  if (folder_entries_left > 0) {
    --folder_entries_left;
    return false;
  }
  folder_failed = true;
  folder_entries_left = -1;
  errno = EIO;
  return true;
}

}  // namespace lectern::test

extern "C" {
__attribute__((weak)) dirent* readdir(DIR* folder) {
  static const auto next = reinterpret_cast<dirent* (*)(DIR*)>(::dlsym(RTLD_NEXT, "readdir"));
  return lectern::test::folder_read_fails() ? nullptr : next(folder);
}
__attribute__((weak)) dirent64* readdir64(DIR* folder) {
  static const auto next = reinterpret_cast<dirent64* (*)(DIR*)>(::dlsym(RTLD_NEXT, "readdir64"));
  return lectern::test::folder_read_fails() ? nullptr : next(folder);
}
}
