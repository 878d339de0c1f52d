// What stands behind NotebookDocument: the engine, the live cells beside it, the versions, and what it takes to make
// the engine's document again after a failure inside it. Private to this folder.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "document/live_cells.hpp"
#include "document/notebook_document.hpp"
#include "document/transaction_plan.hpp"

namespace lectern::document {

/// The bytes an actor's hex text stands for. Errors: 400 invalid_actor.
Result<std::string> actor_bytes(std::string_view actor);

/// What a reactor reads itself: the engine takes a microsecond or two for each character that comes or goes, and a
/// change that says so little of itself may be made of millions.
inline constexpr std::uint64_t kFewCharacters = 10'000;
inline constexpr std::size_t kQuickBytes = 32U << 10U;
DocumentLimits quick_limits();

/// Of one submission. Errors: 413 too_large.
Status check_count(std::size_t chunks, const DocumentLimits& limits);
/// What is wrong with chunk `index`, which could not be read.
Error unreadable(const Outcome& outcome, std::size_t index);

/// How many versions back a transaction may be based on.
inline constexpr std::size_t kVersionsKept = 4096;

/// A transaction on its way through the engine.
struct Transacting {
  std::string actor;  // bytes
  TransactionPlan plan;
  std::optional<std::uint64_t> base_version;
  std::vector<Chunk> chunks;
  std::vector<Patch> late_patches, patches;
  Status status;
};

/// Raw changes on their way through the engine.
struct Applying {
  std::vector<std::string> submitted;
  Authors authors = std::nullopt;
  bool is_read = false;  // of what takes long to read, the worker does it
  std::vector<ChangeInfo> infos;
  Engine::Changes read;
  std::vector<std::string_view> fresh;  // of `submitted`
  AppliedChanges done;
  std::vector<Patch> patches;
  Status status;
};

/// A change of a sync conversation that came before what it builds on.
struct HeldChange {
  std::string bytes;
  ChangeInfo info;
};

struct SyncSession::State {
  Engine::SyncHandle handle{lam_sync_new()};
  std::vector<HeldChange> held;
  std::vector<ChangeHash> missing;  // what the next message asks for: what those build on that nobody has here
};

/// A sync message on its way through the engine.
struct Syncing {
  std::shared_ptr<SyncSession::State> session;
  std::string message;
  Applying applying;
};

struct NotebookDocument::State {
  State(Engine made, const DocumentLimits& bounds) : engine(std::move(made)), limits(bounds) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  /// The edit that was begun last and is not finished. While it runs, `engine`, `base` and `recent` are the worker's.
  std::shared_ptr<LongEdit> begun;
  /// `operations`: how many the engine will make. Errors: 503 busy.
  Result<std::shared_ptr<LongEdit>> begin(std::variant<Transacting, Applying, Syncing> edit, std::uint64_t operations);
  /// The engine is ours again: waits for the edit that was begun, or does its work.
  void settle();

  Engine engine;
  DocumentLimits limits;
  LiveCells cells;
  DocumentWork work;

  std::vector<ChangeHash> heads;
  std::uint64_t version = 0;
  std::deque<std::vector<ChangeHash>> versions;  // heads of the last versions; the newest last

  // The engine's document is always base + recent; `base` empty stands for the frozen first change alone.
  std::string base;
  std::vector<std::string> recent;
  std::size_t recent_bytes = 0;

  Status refresh_heads();
  void remember(std::vector<Chunk> chunks);
  /// The next version, with the heads the engine has now.
  Status advance(std::vector<Chunk> chunks);
  /// Makes the engine's document anew from base and recent; the live cells already say what it holds.
  Status rebuild();
  /// After any engine call that failed where it should not have: rebuilds, then reports.
  tl::unexpected<Error> recovered(const Outcome& outcome, std::string_view doing);
  /// Shows `patches` to the cells; reads everything anew where they do not fit.
  Status show(const std::vector<Patch>& patches, const StagedMetadata& staged, std::vector<Change>& changes);

  // What an edit does inside the engine, on whatever thread; then what it does to the cells.
  void make(Transacting& edit);
  Result<AppliedTransaction> finish(Transacting& edit);
  /// Decodes what was submitted, unless that was done.
  Status read(Applying& edit) const;
  void make(Applying& edit);
  Result<AppliedChanges> finish(Applying& edit);
  void make(Syncing& edit);
  Result<AppliedChanges> finish(Syncing& edit) { return finish(edit.applying); }

 private:
  Outcome run(const EngineOp& op);
  /// Ends in an error with the engine as it was, or with the late splices committed.
  Status splice_late(Transacting& edit);
  Status transact(Transacting& edit);
  Status apply(Applying& edit);
  Status sync(Syncing& edit);
};

struct LongEdit::Work {
  std::mutex mutex;
  NotebookDocument::State* state = nullptr;  // null once the work is done, or nobody wants it any more
  bool large = false;
  std::variant<Transacting, Applying, Syncing> edit;
};

}  // namespace lectern::document
