// Which notebook a path is, and what of it is on disk: identity, lock, file and journal, and after a crash the decision
// which of the two tells the truth. State lies in `<state>/notebooks/<sha256 of the path>/`.
#pragma once

#include <cstdint>
#include <functional>
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

/// The right of this process to write one notebook: advisory locks on files of ours, held until destruction. The
/// kernel drops them when the process dies, however it dies.
class NotebookLease {
 public:
  struct Holder {
    std::string url;   ///< of this host, for those who find the notebook taken; may be empty
    std::string path;  ///< of the notebook
  };
  NotebookLease() = default;
  NotebookLease(NotebookLease&&) noexcept;
  NotebookLease& operator=(NotebookLease&&) noexcept;
  ~NotebookLease();
  /// [worker] Takes all of `lock_files` or none. 423 `open_elsewhere`; details {"holder":{"pid","process_start","host",
  /// "since","url"?,"path"?}}.
  static Result<NotebookLease> take(const std::vector<std::string>& lock_files, std::string_view notebook_path,
                                    const Holder& holder = {});
  /// [worker] The same for one lock file that is removed with the lease: there are many of its kind.
  static Result<NotebookLease> take_passing(const std::string& lock_file, std::string_view notebook_path,
                                            const Holder& holder = {});
  [[nodiscard]] bool held() const { return !held_.empty(); }

 private:
  struct Held {
    int fd = -1;
    std::string remove;  // a lock file that goes with the lease
  };
  std::vector<Held> held_;
};

/// The lease of a file itself, whatever its paths: a hard link, or the same folder mounted twice, is no second
/// notebook. A rename over the file makes it another one, which needs a lease of its own.
struct FileLease {
  std::uint64_t device = 0, inode = 0;
  NotebookLease lease;
  Descriptor locked = {};  ///< the file, for hosts that do not look where `lease` is (file_lock.hpp); goes before that
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
  std::string session_id;   ///< of the session to come; empty: a new one
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
  /// With Start::restored: the file was changed by another program since the journal last spoke of it. `file` is to be
  /// merged into the document; `base_json` is what both started from, empty when nobody knows.
  bool outside = false;
  std::string base_json;
  bool file_went = false;            ///< the journal remembers a file, and there is none; `base_json` as with `outside`
  bool read_only = false;            ///< the file or its folder cannot be written: everybody reads
  std::vector<std::string> notices;  ///< for people: what was recovered, what was kept aside and where
  NotebookLease lease;               ///< of the path
  FileLease file_lease;              ///< of the file there, when there is one
  NotebookLease state_lock;          ///< of the state folder
  std::shared_ptr<void> temporary;   ///< removes the state folder in the end, with open_to_watch
  /// Why it is only read: the disk takes nothing. Nothing of such a notebook is written, its journal is in memory.
  std::optional<Error> unwritable;
};

class NotebookStore {
 public:
  struct Options {
    std::string state_dir;  ///< made when missing, mode 0700
    FileLimits limits;
    /// Where hosts of one person see each other's notebooks, whatever their state folders, and who has them: made when
    /// missing, mode 0700. Empty: only hosts with this state folder do.
    std::string lease_dir = {};
    /// Keep `<state>/notebooks.db` (notebook_registry.hpp): sessions have the same id after a restart, and a notebook
    /// that was moved is still the same.
    bool registry = false;
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

  /// [worker] What is at `where`, to be read while another host has it: no lock, a state of its own that is gone with
  /// the notebook, and `read_only`.
  Result<OpenedNotebook> open_to_watch(const ResolvedPath& where, const Formats& formats);

  /// [worker] What is at `where` and what its journal says, to be read while the disk that holds the journal takes
  /// nothing, as `why` says: no lock, nothing is written anywhere, and `read_only`. 404 when there is neither file nor
  /// journal; the errors of load().
  Result<OpenedNotebook> open_to_read(const ResolvedPath& where, const Formats& formats, const Error& why);

  /// [worker] The lease of a notebook whose file was moved to `path`, or is about to be made there: another host may
  /// have that. 423 `open_elsewhere`.
  Result<NotebookLease> lease_for(const std::string& path);
  /// [worker] The lease of a file that is, or is about to be, at `path`. 423 `open_elsewhere`: somebody on this machine
  /// has it open under another path, which the message names.
  Result<FileLease> lease_file(std::uint64_t device, std::uint64_t inode, const std::string& path);
  /// [worker] The same for the open `file` that is about to take the place of the one at `path`.
  Result<FileLease> lease_replacement(int file, const std::string& path);
  /// [worker] Gives the file of a notebook that this host has open another name, by `work`; its state stays where it
  /// is. A crash in the middle is made good by the next create(). The errors of `work`, and of writing the state
  /// folder.
  Status rename_open(const std::string& from, const std::string& to, const std::string& notebook_id,
                     const std::string& session_id, const std::string& state_dir, const std::function<Status()>& work);
  /// [worker] Where what was at `path` is now, if a host died while it renamed that and create() finished it; empty:
  /// nothing is known of such a thing. Who was there when it happened comes back by the old path, until something else
  /// is there.
  [[nodiscard]] std::string place_since_crash(std::string_view path);
  /// [any] For moved(), drawn in the order in which moves happen: workers tell of them, and of renamed folders, in any.
  [[nodiscard]] std::uint64_t next_move();
  /// [worker] The file of `notebook_id` was moved to `path` while it was open; its state stays where it is. Nothing is
  /// done when a later move of it was told already.
  void moved(const std::string& notebook_id, const std::string& session_id, const std::string& state_dir,
             const std::string& path, std::uint64_t move);
  /// [worker] Gives a file that no session has another name: `work` does it, while no host of this person can open
  /// either. A notebook keeps its id and its past with `same_format`; else, and of what an earlier one left at `to`,
  /// they are put aside. 423 `open_elsewhere`, and the errors of `work`.
  Status rename(const std::string& from, const std::string& to, bool same_format, const std::function<Status()>& work);
  /// [worker] The same for a file that `work` deletes: what comes to its place is another notebook.
  Status remove(const std::string& path, const std::function<Status()>& work);
  /// [worker] Gives a folder another name, by `work`: the notebooks in it, open ones too, keep their ids and pasts. As
  /// rename_open().
  Status rename_folder(const std::string& from, const std::string& to, const std::function<Status()>& work);
  /// [worker] The folder is gone, and the notebooks in it: what comes to their places are others.
  void folder_removed(const std::string& path);
  /// [worker] 423 `open_elsewhere` when a host of this person has the file open, by whatever path.
  Status check_closed(std::uint64_t device, std::uint64_t inode, const std::string& path);

  /// [worker] The session was ended for good: the next one of this notebook has an id of its own.
  void session_ended(const std::string& path);
  /// [any] Told to those who find a notebook taken by this host.
  void set_url(std::string url);

  /// [any] `<state>/notebooks/<sha256 of path>`: where a notebook that was never moved has its state.
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

/// [any] The file is known to hold this now, without a save of ours: what another program wrote has been merged.
void record_file(Journal& journal, const Fingerprint& print, const std::string& heads, std::string base_json);

}  // namespace lectern::document
