// One shared object in this process, by Boost.DLL. Private to plugin/.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "lectern/abi/entry.h"

namespace lectern::plugin {

/// [control] 422 `not_a_library` unless the file is an ELF shared object for this machine. Reads its first bytes only;
/// `shown` is the path for messages.
Status check_library_file(const std::filesystem::path& path, const std::filesystem::path& shown);

class Library {
 public:
  /// [control] Loads with all symbols bound now and none shared with other libraries. `shown` is the path for messages.
  static Result<std::unique_ptr<Library>> open(const std::filesystem::path& path, const std::filesystem::path& shown);
  /// Leaves the library mapped for ever unless close() was called.
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  /// The exported entry function.
  [[nodiscard]] decltype(&lectern_plugin_entry) entry() const { return entry_; }

  /// [control] dlclose, then a look whether it worked. False: still mapped (a unique symbol, a thread-local
  /// destructor), and it stays so.
  bool close();

 private:
  Library() = default;
  void forget();
  struct Inner;
  std::unique_ptr<Inner> inner_;
  std::filesystem::path path_;
  decltype(&lectern_plugin_entry) entry_ = nullptr;
};

}  // namespace lectern::plugin
