#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "document/change_hash.hpp"
#include "document/edit_step.hpp"
#include "document/limits.hpp"
#include "document/notebook_changes.hpp"

namespace lectern::document {

/// One cell of a file, as a format plugin read it. `_json` members are JSON objects, kept byte for byte.
struct CellInput {
  std::string id;
  std::string cell_type;  ///< "code", "markdown" or "raw"
  std::string source;
  std::string metadata_json = "{}";
  std::string attachments_json = "{}";        ///< nbformat attachments; kept beside the document, not in it
  std::string execution_count_json = "null";  ///< "null" or a JSON integer
};

struct NotebookInput {
  std::vector<CellInput> cells;
  std::string metadata_json = "{}";
};

/// One cell of the live notebook.
struct Cell {
  std::string id;
  std::string cell_type;
  std::string position;  ///< fractional index, uppercase hex; cells are ordered by (position, id)
  std::string source;
  std::string metadata_json;
  std::string attachments_json;
  std::string execution_count_json;
  std::uint64_t source_length = 0;   ///< of `source`, in Unicode code points
  std::uint64_t source_version = 0;  ///< the document's version when `source` last changed
};

/// What a raw change chunk says about itself, learned without applying it.
struct ChangeInfo {
  ChangeHash hash;
  std::string actor;  ///< lowercase hex of the actor's bytes
  std::uint64_t seq = 0;
  std::uint64_t start_op = 0;
  std::uint64_t op_count = 0;
  std::vector<ChangeHash> deps;
  std::string message;
};

/// A change that names what is gone. It was not made, but for a new cell or an order of cells of which only a part of
/// what they name is gone: then that part counts for nothing.
struct DroppedChange {
  std::size_t index = 0;  ///< in the list that was submitted
  std::string reason;
};

struct AppliedTransaction {
  /// Raw change chunks, in order: what the journal keeps and document=changes clients receive.
  /// Empty when everything was dropped or nothing differed.
  std::vector<std::string> chunks;
  std::vector<ChangeHash> hashes;  ///< one per chunk
  std::uint64_t version = 0;       ///< rises by one when `chunks` is not empty
  /// What happened, in the order in which a reader of the previous version applies it: anchors are
  /// resolved, splices are at indices of this version, nothing in it can be dropped.
  std::vector<Change> applied;
  /// The same in the smallest steps: every source by splices, every new place by a move.
  std::vector<Change> told;
  std::vector<EditStep> steps;  ///< `told` with what it replaced
  std::vector<DroppedChange> dropped;
};

struct AppliedChanges {
  std::uint64_t version = 0;
  std::vector<Change> changes;      ///< the same edit as `AppliedTransaction::applied` would say it
  std::vector<std::string> chunks;  ///< those of the submission that were new, in the order applied
  std::vector<ChangeHash> hashes;   ///< of `chunks`
  std::vector<ChangeHash> known;    ///< those that the document already had
  std::vector<EditStep> steps;      ///< `changes` in the smallest steps, with what they replaced
};

/// Counters for tests and metrics: how much work edits cost.
struct DocumentWork {
  std::uint64_t patches = 0;       ///< read from the document engine
  std::uint64_t source_bytes = 0;  ///< of cell text written or moved by patches
  std::uint64_t materialised = 0;  ///< times a whole cell was read out of the engine
  std::uint64_t rebuilds = 0;      ///< after a failure inside the engine
};

/// The state of one Automerge sync conversation with one connection. Make a new one per connection.
/// Keep it no longer than the NotebookDocument it came from.
class SyncSession {
 public:
  SyncSession(SyncSession&&) noexcept;
  SyncSession& operator=(SyncSession&&) noexcept;
  ~SyncSession();

  struct State;  // internal

 private:
  friend class NotebookDocument;
  explicit SyncSession(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

/// An edit that was begun. What it has to do inside the engine can be done by a worker, while the cells stay readable.
class LongEdit {
 public:
  ~LongEdit();
  /// [any] That would keep a reactor for longer than a turn should last.
  bool large() const;
  /// [any] Does it. A call that finds another one at it waits; one that comes later returns at once.
  void run();

 private:
  friend class NotebookDocument;
  struct Work;
  explicit LongEdit(std::unique_ptr<Work> work);
  std::unique_ptr<Work> work_;
};

/// The live notebook: cells and metadata for readers, and under them one Automerge document with
/// Who may have made changes that are new: one actor, any of several, or, with nullopt, anybody (the host's own
/// journal).
class Authors {
 public:
  Authors(std::nullopt_t) {}
  Authors(std::string_view actor) : actors_{{std::string(actor)}} {}
  Authors(const std::string& actor) : actors_{{actor}} {}
  Authors(std::vector<std::string> actors) : actors_(std::move(actors)) {}

  [[nodiscard]] bool anybody() const { return !actors_; }
  /// Also of what the engine derives from an actor for edits at earlier heads.
  [[nodiscard]] bool include(std::string_view actor) const;

 private:
  std::optional<std::vector<std::string>> actors_;
};

/// nteract's schema 5 and its frozen first change. No locks: it lives on one reactor, and may be
/// built on a worker and moved there. Actors are lowercase hex text of the actor's bytes.
/// Metadata keeps the JSON text it came with; an edit rewrites only the value it names.
class NotebookDocument {
 public:
  /// [worker] Builds the document of a file. The cells become one change under `import_actor`, so
  /// that the same import gives the same change. Errors: 422 malformed (bad JSON, a repeated or
  /// empty cell id, an unknown cell type), 413 too_large.
  static Result<NotebookDocument> import(const NotebookInput& input, std::string_view import_actor,
                                         const DocumentLimits& limits = {});

  /// [worker] Loads save bytes. `sidecar` is what sidecar() gave, for this save or for a state some changes earlier or
  /// later: it restores JSON text byte for byte where it says what the document says, and once apply_changes() has
  /// brought the document to where it does. Pass "" without one. Errors: 422 malformed_document, 422 malformed.
  static Result<NotebookDocument> load(std::string_view save_bytes, std::string_view sidecar = {},
                                       const DocumentLimits& limits = {});

  NotebookDocument(NotebookDocument&&) noexcept;
  NotebookDocument& operator=(NotebookDocument&&) noexcept;
  ~NotebookDocument();

  // ---- reading [reactor]; references hold until the next call that edits -------------------------

  const std::vector<const Cell*>& cells() const;  ///< in document order
  const Cell* find_cell(std::string_view cell_id) const;
  const std::string& metadata_json() const;
  std::uint64_t version() const;                                                 ///< 1 after import or load
  const std::vector<ChangeHash>& heads() const;                                  ///< sorted
  std::optional<std::vector<ChangeHash>> heads_at(std::uint64_t version) const;  ///< nullopt: gone
  bool contains(const ChangeHash& hash) const;
  /// How many operations the history has: what loading it costs time and memory for.
  std::uint64_t operations() const;
  const DocumentWork& work() const;
  const DocumentLimits& limits() const;

  /// [reactor] Whole document, Automerge save format. Some milliseconds at 100,000 edits.
  Result<std::string> save();
  /// [reactor] JSON text of everything whose bytes the document itself cannot keep. See load().
  std::string sidecar() const;
  /// [reactor] Raw chunks that a holder of `heads` lacks. Errors: 404 unknown_heads when one of
  /// them is not in this history; then only a sync session helps.
  Result<std::vector<std::string>> changes_since(std::span<const ChangeHash> heads);

  // ---- editing [reactor] ------------------------------------------------------------------------

  /// Applies a list of edits as one transaction authored by `actor`: whole or not at all.
  /// What refers to something gone is dropped and named. `base_version` is needed by SpliceSource:
  /// its index counts in the source at that version and is merged with what happened since.
  /// Errors: 400 invalid_change, 400 base_required, 409 base_gone, 409 stale_base (details: cell_id,
  /// source, source_hash), 413 too_large, 422 contradiction, 500 document_failed (nothing applied;
  /// the document stays usable).
  Result<AppliedTransaction> apply_transaction(std::string_view actor, const std::vector<Change>& changes,
                                               std::optional<std::uint64_t> base_version = std::nullopt);

  /// [any] Whether these chunks are read and applied within a reactor's turn, by what they say of themselves. Finding
  /// out is quick itself.
  static bool quick_to_read(std::span<const std::string> chunks);

  /// [any] Reads raw change chunks without applying them. Errors: 422 malformed_change (details:
  /// index), 413 too_large.
  static Result<std::vector<ChangeInfo>> inspect_changes(std::span<const std::string> chunks,
                                                         const DocumentLimits& limits = {});

  /// Applies raw change chunks, all or none. Chunks the document has are ignored, whoever sends them. Errors: 422
  /// malformed_change, 403 foreign_actor, 409 unknown_dependency (each with details.hashes), 413 too_large. A change
  /// that makes the engine fail is malformed_change too: the document is rebuilt without it; 500 document_failed when
  /// even that fails.
  Result<AppliedChanges> apply_changes(std::span<const std::string> chunks, const Authors& authors);

  /// Either of the two in three steps: begin, LongEdit::run(), finish. Between the first and the last no other edit may
  /// be begun, and whatever else needs the engine (saving, changes, syncing) waits for the work, or does it. A document
  /// may go meanwhile; the edit is then of no use. Begin tells what is wrong with the submission, finish the rest. Of
  /// changes that take long to read, and of sync messages, finish tells all.
  Result<std::shared_ptr<LongEdit>> begin_transaction(std::string_view actor, const std::vector<Change>& changes,
                                                      std::optional<std::uint64_t> base_version = std::nullopt);
  Result<AppliedTransaction> finish_transaction(LongEdit& edit);
  Result<std::shared_ptr<LongEdit>> begin_changes(std::span<const std::string> chunks, const Authors& authors);
  Result<AppliedChanges> finish_changes(LongEdit& edit);
  /// sync_receive() in the same steps. `session` may go meanwhile.
  Result<std::shared_ptr<LongEdit>> begin_sync(SyncSession& session, std::string_view message, const Authors& authors);
  Result<AppliedChanges> finish_sync(LongEdit& edit);

  // ---- sync sessions, for clients whose heads the host does not know [reactor] --------------------

  SyncSession open_sync();
  /// The next message for the peer; empty when there is nothing to say. A message that was
  /// generated must be delivered, or the session thrown away.
  Result<std::string> sync_generate(SyncSession& session);
  /// Errors: as apply_changes, and 422 malformed_sync.
  Result<AppliedChanges> sync_receive(SyncSession& session, std::string_view message, const Authors& authors);

 private:
  friend class LongEdit;
  struct State;
  explicit NotebookDocument(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace lectern::document
