// What stands behind NotebookDocument: the engine, the live cells beside it, the versions, and what it takes to make
// the engine's document again after a failure inside it. Private to this folder.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "document/live_cells.hpp"
#include "document/notebook_document.hpp"
#include "document/transaction_plan.hpp"

namespace lectern::document {

/// How many versions back a transaction may be based on.
inline constexpr std::size_t kVersionsKept = 4096;

struct NotebookDocument::State {
  State(Engine made, const DocumentLimits& bounds) : engine(std::move(made)), limits(bounds) {}

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

  Result<AppliedTransaction> transact(std::string_view actor_bytes, TransactionPlan plan,
                                      std::optional<std::uint64_t> base_version);
  Result<AppliedChanges> apply(std::span<const std::string> chunks, std::optional<std::string_view> author);

 private:
  Outcome run(const EngineOp& op);
  /// Ends in an error with the engine as it was, or with the late splices committed.
  Status splice_late(std::string_view actor_bytes, TransactionPlan& plan, std::uint64_t base_version,
                     std::vector<Chunk>& chunks, std::vector<Patch>& patches);
};

}  // namespace lectern::document
