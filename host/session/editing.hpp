// The document of a session and the way an edit takes: apply, journal (one fsync for all edits of a turn), and only
// then tell. Nobody sees an edit that a crash could take back.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "document/history_log.hpp"
#include "document/notebook_document.hpp"
#include "document/undo_stack.hpp"
#include "plugin/transport.hpp"
#include "session/connection.hpp"
#include "session/invocation.hpp"
#include "session/room.hpp"

namespace lectern::session {

class LiveSession;

class Editing {
 public:
  explicit Editing(LiveSession& session);

  /// Builds the document on a worker, or takes the one that is there already. That of a large file is begun a moment
  /// later, or when somebody waits for it.
  void begin();
  [[nodiscard]] bool built() const { return document_.has_value(); }
  /// Runs `work` when the document is built and no long edit is being made, now if so; with the error when it cannot be
  /// built, or after the patience of the settings (504 `document_building`). 503 `busy` past the bound.
  void when_built(UniqueFunction<void(Status)> work);
  /// Runs `work` when everything applied so far is on disk, now if it is.
  void when_durable(Task work);
  /// The disk takes nothing: edits are refused, and when_durable() waits for it.
  [[nodiscard]] bool refusing() const { return refusing_.has_value(); }
  /// The same for who wants to see the whole document: what is on disk is then all there is, or all that shown() has.
  /// Edits that come meanwhile wait, one fsync at most, so that a busy room cannot keep a joiner out; neither can a
  /// disk that takes nothing.
  void when_quiet(Task work);

  // All need built().
  [[nodiscard]] document::NotebookDocument& document() { return *document_; }
  /// What newcomers may see: while the disk takes nothing, the document without the edits that wait for it.
  [[nodiscard]] document::NotebookDocument& shown() { return safe_ ? *safe_ : *document_; }
  [[nodiscard]] std::uint64_t shown_version() const { return safe_ ? published_ : document_->version(); }
  /// Applies a transaction and tells `done` what it came to: at once or, when it would keep the reactor too long, after
  /// a worker made it. Until then other edits wait, and so do those who want to see all of the document.
  void edit(const std::string& actor, std::vector<document::Change> changes, std::optional<std::uint64_t> base_version,
            UniqueFunction<void(Result<document::AppliedTransaction>)> done);
  /// Command `transaction`.
  void transaction(Invocation invocation);
  /// Command `restore`: `changes` lead to what `from` names.
  struct Restored {
    std::string version, cell_id;
  };
  void restore(Invocation invocation, const std::vector<document::Change>& changes, Restored from);
  /// Commands `undo` and `redo`: of the sender's own edits alone.
  enum class Direction { none, undo, redo };
  void take_back(Invocation invocation, Direction direction);
  /// A `03`: raw changes of a client.
  void changes(Connection& connection, const plugin::Inbound& message);
  /// A `01`: one message of a sync conversation.
  void sync_message(Connection& connection, const plugin::Inbound& message);
  /// An edit of the host's own ("kernel", "file", "host"); what cannot be applied is logged, and `refused` is told.
  /// `made` is called last, when the edit is in the document, or refused; a long one takes its time.
  void host_edit(const std::vector<document::Change>& changes, std::string_view source,
                 UniqueFunction<void(Error)> refused = {}, Task made = {});
  /// The document for a `document=changes` connection: `06`, or the changes since its heads; `03` follow from now on.
  /// Null when it cannot be had.
  [[nodiscard]] MessagePtr document_for(Connection& connection);

  [[nodiscard]] std::vector<std::string> heads() const;
  [[nodiscard]] std::string heads_json() const;
  /// `{"metadata","cells","heads","version"}` of what is on disk or, while the document builds, of the file.
  [[nodiscard]] std::string notebook_json();
  [[nodiscard]] std::uint64_t cell_count() const;
  /// The notebook's own metadata, of the document or, while that builds, of the file. Valid until the next edit.
  [[nodiscard]] std::string_view metadata_json() const;
  /// The document may be saved and compacted: nothing more will be edited.
  void close();

 private:
  struct Staged {  // an edit that is applied and waits for the journal
    std::vector<std::string> chunks;
    std::vector<document::Change> changes;
    std::uint64_t version = 0;
    std::string source, by, author, id;  // by: JSON
    std::uint64_t sender = 0;            // connection that has the chunks already; 0 = none
    document::LoggedEdit logged;
    std::vector<document::EditStep> steps;
    Direction direction = Direction::none;
    bool author_knows = true;           // its reply says what changed, or it made the chunks
    UniqueFunction<void(Status)> told;  // the author's reply
  };
  void build();
  /// `journaled`: whether its first snapshot is on disk.
  void built_with(Result<document::NotebookDocument> document, Status journaled);
  void transacted(Invocation invocation, Result<document::AppliedTransaction> applied);
  void taken_back(Invocation invocation, Direction direction, Result<document::AppliedTransaction> applied);
  /// Tells the stacks of an edit that was just applied.
  void note_for_undo(const std::string& author, const std::vector<document::EditStep>& steps, Direction direction);
  void restored(Invocation invocation, Restored from, Result<document::AppliedTransaction> applied);
  /// Runs `edit`, here or on a worker, then `finish` here.
  void make(std::shared_ptr<document::LongEdit> edit, Task finish);
  void made();
  /// What a client's applied changes wait for the journal as; the client counts as editing now.
  Staged staged_of(const Client& client, std::uint64_t connection, document::AppliedChanges applied);
  void stage(Staged staged);
  /// What a member's transaction waits for the journal as.
  Staged staged_of(MemberId number, document::AppliedTransaction applied);
  void flush();
  void written(Status status, std::vector<Staged> batch);
  void rewrite(std::vector<Staged> batch);
  void start_rewrite();
  void rewritten(Status status, std::size_t covered);
  void refuse_edits(Error why);
  /// Makes `safe_` for those who wait for quiet while there is none to come.
  void show_what_is_safe();
  /// `written`: batches_written_ when it was begun; the disk may have worked for a moment since.
  void made_safe(Result<document::NotebookDocument> safe, std::uint64_t written);
  void publish(Staged& staged);
  void compact();
  void run_waiting(const Status& status);
  [[nodiscard]] bool quiet() const { return !making_ && staged_.empty() && batches_written_ == batches_; }
  void run_quiet();
  void refuse(Connection& connection, std::string_view id, Error error, std::span<const std::string> chunks);
  void answer_changes(std::uint64_t connection, const std::string& id, const std::string& client_id,
                      Result<CommandReply> answer);
  void apply_chunks(Connection& connection, const std::string& id, std::vector<std::string> chunks);
  void changes_applied(const std::string& client_id, std::uint64_t connection, const std::string& id,
                       document::AppliedChanges applied);
  void sync_refused(Connection& connection, const Error& why);
  /// Tells every sync conversation what is new, when all of it is on disk.
  void pump_syncs();
  void pump_sync(Connection& connection);
  std::string by_json(MemberId member) const;

  LiveSession& session_;
  std::optional<document::NotebookDocument> document_;
  std::optional<Error> failed_;  // why there is no document and never will be
  struct Waiting {
    UniqueFunction<void(Status)> work;
  };
  std::deque<Waiting> waiting_;
  Timer patience_, retry_, cache_kept_, shown_first_;
  std::vector<Staged> staged_;
  std::deque<std::pair<std::uint64_t, Task>> durable_waiters_;  // run when the batch with this number is written
  std::vector<Task> quiet_waiters_;
  std::uint64_t batches_ = 0, batches_written_ = 0;
  std::map<std::string, document::UndoStack> undo_;  // by client id
  bool flush_due_ = false, pump_due_ = false;
  bool making_ = false;                        // a worker makes a long edit
  std::deque<std::vector<Staged>> unwritten_;  // batches a failed journal may have lost, until a rewrite has them
  std::optional<Error> refusing_;              // why edits are refused: the disk takes nothing, memory must not fill
  std::optional<document::NotebookDocument> safe_;  // with refusing_: without what is staged or unwritten
  bool making_safe_ = false;
  std::uint64_t published_ = 1;       // the version that everybody was told of last
  std::uint64_t snapshot_bytes_ = 0;  // of the journal's snapshot and sidecar
  std::string notebook_cache_;        // notebook_json() of cached_version_
  std::uint64_t cached_version_ = 0;
};

}  // namespace lectern::session
