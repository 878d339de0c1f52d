// Edits on their way to the disk: one append for each turn of the loop, and what is done while the disk takes nothing.
#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "base/workers.hpp"
#include "session/editing.hpp"
#include "session/ledger.hpp"
#include "session/live_session.hpp"
#include "session/notebook_import.hpp"
#include "session/saver.hpp"

namespace lectern::session {
namespace {

// Opening, and looking back, apply what is behind the snapshot change by change: some 15 us for each 100 bytes.
constexpr std::uint64_t compact_after = 1u << 20;
constexpr auto rewrite_retry = std::chrono::seconds(1);

}  // namespace

void Editing::flush() {
  flush_due_ = false;
  ++batches_;
  auto batch = std::exchange(staged_, {});
  if (!unwritten_.empty()) return rewrite(std::move(batch));
  std::vector<document::Record> records;
  for (const auto& staged : batch) {
    for (const auto& chunk : staged.chunks) records.push_back(document::Record::change(chunk));
  }
  auto done = [weak = session_.weak_from_this(), token = session_.at_work(), &loop = session_.loop(),
               batch = std::move(batch)](Status status) mutable {
    loop.post([weak, batch = std::move(batch), status = std::move(status)]() mutable {
      if (const auto session = weak.lock()) session->editing().written(std::move(status), std::move(batch));
    });
  };
  session_.prepared().journal->append(std::move(records), std::move(done));
}

void Editing::written(Status status, std::vector<Staged> batch) {
  if (!status) {
    log::error("session", "the journal of " + session_.path() + " failed: " + status.error().message);
    return rewrite(std::move(batch));
  }
  ++batches_written_;
  for (auto& staged : batch) publish(staged);
  pump_syncs();
  session_.saver().touched();
  while (!durable_waiters_.empty() && durable_waiters_.front().first <= batches_written_) {
    auto work = std::move(durable_waiters_.front().second);
    durable_waiters_.pop_front();
    work();
  }
  run_quiet();
  compact();
}

// After a failed fsync the file cannot be trusted; memory is the truth and becomes a new journal
// (document/journal.hpp).
void Editing::rewrite(std::vector<Staged> batch) {
  unwritten_.push_back(std::move(batch));
  if (unwritten_.size() == 1) start_rewrite();
}

void Editing::start_rewrite() {
  auto snapshot = document_->save();
  if (!snapshot) return rewritten(fail(snapshot.error()), unwritten_.size());
  auto done = [weak = session_.weak_from_this(), token = session_.at_work(), &loop = session_.loop(),
               covered = unwritten_.size()](Status status) mutable {
    loop.post([weak, covered, status = std::move(status)]() mutable {
      if (const auto session = weak.lock()) session->editing().rewritten(std::move(status), covered);
    });
  };
  session_.prepared().journal->rewrite(std::move(*snapshot), document_->sidecar(), {}, std::move(done));
}

// Until a rewrite succeeds nobody sees the edits; their authors are told that they are not safe. That is decided: the
// same id again must not make the edit twice.
void Editing::rewritten(Status status, std::size_t covered) {
  if (!status) {
    auto kept = status.error();
    kept.status = 507;
    kept.hint = "It is kept and appears when the disk works; do not send it again.";
    for (auto& batch : unwritten_) {
      for (auto& staged : batch) {
        if (staged.told) std::exchange(staged.told, {})(fail(kept));
      }
    }
    return refuse_edits(status.error());
  }
  safe_.reset();
  if (std::exchange(refusing_, std::nullopt)) session_.saver().journal_works();
  session_.ledger().recover();
  for (; covered > 0; --covered) {
    auto batch = std::move(unwritten_.front());
    unwritten_.pop_front();
    written({}, std::move(batch));
  }
  if (!unwritten_.empty()) start_rewrite();
}

void Editing::refuse_edits(Error why) {
  refusing_ = std::move(why);
  session_.saver().journal_failed(*refusing_);
  retry_.start(rewrite_retry, [this] { start_rewrite(); });
  run_quiet();
}

void Editing::show_what_is_safe() {
  if (making_ || std::exchange(making_safe_, true)) return;  // made() comes back to it
  auto bytes = document_->save();
  std::vector<std::string> unsafe;
  const auto take = [&unsafe](const std::vector<Staged>& batch) {
    for (const auto& staged : batch) unsafe.insert(unsafe.end(), staged.chunks.begin(), staged.chunks.end());
  };
  for (const auto& batch : unwritten_) take(batch);
  take(staged_);
  session_.services().workers->submit([weak = session_.weak_from_this(), token = session_.at_work(),
                                       &loop = session_.loop(), bytes = std::move(bytes), unsafe = std::move(unsafe),
                                       sidecar = document_->sidecar(), written = batches_written_,
                                       limits = document::DocumentLimits::of(session_.settings().file_limits)] {
    auto safe = bytes ? document_without(*bytes, sidecar, unsafe, limits) : fail(bytes.error());
    loop.post([weak, written, safe = std::move(safe)]() mutable {
      if (const auto session = weak.lock()) session->editing().made_safe(std::move(safe), written);
    });
  });
}

void Editing::made_safe(Result<document::NotebookDocument> safe, std::uint64_t written) {
  making_safe_ = false;
  if (!refusing_ || written != batches_written_) return run_quiet();  // which begins anew when it must
  if (!safe)
    return log::error("session", "what is safe of " + session_.path() + " cannot be shown: " + safe.error().message);
  safe_ = std::move(*safe);
  run_quiet();
}

void Editing::compact() {
  auto& journal = *session_.prepared().journal;
  if (session_.ended()) return;  // another host may have the notebook
  if (making_ || !unwritten_.empty() || journal.bytes_since_rewrite() < std::max(compact_after, 4 * snapshot_bytes_))
    return;
  auto snapshot = document_->save();
  if (!snapshot) return;
  auto sidecar = document_->sidecar();
  snapshot_bytes_ = snapshot->size() + sidecar.size();
  journal.rewrite(std::move(*snapshot), std::move(sidecar), {}, [](Status status) {
    if (!status) log::warning("session", "a journal could not be compacted: " + status.error().message);
  });
}

}  // namespace lectern::session
