// Which notebook is at a path, and which folder holds what is kept of it, after renames and deletions too: the identity
// in each state folder, the registry that finds a moved one, and what is put aside of those that are gone. Private to
// this folder.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "document/notebook_registry.hpp"

namespace lectern::document {

/// What a state folder itself says: enough to find everything again without the registry.
struct NotebookIdentity {
  std::string notebook_id, path;
};

/// [worker] Of the state folder `dir`; empty members where it says nothing.
NotebookIdentity read_identity(const std::string& dir);
/// [worker] An identity that the disk does not give just now must not be written anew. The errors of read_whole().
Status identity_is_readable(const std::string& dir);
/// [worker] Replaces it, atomically. The errors of replace_file().
Status write_identity(const std::string& dir, const NotebookIdentity& identity);

/// [worker] Moves what an earlier notebook left in `dir` (`name` and `extension`) out of the way without losing it; the
/// new name says when, and is returned: empty when nothing was there. 500 `io_failed` and the like.
Result<std::string> keep_aside(const std::string& dir, std::string_view name, std::string_view extension);

/// [worker] for every function: they may wait for the disk. The registry makes nothing fail: without it, a moved
/// notebook begins anew and sessions get new ids.
class NotebookPlaces {
 public:
  /// `registry`: the file of the registry, which is opened when it is first asked; empty: none is kept.
  NotebookPlaces(std::string notebooks, std::string registry);

  /// nullopt: nobody knows this path, or no registry is kept.
  std::optional<KnownNotebook> known(const std::string& path);
  void remember(const std::string& path, const KnownNotebook& notebook);

  /// [any] Where a notebook that was never moved has its state.
  [[nodiscard]] std::string usual_state_of(std::string_view path) const;
  /// The state folder of the notebook at `path`, of which `known` is known; it need not exist.
  [[nodiscard]] std::string state_of(const std::string& path, const std::optional<KnownNotebook>& known) const;

  /// The notebook is at `path` now; its state stays in `state_dir`.
  void moved(const NotebookIdentity& notebook, const std::string& session_id, const std::string& state_dir);
  /// Whatever was kept of a notebook at `path` stays on the disk, and is nobody's any more.
  void put_aside(const std::string& path);
  /// What was at `from`, a notebook or a folder of them, is at `to`, where nothing else is any more. What knows that of
  /// some of them already is made whole. Only those for which `goes_along` is true; with none, all.
  void renamed(const std::string& from, const std::string& to,
               const std::function<bool(const NotebookIdentity&)>& goes_along = {});
  /// The notebooks that were below `folder` are gone.
  void folder_removed(const std::string& folder);
  /// The next session of the notebook at `path` has an id of its own.
  void session_ended(const std::string& path);

 private:
  NotebookRegistry* registry();
  struct Place {
    std::string state_dir;
    NotebookIdentity notebook;
  };
  /// Those whose state folder says whose it is.
  [[nodiscard]] std::vector<Place> all() const;
  [[nodiscard]] std::vector<Place> at_or_below(const std::string& path) const;
  void register_all(NotebookRegistry& registry) const;

  const std::string notebooks_, registry_file_;
  std::mutex mutex_;  // guards the registry's beginning
  std::unique_ptr<NotebookRegistry> opened_;
  bool tried_ = false;
};

}  // namespace lectern::document
