// Edits in three steps, so that a worker may do what takes long.
#include <algorithm>
#include <utility>

#include "document/notebook_state.hpp"

namespace lectern::document {
namespace {

std::uint64_t characters(const SpliceSource& splice) {
  return splice.delete_count + splice.insert.size();
}

std::uint64_t characters(const TransactionPlan& plan) {
  std::uint64_t sum = 0;
  for (const auto& [index, splice] : plan.late) sum += characters(splice);
  for (const auto& op : plan.ops) {
    if (const auto* splice = std::get_if<SpliceSource>(&op)) sum += characters(*splice);
    if (const auto* create = std::get_if<CreateOp>(&op)) sum += create->cell.source.size();
  }
  return sum;
}

Error busy() {
  return {503, "busy", "another edit of this notebook is still being made", "try again in a moment", ""};
}

}  // namespace

DocumentLimits quick_limits() {
  DocumentLimits limits;
  limits.max_chunk_bytes = kQuickBytes;
  limits.max_inflated_bytes = 2 * kQuickBytes;
  limits.max_ops_per_change = kFewCharacters;
  return limits;
}

LongEdit::LongEdit(std::unique_ptr<Work> work) : work_(std::move(work)) {}
LongEdit::~LongEdit() = default;

bool LongEdit::large() const {
  return work_->large;
}

void LongEdit::run() {
  const std::lock_guard lock(work_->mutex);
  if (auto* state = std::exchange(work_->state, nullptr)) {
    std::visit([state](auto& edit) { state->make(edit); }, work_->edit);
  }
}

NotebookDocument::State::~State() {
  if (!begun) return;
  const std::lock_guard lock(begun->work_->mutex);  // a worker that is at it needs this state until it has done
  begun->work_->state = nullptr;
}

void NotebookDocument::State::settle() {
  if (begun) begun->run();
}

Result<std::shared_ptr<LongEdit>> NotebookDocument::State::begin(std::variant<Transacting, Applying, Syncing> edit,
                                                                 std::uint64_t operations) {
  if (begun) return fail(busy());
  auto made = std::make_unique<LongEdit::Work>();
  made->state = this;
  made->large = operations > kFewCharacters;
  made->edit = std::move(edit);
  begun = std::shared_ptr<LongEdit>(new LongEdit(std::move(made)));
  return begun;
}

Result<std::shared_ptr<LongEdit>> NotebookDocument::begin_transaction(std::string_view actor,
                                                                      const std::vector<Change>& changes,
                                                                      std::optional<std::uint64_t> base_version) {
  Transacting edit;
  LECTERN_TRY(edit.actor, actor_bytes(actor));
  if (base_version && !heads_at(*base_version)) {
    return fail(409, "base_gone",
                "base_version " + std::to_string(*base_version) +
                    " is not among the versions kept; the document is at " + std::to_string(version()),
                "read the current version and make the edit on it");
  }
  LECTERN_TRY(edit.plan, plan_transaction(state_->cells, state_->limits, changes, base_version));
  edit.base_version = base_version;
  const auto operations = characters(edit.plan);
  return state_->begin(std::move(edit), operations);
}

Result<AppliedTransaction> NotebookDocument::finish_transaction(LongEdit& edit) {
  edit.run();
  state_->begun.reset();
  return state_->finish(std::get<Transacting>(edit.work_->edit));
}

Result<AppliedTransaction> NotebookDocument::apply_transaction(std::string_view actor,
                                                               const std::vector<Change>& changes,
                                                               std::optional<std::uint64_t> base_version) {
  LECTERN_TRY(const auto edit, begin_transaction(actor, changes, base_version));
  return finish_transaction(*edit);
}

bool NotebookDocument::quick_to_read(std::span<const std::string> chunks) {
  std::size_t bytes = 0;
  for (const auto& chunk : chunks) bytes += chunk.size();
  if (bytes > kQuickBytes) return false;
  auto limits = quick_limits();
  constexpr std::uint64_t together = 16 * kQuickBytes;
  if (!chunks.empty()) limits.max_inflated_bytes = std::min(limits.max_inflated_bytes, together / chunks.size());
  std::uint64_t sum = 0;
  for (const auto& chunk : chunks) {
    std::uint64_t operations = 0;
    if (Engine::scan(chunk, limits, operations).status == LAM_TOO_LARGE) return false;
    sum += operations;
  }
  return sum <= kFewCharacters;
}

Result<std::shared_ptr<LongEdit>> NotebookDocument::begin_changes(std::span<const std::string> chunks,
                                                                  const Authors& authors) {
  Applying edit;
  edit.submitted.assign(chunks.begin(), chunks.end());
  edit.authors = authors;
  const bool quick = quick_to_read(chunks);
  if (quick) LECTERN_CHECK(state_->read(edit));
  return state_->begin(std::move(edit), quick ? 0 : UINT64_MAX);
}

Result<AppliedChanges> NotebookDocument::finish_changes(LongEdit& edit) {
  edit.run();
  state_->begun.reset();
  return state_->finish(std::get<Applying>(edit.work_->edit));
}

Result<AppliedChanges> NotebookDocument::apply_changes(std::span<const std::string> chunks, const Authors& authors) {
  LECTERN_TRY(const auto edit, begin_changes(chunks, authors));
  return finish_changes(*edit);
}

}  // namespace lectern::document
