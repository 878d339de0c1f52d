// A notebook's file: read whole through a format plugin, written so that a crash at any moment leaves the old content
// or the new one, and never over somebody else's edit.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "lectern/abi/draft/format.h"

namespace lectern::document {

/// A format plugin as this folder uses it. The pointer's owner keeps the plugin's library loaded.
struct Format {
  std::string id;
  std::shared_ptr<const lectern_format> table;
};
using Formats = std::vector<Format>;

struct FileLimits {
  std::uint64_t max_bytes = 128u << 20;
  std::uint64_t max_cells = 100'000;
  std::uint64_t max_source_bytes = 64u << 20;  ///< one cell
  std::uint32_t max_depth = 128;
};

/// Tells one content of a file from another. Equality is by content: clocks lie.
struct Fingerprint {
  std::string sha256;  ///< hex; empty for a file that does not exist
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  bool operator==(const Fingerprint& other) const { return sha256 == other.sha256 && size == other.size; }
};

/// One cell as the file has it. Views into LoadedNotebook::storage.
struct LoadedCell {
  std::string_view id;
  std::string_view cell_type;  ///< "code", "markdown", "raw"
  std::string_view source;
  std::string_view metadata;          ///< JSON object text
  std::string_view attachments;       ///< JSON object text; empty = none
  std::string_view outputs;           ///< JSON array text; empty = none
  std::int64_t execution_count = -1;  ///< -1 = null
  std::string_view original;          ///< the format's own; only handed back to it
  bool id_invented = false;           ///< the file has no id for this cell; it gets one with the next save
};

/// Immutable once loaded; share it between threads freely. It is the baseline of every later save, so keep it as long
/// as the session lives.
struct LoadedNotebook {
  std::vector<LoadedCell> cells;
  std::string_view metadata = "{}";  ///< JSON object text
  std::string_view original;
  std::string_view language;
  std::string format_id;
  Fingerprint fingerprint;
  bool writable = true;              ///< this process may write the file
  std::vector<std::string> notices;  ///< for people: "upgraded from nbformat 3"
  std::string file_bytes;            ///< what most views point into
  std::deque<std::string> copies;    ///< the rest

  LoadedNotebook() = default;
  LoadedNotebook(const LoadedNotebook&) = delete;
  LoadedNotebook& operator=(const LoadedNotebook&) = delete;
};

/// [worker] Reads and parses the file at `path` (canonical, see ResolvedPath). The file is not touched. Errors: 404
/// `not_found`, 403 `permission_denied`, 413 `too_large` naming the limit, 415 `unknown_format` naming the known ones,
/// 422 `malformed` with {"line","column"} in details, 500 `io_error`.
Result<std::shared_ptr<const LoadedNotebook>> load(const std::string& path, const Formats& formats,
                                                   const FileLimits& limits = {});

/// [worker] The fingerprint of the file as it is now; empty sha256 when there is none.
Result<Fingerprint> fingerprint(const std::string& path);

/// [any] The format for a new file at `path`, by its extension. 415 `unknown_format` naming the known extensions.
Result<Format> format_for_path(const std::string& path, const Formats& formats);

/// A cell as it should be in the file.
struct CellContent {
  std::string id;
  std::string cell_type;
  std::string source;
  std::string metadata = "{}";
  std::string attachments;             ///< "" or "{}" = none
  std::optional<std::string> outputs;  ///< JSON array text; nullopt = as the file has them (none for a new cell)
  std::int64_t execution_count = -1;   ///< looked at only when outputs is set
};

/// Journals that a save with this content is about to happen, and returns when that is fsynced: after a crash our own
/// half-finished save is then not taken for somebody else's edit.
using RecordIntent = std::function<Status(const Fingerprint& next)>;

struct SaveRequest {
  std::string path;  ///< canonical
  Format format;
  std::vector<CellContent> cells;
  std::string metadata = "{}";
  std::string language;
  /// What the file was loaded from: gives the parts that did not change, byte for byte. Null for a new notebook.
  std::shared_ptr<const LoadedNotebook> baseline;
  /// What we last read from or wrote to the file; nullopt when there should be no file yet.
  std::optional<Fingerprint> last_known;
  /// Write even though the file changed meanwhile (the person chose so). The foreign content is kept as a copy first.
  bool overwrite_foreign = false;
  std::string heads;     ///< the document's heads at this content, any text; journaled with the save
  std::string keep_dir;  ///< where copies of what is overwritten go: the notebook's state folder
  RecordIntent record_intent;
};

struct SavedFile {
  Fingerprint fingerprint;
  std::uint64_t bytes = 0;
  bool unchanged = false;  ///< the file already had exactly this content and was not written
  std::string kept_copy;   ///< path of the copy of the old content, when one was made
};

/// [worker] Writes the file: intent, temporary file in the same folder, fsync, rename, fsync of the folder. Mode and
/// owner stay. Before a save that drops more than half of the file, or all cells of one that had some, a copy of the
/// old content is kept in `keep_dir`. Errors leave the file as it was and say so: 409 `conflict` (the file is not what
/// we last saw; details has both fingerprints), 403 `permission_denied` (read-only file or folder), 507 `disk_full`,
/// 500 `io_error`, 422 `malformed` (the format cannot write this).
Result<SavedFile> save(const SaveRequest& request);

/// [any] JSON text of a fingerprint, for journal meta, and back.
std::string to_json(const Fingerprint& fingerprint);
std::optional<Fingerprint> fingerprint_from_json(std::string_view json);

}  // namespace lectern::document
