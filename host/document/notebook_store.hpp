// Which notebook a path is, and what of it is on disk: identity, lock, file and journal, and after a crash the decision
// which of the two tells the truth. State lies in `<state>/notebooks/<sha256 of the path>/`.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "document/journal.hpp"
#include "document/notebook_file.hpp"
#include "document/path_policy.hpp"

namespace lectern::document {

/// The right of this process to write one notebook: an advisory lock on a file in the state folder, held until
/// destruction. The kernel drops it when the process dies, however it dies.
class NotebookLease {
 public:
  NotebookLease() = default;
  NotebookLease(NotebookLease&&) noexcept;
  NotebookLease& operator=(NotebookLease&&) noexcept;
  ~NotebookLease();
  /// [worker] 423 `open_elsewhere`; details {"holder":{"pid","host","since"}}.
  static Result<NotebookLease> take(const std::string& lock_file, std::string_view notebook_path);
  [[nodiscard]] bool held() const { return fd_ >= 0; }

 private:
  explicit NotebookLease(int fd) : fd_(fd) {}
  int fd_ = -1;
};

/// How the session gets its document.
enum class Start {
  imported,  ///< from `file` (or empty when there is none), as a new history; give the journal its first snapshot by
             ///< Journal::rewrite before anything is acknowledged
  restored,  ///< from `restored` (snapshot, sidecar, changes), same history as before; `file` is the baseline for
             ///< saving
};

struct OpenedNotebook {
  std::string notebook_id;  ///< UUID, the same for this path on this machine over restarts
  std::string history_id;   ///< UUID of the document's history (protocol 3)
  std::string path;         ///< canonical
  std::string state_dir;
  Start start = Start::imported;
  std::shared_ptr<const LoadedNotebook> file;  ///< null when there is no file
  Recovered restored;                          ///< with Start::restored; its snapshot may be moved out
  /// The last meta values of the journal before this open, whatever `start` is: epochs only rise, clients stay known.
  std::map<std::string, std::string> previous_meta;
  std::unique_ptr<Journal> journal;
  /// What to pass as SaveRequest::last_known in the next save; nullopt when there is no file.
  std::optional<Fingerprint> last_known;
  /// SaveRequest::heads of the save that made the file what it is now; empty when unknown. With Start::restored, a
  /// document whose heads differ holds what the file lacks: it wants a save.
  std::string saved_heads;
  bool read_only = false;            ///< the file or its folder cannot be written: everybody reads
  std::vector<std::string> notices;  ///< for people: what was recovered, what was kept aside and where
  NotebookLease lease;
};

class NotebookStore {
 public:
  struct Options {
    std::string state_dir;  ///< made when missing, mode 0700
    FileLimits limits;
  };
  /// [control] 500 `state_dir` when the folder cannot be made or written. `writer` outlives the store and its
  /// notebooks.
  static Result<std::unique_ptr<NotebookStore>> create(Options options, JournalWriter& writer);
  ~NotebookStore();

  /// [worker] Opens what is at `where` (a file, or nothing yet: a new notebook at that path). Nothing is written to the
  /// notebook's file. A failure leaves no lock and no state behind. Errors: those of load(), 423 `open_elsewhere`,
  /// 400 `is_a_folder`, 500 `journal_corrupt` when the journal is damaged (it is kept aside; the next open works from
  /// the file), and for a new notebook 415 `unknown_format`.
  Result<OpenedNotebook> open(const ResolvedPath& where, const Formats& formats);

  /// [worker] A new notebook at `where`, which must not exist: 409 `exists`. The file is written by the session's first
  /// save. State an earlier notebook left under this path is kept aside, not taken over.
  Result<OpenedNotebook> create_new(const ResolvedPath& where, const Formats& formats);

  /// [any] `<state>/notebooks/<sha256 of path>`.
  [[nodiscard]] std::string state_dir_of(std::string_view canonical_path) const;
  [[nodiscard]] const FileLimits& limits() const;

 private:
  struct State;
  explicit NotebookStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// [worker] What a session calls to save: records the intent in `journal`, saves, and records the file's new
/// fingerprint. `request.last_known`, `keep_dir` and `record_intent` are filled in here when they are empty. On success
/// the result's fingerprint is the next last_known.
Result<SavedFile> save_notebook(Journal& journal, const std::string& state_dir, SaveRequest request);

}  // namespace lectern::document
