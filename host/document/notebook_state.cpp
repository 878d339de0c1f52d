#include "document/notebook_state.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"
#include "document/cell_id.hpp"

namespace lectern::document {
namespace {

constexpr std::size_t kRecentBytes = 4U << 20U;
// The front of an actor that the engine derives for edits at earlier heads.
constexpr std::string_view kConcurrentActor = "13b22309";

template <class Hashes>
std::string hash_details(const Hashes& hashes) {
  std::string details;
  json::Writer writer(details);
  writer.begin_object().key("hashes").begin_array();
  for (const auto& hash : hashes) writer.string(hash.hex());
  writer.end_array().end_object();
  return details;
}

std::string hash_list(const std::vector<ChangeHash>& hashes) {
  std::string text;
  for (std::size_t i = 0; i < hashes.size() && i < 4; ++i) text += (i == 0 ? "" : ", ") + hashes[i].hex();
  return hashes.size() > 4 ? text + " and others" : text;
}

// A cell that patches touch. `start` is its source before `splices`.
struct Touched {
  bool here = false;
  std::size_t before = 0;  // bytes
  std::string_view start;
  std::size_t at_most = 0;  // bytes, had the splices removed nothing
  std::vector<const Patch*> splices;

  void begin(std::string_view source) {
    here = true;
    start = source;
    at_most = source.size();
    splices.clear();
  }
  [[nodiscard]] std::size_t bytes() const {
    std::string source(start);
    for (const auto* splice : splices) {
      const auto from = text::byte_offset(source, splice->index);
      const auto to = text::byte_offset(source, splice->index + splice->delete_count);
      source.replace(from, to - from, splice->text.value_or(""));
    }
    return source.size();
  }
};

Error past_limit(std::string_view what, std::uint64_t limit, std::string_view setting) {
  return {413, "too_large",
          std::string(what) + " " + std::to_string(limit) + " (the setting " + std::string(setting) + ")",
          "return to the host's heads", ""};
}

// What a notebook's file may not have would not be opened again. What was past a limit before may stay and shrink.
// Takes as long as the patches are, and at a limit as long as the sources they touch.
Status check_growth(const std::vector<Patch>& patches, const LiveCells& cells, const DocumentLimits& limits) {
  std::unordered_map<std::string_view, Touched> touched;
  const auto of = [&](std::string_view id) -> Touched& {
    const auto [entry, is_new] = touched.try_emplace(id);
    if (const auto* cell = is_new ? cells.find(id) : nullptr) {
      entry->second.begin(cell->source);
      entry->second.before = cell->source.size();
    }
    return entry->second;
  };
  const auto before = cells.ordered().size();
  auto count = before;
  for (const auto& patch : patches) {
    if (patch.kind == LAM_PATCH_CELL_PUT) {
      auto& cell = of(patch.cell->id);
      if (!cell.here) ++count;
      cell.begin(patch.cell->source);
    } else if (patch.kind == LAM_PATCH_CELL_REMOVED) {
      if (std::exchange(of(patch.cell_id).here, false)) --count;
    } else if (patch.kind == LAM_PATCH_SOURCE || patch.kind == LAM_PATCH_SPLICE) {
      auto& cell = of(patch.cell_id);
      if (!cell.here) continue;
      if (patch.kind == LAM_PATCH_SOURCE) {
        cell.begin(patch.text ? std::string_view(*patch.text) : std::string_view());
      } else {
        cell.at_most += patch.text ? patch.text->size() : 0;
        cell.splices.push_back(&patch);
      }
    }
  }
  if (count > limits.max_cells && count > before) {
    return fail(past_limit("the notebook would have more cells than", limits.max_cells, "max-notebook-cells"));
  }
  for (const auto& [id, cell] : touched) {
    if (!cell.here || cell.at_most <= limits.max_source_bytes) continue;
    if (const auto bytes = cell.bytes(); bytes > limits.max_source_bytes && bytes > cell.before) {
      return fail(past_limit("a source would have more bytes than", limits.max_source_bytes, "max-cell-bytes"));
    }
  }
  return {};
}

// Other programs refuse a file that has another one; see is_cell_id().
Status check_new_ids(const std::vector<Patch>& patches, const LiveCells& cells) {
  for (const auto& patch : patches) {
    if (patch.kind != LAM_PATCH_CELL_PUT || cells.may_make(patch.cell->id)) continue;
    return fail(422, "bad_cell_id", "the id \"" + text::label(patch.cell->id, 80) + "\" " + std::string(cell_id_rule),
                "return to the host's heads, and give the new cell another id");
  }
  return {};
}

// The patches that lead from `cells` to `now`, as far as check_growth() reads them.
std::vector<Patch> put_all(std::vector<Cell> now, const LiveCells& cells) {
  std::vector<Patch> patches;
  for (const auto* cell : cells.ordered()) {
    auto& gone = patches.emplace_back();
    gone.kind = LAM_PATCH_CELL_REMOVED;
    gone.cell_id = cell->id;
  }
  for (auto& cell : now) {
    auto& put = patches.emplace_back();
    put.kind = LAM_PATCH_CELL_PUT;
    put.cell = std::move(cell);
  }
  return patches;
}

}  // namespace

Status check_count(std::size_t chunks, const DocumentLimits& limits) {
  if (chunks <= limits.max_chunks_per_batch) return {};
  return fail(413, "too_large",
              std::to_string(chunks) + " changes in one batch; " + std::to_string(limits.max_chunks_per_batch) +
                  " are allowed");
}

Error unreadable(const Outcome& outcome, std::size_t index) {
  const bool large = outcome.status == LAM_TOO_LARGE;
  return {large ? 413 : 422, large ? "too_large" : "malformed_change",
          "chunk " + std::to_string(index) + ": " + outcome.message, large ? "split the edit" : "",
          R"({"index":)" + std::to_string(index) + "}"};
}

bool Authors::include(std::string_view actor) const {
  if (!actors_) return true;
  return std::any_of(actors_->begin(), actors_->end(), [&](std::string_view author) {
    return actor == author || (actor.starts_with(kConcurrentActor) && actor.ends_with(author) && !author.empty());
  });
}

Status NotebookDocument::State::refresh_heads() {
  if (const auto outcome = engine.heads(heads); !outcome) return fail(500, "document_failed", outcome.message);
  return {};
}

void NotebookDocument::State::remember(std::vector<Chunk> chunks) {
  for (auto& chunk : chunks) {
    recent_bytes += chunk.bytes.size();
    recent.push_back(std::move(chunk.bytes));
  }
  if (recent_bytes < kRecentBytes + base.size()) return;
  std::string saved;
  if (!engine.save(saved)) return;  // the next call that needs the engine rebuilds from what is kept
  base = std::move(saved);
  recent.clear();
  recent_bytes = 0;
}

Status NotebookDocument::State::advance(std::vector<Chunk> chunks) {
  ++version;
  remember(std::move(chunks));
  LECTERN_CHECK(refresh_heads());
  versions.push_back(heads);
  if (versions.size() > kVersionsKept) versions.pop_front();
  return {};
}

Status NotebookDocument::State::rebuild() {
  ++work.rebuilds;
  std::string error;
  auto fresh = base.empty() ? Engine::create(error) : Engine::load(base, error);
  if (!fresh) return fail(500, "document_failed", "the document could not be rebuilt: " + error);
  const std::vector<std::string_view> chunks(recent.begin(), recent.end());
  if (const auto outcome = fresh->apply(chunks, DocumentLimits::unbounded()); !outcome) {
    return fail(500, "document_failed", "the document could not be rebuilt: " + outcome.message);
  }
  engine = std::move(*fresh);
  return {};
}

tl::unexpected<Error> NotebookDocument::State::recovered(const Outcome& outcome, std::string_view doing) {
  if (auto status = rebuild(); !status) return fail(std::move(status).error());
  return fail(500, "document_failed", std::string(doing) + " failed inside the document engine: " + outcome.message,
              "nothing was applied; the document is as it was");
}

Status NotebookDocument::State::show(const std::vector<Patch>& patches, const StagedMetadata& staged,
                                     std::vector<Change>& changes) {
  if (cells.apply(patches, staged, version + 1, changes, work)) return {};
  std::vector<Cell> all;
  std::string metadata;
  for (const auto& outcome : {engine.snapshot(all), engine.notebook_metadata(metadata)}) {
    if (!outcome) return recovered(outcome, "reading the document");
  }
  cells.resync(std::move(all), metadata, version + 1, changes, work);
  return {};
}

// ---- transactions ---------------------------------------------------------------------------------------------------

Outcome NotebookDocument::State::run(const EngineOp& op) {
  if (const auto* create = std::get_if<CreateOp>(&op)) return engine.create_cell(create->cell);
  if (const auto* gone = std::get_if<DeleteOp>(&op)) return engine.delete_cell(gone->cell_id);
  if (const auto* field = std::get_if<FieldOp>(&op)) return engine.set_field(field->cell_id, field->key, field->value);
  if (const auto* splice = std::get_if<SpliceSource>(&op)) {
    return engine.splice(splice->cell_id, splice->index, splice->delete_count, splice->insert);
  }
  const auto& metadata = std::get<MetadataOp>(op);
  return engine.set_metadata(metadata.cell_id, metadata.path, metadata.value);
}

Status NotebookDocument::State::splice_late(Transacting& edit) {
  auto& plan = edit.plan;
  const auto base_version = *edit.base_version;
  const auto& at = versions[versions.size() - 1 - (version - base_version)];
  if (const auto outcome = engine.begin(edit.actor, at); !outcome) return recovered(outcome, "the transaction");
  for (const auto& [index, splice] : plan.late) {
    const auto outcome = engine.splice(splice.cell_id, splice.index, splice.delete_count, splice.insert);
    if (outcome) continue;
    if (outcome.status == LAM_NOT_FOUND) {
      plan.dropped.push_back({index, "the cell was not there at base_version"});
      continue;
    }
    if (outcome.status != LAM_OUT_OF_RANGE) return recovered(outcome, "the transaction");
    engine.rollback();
    return fail(
        422, "out_of_range",
        "changes[" + std::to_string(index) + "]: at version " + std::to_string(base_version) + ": " + outcome.message);
  }
  if (const auto outcome = engine.commit(edit.chunks, &edit.late_patches); !outcome) {
    return recovered(outcome, "the transaction");
  }
  return {};
}

Status NotebookDocument::State::transact(Transacting& edit) {
  if (!edit.plan.late.empty()) LECTERN_CHECK(splice_late(edit));
  if (edit.plan.ops.empty()) return {};
  auto outcome = engine.begin(edit.actor, {});
  for (auto op = edit.plan.ops.begin(); outcome && op != edit.plan.ops.end(); ++op) outcome = run(*op);
  if (outcome) outcome = engine.commit(edit.chunks, &edit.patches);
  // The late splices are in the engine already; only making it anew takes them out again.
  if (!outcome) return recovered(outcome, "the transaction");
  return {};
}

void NotebookDocument::State::make(Transacting& edit) {
  edit.status = transact(edit);
}

Result<AppliedTransaction> NotebookDocument::State::finish(Transacting& edit) {
  LECTERN_CHECK(std::move(edit.status));
  auto& [actor, plan, base_version, chunks, late_patches, patches, status] = edit;
  AppliedTransaction done;
  done.dropped = std::move(plan.dropped);
  std::sort(done.dropped.begin(), done.dropped.end(),
            [](const DroppedChange& a, const DroppedChange& b) { return a.index < b.index; });
  if (!chunks.empty()) {
    LECTERN_CHECK(show(late_patches, {}, done.applied));
    done.told = done.applied;
    LECTERN_CHECK(show(patches, plan.staged, done.told));  // of `applied`, the plan says the rest in the author's words
    done.steps = cells.take_steps();
    for (auto& [owner, text] : plan.staged) cells.set_metadata_text(owner, std::move(text));
    std::move(plan.applied.begin(), plan.applied.end(), std::back_inserter(done.applied));
    for (const auto& chunk : chunks) {
      done.hashes.push_back(chunk.hash);
      done.chunks.push_back(chunk.bytes);
    }
    LECTERN_CHECK(advance(std::move(chunks)));
  }
  done.version = version;
  return done;
}

// ---- changes of others ----------------------------------------------------------------------------------------------

Status NotebookDocument::State::read(Applying& edit) const {
  if (std::exchange(edit.is_read, true)) return {};
  const auto bounds = edit.authors.anybody() ? DocumentLimits::unbounded() : limits;
  LECTERN_CHECK(check_count(edit.submitted.size(), bounds));
  const std::vector<std::string_view> chunks(edit.submitted.begin(), edit.submitted.end());
  if (const auto outcome = Engine::read(chunks, bounds, edit.infos, edit.read); !outcome) {
    return fail(unreadable(outcome, edit.infos.size()));
  }
  return {};
}

Status NotebookDocument::State::apply(Applying& edit) {
  LECTERN_CHECK(read(edit));
  auto& [submitted, authors, is_read, infos, changes, fresh, done, patches, status] = edit;
  std::vector<ChangeHash> foreign;
  std::unordered_set<std::string_view> seen;
  for (std::size_t i = 0; i < submitted.size(); ++i) {
    const auto& info = infos[i];
    if (engine.contains(info.hash)) {
      done.known.push_back(info.hash);
    } else if (seen.insert(info.hash.view()).second) {
      if (!authors.include(info.actor)) foreign.push_back(info.hash);
      fresh.push_back(submitted[i]);
      done.hashes.push_back(info.hash);
    }
  }
  if (!foreign.empty()) {
    return fail(403, "foreign_actor", "changes by an actor that was not issued to this client: " + hash_list(foreign),
                "return to the host's heads and author edits under the actor it issued", hash_details(foreign));
  }
  if (fresh.empty()) return {};

  const auto outcome = engine.apply(std::move(changes), !authors.anybody(), &patches);
  if (outcome.status == LAM_MISSING_DEPENDENCY) {
    return fail(409, "unknown_dependency", "changes build on some that are not here: " + hash_list(outcome.missing),
                "send the changes they build on too, or start a sync session", hash_details(outcome.missing));
  }
  if (outcome.broken()) LECTERN_CHECK(rebuild());
  if (!outcome) {
    return fail(outcome.status == LAM_TOO_LARGE ? 413 : 422,
                outcome.status == LAM_TOO_LARGE ? "too_large" : "malformed_change", outcome.message,
                "return to the host's heads", hash_details(done.hashes));
  }
  if (authors.anybody()) return {};
  std::vector<Patch> whole;
  if (!patches.empty() && patches.front().kind == LAM_PATCH_RESYNC) {
    std::vector<Cell> now;
    if (const auto read_back = engine.snapshot(now); !read_back) return recovered(read_back, "reading the document");
    whole = put_all(std::move(now), cells);
  }
  const auto& made = whole.empty() ? patches : whole;
  auto fits = check_growth(made, cells, limits);
  if (fits) fits = check_new_ids(made, cells);
  if (!fits) {
    LECTERN_CHECK(rebuild());
    fits.error().details = hash_details(done.hashes);
    return fits;
  }
  return {};
}

void NotebookDocument::State::make(Applying& edit) {
  edit.status = apply(edit);
}

Result<AppliedChanges> NotebookDocument::State::finish(Applying& edit) {
  LECTERN_CHECK(std::move(edit.status));
  auto& done = edit.done;
  done.version = version;
  if (edit.fresh.empty()) return std::move(done);
  LECTERN_CHECK(show(edit.patches, {}, done.changes));
  done.steps = cells.take_steps();
  std::vector<Chunk> kept;
  for (std::size_t i = 0; i < edit.fresh.size(); ++i) {
    kept.push_back({done.hashes[i], std::string(edit.fresh[i])});
    done.chunks.emplace_back(edit.fresh[i]);
  }
  LECTERN_CHECK(advance(std::move(kept)));
  done.version = version;
  return std::move(done);
}

}  // namespace lectern::document
