// Which notebook a path is, over restarts and moves: a small database in the state folder. What it says can be had
// without it, at a price (a moved notebook begins anew, sessions get new ids); so nothing ever fails for its sake.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"

namespace lectern::document {

struct KnownNotebook {
  std::string notebook_id;
  std::string session_id;  ///< of its last session; empty when that was ended for good
  std::string state;       ///< name of its folder below `<state>/notebooks`
};

/// [any] for every function; they may wait for the disk, and for another host that writes: not for reactors.
class NotebookRegistry {
 public:
  virtual ~NotebookRegistry() = default;
  /// nullopt: nobody knows this path. 500 `registry_failed`.
  virtual Result<std::optional<KnownNotebook>> find(const std::string& path) = 0;
  /// What is at `path` from now on; the notebook is at no other path then. 500 `registry_failed`.
  virtual Status put(const std::string& path, const KnownNotebook& notebook) = 0;

  struct Opened {
    std::unique_ptr<NotebookRegistry> registry;
    std::string set_aside;  ///< where a damaged database was moved to; empty = it was whole, or there was none
  };
  /// [worker] Opens the database `file`, or makes it. It lives in a module of its own (base/module.hpp), loaded by the
  /// first call: SQLite through Poco is 3.6 MB resident. 500 `registry_failed`, 500 `registry_missing`.
  static Result<Opened> open(const std::string& file);
};

using OpenRegistry = Result<NotebookRegistry::Opened> (*)(const std::string& file);

}  // namespace lectern::document
