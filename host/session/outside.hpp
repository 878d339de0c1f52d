// The file under a live session, as others change it: noticed by content, merged cell by cell as edits of the document,
// followed when it is moved, missed when it is deleted. What both sides changed waits for a person.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/loop.hpp"
#include "document/merge.hpp"
#include "document/notebook_store.hpp"
#include "session/invocation.hpp"
#include "session/watch.hpp"

namespace lectern::session {

class LiveSession;

/// Everything [reactor].
class Outside {
 public:
  explicit Outside(LiveSession& session);

  /// Watches the file from now on.
  void begin(FileWatch& watch);
  void close();
  /// The document is there: one that came out of the journal may have a file that changed meanwhile.
  void document_built();

  /// Compares the file with what is known of it, and merges what is new. A look under way, or a save, is waited for.
  void look();
  /// The same, and calls `done` after it.
  void look_then(Task done);
  /// The saver is done with the file. `base`: what it wrote; null when it wrote nothing.
  void saved(const document::SavedFile* saved, std::shared_ptr<const document::MergeBase> base, std::uint64_t touches);
  /// A cell's outputs changed here, at this count of the saver's.
  void ran(const std::string& cell_id, std::uint64_t touches);

  /// The file's content as last read or written, also where the document could not take it; nothing: there is no file.
  [[nodiscard]] std::optional<document::Fingerprint> content() const;
  /// Nothing is saved over the file: somebody has to choose first, or the file cannot be read.
  [[nodiscard]] bool asks() const { return !conflicts_.empty() || unreadable_.has_value(); }
  /// 409 `conflict`, for who wants to save all the same.
  [[nodiscard]] Error refusal() const;
  /// Data of the event conflict; empty when there is none.
  [[nodiscard]] std::string conflict_json() const;
  /// Somebody overwrites the file: the document's side of everything.
  void keep_ours();
  /// Command `resolve`.
  void resolve(Invocation invocation);
  /// Session::rename_file, when nothing is left to save.
  void rename(std::string path, Reply<bool> reply);
  /// Somebody is about to rename a folder above the file: saves wait until goes_along() or stays(). 409 `conflict`,
  /// `busy`, 423 `open_elsewhere`, and why the notebook is only read.
  Status stand_still();
  /// The file is at `path` now, and this its lease.
  void goes_along(std::string path, document::NotebookLease lease);
  /// It is where it was.
  void stays();

  /// False: the file holds other outputs of this cell, or none; saving has to write them.
  [[nodiscard]] bool file_has_outputs_of(const std::string& cell_id) const { return !elsewhere_.contains(cell_id); }
  /// The cell shows what the file has not, although no kernel of this session said it.
  void not_in_file(const std::string& cell_id) { elsewhere_.insert(cell_id); }
  /// What was read is on its way into the document, or the file gets another name: a save waits.
  [[nodiscard]] bool merging() const { return merging_ || renaming_; }
  /// The file was deleted, and nothing has been written since.
  [[nodiscard]] bool gone() const { return gone_; }

 private:
  struct Seen;
  struct Compared;
  struct Renamed;
  using Refusal = std::shared_ptr<std::optional<Error>>;
  void heard(const FileWatch::Event& event);
  void soon();
  void seen(Seen seen);
  void finish_look();
  void watch_here();
  /// `restored`: nobody knows what the document has that the file, before it was changed, had not.
  void merge(std::shared_ptr<const document::LoadedNotebook> file, bool restored);
  /// Nothing is saved over the file until somebody says so; `what` it cannot be.
  void leave_alone(Error why, std::string_view what);
  void merged(const std::vector<std::string>& from_there, bool same);
  void take_outputs(const std::vector<std::string>& from_there);
  void compared(std::vector<Compared> cells);
  void take(const std::string& cell_id);
  void tell_conflict();
  void keep_copy(std::shared_ptr<const document::LoadedNotebook> file);
  void record(bool same);
  void file_is_back();
  void moved(const std::string& path);
  void renamed(Renamed renamed, Reply<bool> reply);
  void vanished();
  bool apply(const document::CellConflict& conflict, document::MergeChoice choice, Refusal refusal, Task made = {});
  void not_applied(const document::CellConflict& conflict);
  /// All choices of `resolve` are in the document, or refused.
  void resolved(const std::vector<std::string>& taken, const Refusal& refusal, Invocation invocation);
  [[nodiscard]] const plugin::FormatCell* in_file(const std::string& cell_id) const;

  LiveSession& session_;
  Timer timer_;
  FileWatch* watch_ = nullptr;
  FileWatch::Guard guard_;
  std::uint64_t device_ = 0;  // the file system of the file
  document::MergeBase base_;
  FileIdentity identity_;                          // of the file whose content was compared last
  std::optional<document::Fingerprint> unmerged_;  // of the file, while what it has is refused by the document
  std::vector<document::CellConflict> conflicts_;
  std::optional<Error> unreadable_;  // or what the document does not take
  FileIdentity unread_;              // of a file that could not be read, perhaps because somebody is still writing it
  std::unordered_set<std::string> elsewhere_;
  std::unordered_map<std::string, std::uint64_t> ran_;  // by cell; since the last save
  std::vector<Task> waiting_;
  std::int64_t heard_ms_ = 0;
  bool looking_ = false, again_ = false, merging_ = false, renaming_ = false, gone_ = false, closed_ = false,
       told_ = false;
};

}  // namespace lectern::session
