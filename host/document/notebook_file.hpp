// A notebook's file: read whole through a format plugin, written so that a crash at any moment leaves the old content
// or the new one, and never over somebody else's edit.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "document/limits.hpp"
#include "document/system_file.hpp"
#include "plugin/format.hpp"

namespace lectern::document {

using Formats = std::vector<plugin::FormatPtr>;

struct LoadedNotebook;
/// [any] Whether metadata and attachments nest no deeper than a document does (DocumentLimits::max_json_depth). Errors:
/// 422 malformed, naming the place.
Status check_nesting(const LoadedNotebook& notebook, std::uint32_t most);

/// Tells one content of a file from another. Equality is by content: clocks lie.
struct Fingerprint {
  std::string sum;  ///< ContentSum::hex(); empty for a file that does not exist
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  /// ContentSum::hex() of what is kept of its outputs beside it (kept_outputs.hpp); empty when nothing is. No part of
  /// the file's own content.
  std::string outputs = {};
  bool operator==(const Fingerprint& other) const { return sum == other.sum && size == other.size; }
};

/// What was read: cells (views), metadata, notices and what writing them back needs. Immutable once loaded; share it
/// between threads freely. It is the baseline of every later save, so keep it as long as the session lives. A cell
/// whose `changed` has plugin::cell_id_changed has no id in the file; it gets the invented one with the next save.
struct LoadedNotebook : plugin::ReadNotebook {
  plugin::FormatPtr format;
  Fingerprint fingerprint;
  std::optional<FileState> read_in;   ///< set when the content is this one as long as the file is in that state
  bool writable = true;               ///< this process may write the file
  std::shared_ptr<const void> keeps;  ///< owns what views show and this object does not; see renamed() of merge.hpp
};

/// [worker] Reads and parses the file at `path` (canonical, see ResolvedPath). The file is not touched. Errors: 404
/// `not_found`, 403 `permission_denied`, 413 `too_large` naming the limit, 415 `unknown_format` naming the known ones,
/// 422 `malformed` with {"line","column"} in details, 500 `io_error`.
Result<std::shared_ptr<const LoadedNotebook>> load(const std::string& path, const Formats& formats,
                                                   const FileLimits& limits = {});

/// [worker] True when a format is sure enough of the file's name and first 4 KiB. False for what cannot be read.
bool looks_like_notebook(const std::string& path, const Formats& formats);

/// [worker] State and fingerprint of the file as it is now; nullopt when there is none. Errors as of read_in_pieces().
struct FileNow {
  FileState state;
  Fingerprint print;
};
Result<std::optional<FileNow>> file_now(const std::string& path);
/// [worker] The fingerprint of the file as it is now; empty sum when there is none.
Result<Fingerprint> fingerprint(const std::string& path);

/// [any] The format for a new file at `path`, by its extension. 415 `unknown_format` naming the known extensions.
Result<plugin::FormatPtr> format_for_path(const std::string& path, const Formats& formats);

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
  plugin::FormatPtr format;
  std::vector<CellContent> cells;
  std::string metadata = "{}";
  std::string language;
  /// What the file was loaded from: gives the parts that did not change, byte for byte. Null for a new notebook.
  std::shared_ptr<const LoadedNotebook> baseline;
  /// What we last read from or wrote to the file; nullopt when there should be no file yet.
  std::optional<Fingerprint> last_known;
  /// Write even though the file changed meanwhile (the person chose so). The foreign content is kept as a copy first.
  bool overwrite_foreign = false;
  std::string heads;      ///< the document's heads at this content, any text; journaled with the save
  std::string base_json;  ///< what a later merge starts from (merge.hpp), any text; journaled with the save
  std::string keep_dir;   ///< where copies of what is overwritten go: the notebook's state folder
  /// The state folder of the notebook at `path`: outputs go there when the file has no place for them
  /// (kept_outputs.hpp). Empty: they are not kept.
  std::string outputs_dir;
  RecordIntent record_intent;
  /// Told which open file is about to take the place of the one at `path`.
  std::function<void(int file)> before_replacing;
  /// Told Fingerprint::outputs as soon as outputs were kept beside the file: a save that fails after that leaves the
  /// old file with the new ones.
  std::function<void(const std::string& outputs)> outputs_kept;
};

struct SavedFile {
  Fingerprint fingerprint;
  std::uint64_t bytes = 0;
  bool unchanged = false;               ///< the file already had exactly this content and was not written
  std::string kept_copy;                ///< path of the copy of the old content, when one was made
  std::uint64_t device = 0, inode = 0;  ///< of the file that was written; 0 when none was
  std::int64_t changed_ns = 0;          ///< its change time, right after the save
};

/// [worker] Writes the file: intent, temporary file in the same folder, fsync, rename, fsync of the folder. Mode and
/// owner stay. Before a save that drops much of the file (more than half, more than a tenth when that is over 4 KiB, or
/// all cells) a copy of the old content is kept in `keep_dir`. Errors leave the file as it was and say so: 409
/// `conflict` (the file is not what we last saw; details has both fingerprints), 403 `permission_denied` (read-only
/// file or folder), 507 `disk_full`, 500 `io_error`, 422 `malformed` (the format cannot write this).
Result<SavedFile> save(const SaveRequest& request);

/// [worker] The bytes that save() would write; the file is not looked at. 415, 422 as there.
Result<std::string> render(const SaveRequest& request);

/// [any] JSON text of a fingerprint, for journal meta, and back.
std::string to_json(const Fingerprint& fingerprint);
std::optional<Fingerprint> fingerprint_from_json(std::string_view json);

}  // namespace lectern::document
