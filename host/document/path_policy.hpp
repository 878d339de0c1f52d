// Which files the host touches: those beneath its root, and no link leads out of it. Every path a client names goes
// through here; what comes back is canonical, and is opened again without following links (atomic_file.hpp), so that a
// link put in the way afterwards is refused too.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace lectern::document {

enum class PathKind { missing, file, folder, other };

struct ResolvedPath {
  std::string path;      ///< absolute and canonical: no link, no "." or ".." in it
  std::string relative;  ///< to the root, with '/' between names; empty for the root itself
  PathKind kind = PathKind::missing;
  bool writable = false;  ///< the file, or for a missing one its folder, can be written by this process
};

/// A name itself, whatever it stands for: what is given another name, or deleted.
struct ResolvedName {
  std::string path;                   ///< absolute; its folder is canonical, the name may be that of a link
  std::string relative;               ///< to the root, with '/' between names; empty for the root itself
  PathKind kind = PathKind::missing;  ///< what it stands for; of a link, what that leads to
  bool link = false;
};

struct FolderEntry {
  std::string name;
  std::string relative;  ///< to the root
  PathKind kind = PathKind::file;
  std::uint64_t size = 0;        ///< bytes; 0 for folders
  std::int64_t modified_ms = 0;  ///< wall clock, milliseconds since the epoch
};

class PathPolicy {
 public:
  /// [control] Confines everything to `root`, an existing folder. 404 `not_found`, 400 `bad_root`.
  static Result<PathPolicy> create(std::string_view root);
  PathPolicy(PathPolicy&&) noexcept;
  PathPolicy& operator=(PathPolicy&&) noexcept;
  ~PathPolicy();

  /// [any] The canonical root.
  [[nodiscard]] const std::string& root() const;

  /// [worker] Resolves what a client wrote: relative to the root, or absolute inside it. The last name may be missing,
  /// its folder not. Links are followed as long as they stay inside. 403 `outside_root`, 404 `not_found` (the folder of
  /// it), 400 `bad_path` (NUL, control bytes, not UTF-8, too long).
  [[nodiscard]] Result<ResolvedPath> resolve(std::string_view path) const;

  /// [worker] As resolve, which has to succeed, but a link as the last name is itself.
  [[nodiscard]] Result<ResolvedName> resolve_name(std::string_view path) const;

  /// [worker] The folder at `path`: folders first, then by name; hidden files and what is neither file nor folder are
  /// left out, as are links that lead outside. At most `limit` entries. 404 `not_found`, 403 `outside_root`,
  /// 400 `not_a_folder`.
  [[nodiscard]] Result<std::vector<FolderEntry>> list(std::string_view path, std::size_t limit = 10'000) const;

 private:
  struct State;
  explicit PathPolicy(std::shared_ptr<const State> state);
  std::shared_ptr<const State> state_;
};

}  // namespace lectern::document
