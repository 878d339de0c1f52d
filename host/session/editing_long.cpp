// Edits that would keep the reactor too long: a worker makes them, while everybody goes on reading.
#include <utility>

#include "base/workers.hpp"
#include "session/editing.hpp"
#include "session/live_session.hpp"

namespace lectern::session {

void Editing::edit(const std::string& actor, std::vector<document::Change> changes,
                   std::optional<std::uint64_t> base_version,
                   UniqueFunction<void(Result<document::AppliedTransaction>)> done) {
  if (making_) {
    waiting_.push_back(
        {[this, actor, changes = std::move(changes), base_version, done = std::move(done)](Status status) mutable {
          if (!status) return done(fail(status.error()));
          edit(actor, std::move(changes), base_version, std::move(done));
        }});
    return;
  }
  auto begun = document_->begin_transaction(actor, changes, base_version);
  if (!begun) return done(fail(begun.error()));
  make(*begun, [this, edit = *begun, done = std::move(done)]() mutable { done(document_->finish_transaction(*edit)); });
}

void Editing::make(std::shared_ptr<document::LongEdit> edit, Task finish) {
  if (!edit->large()) return finish();
  making_ = true;
  session_.services().workers->submit([weak = session_.weak_from_this(), edit = std::move(edit),
                                       finish = std::move(finish), token = session_.at_work(),
                                       &loop = session_.loop()]() mutable {
    edit->run();
    loop.post([weak, finish = std::move(finish)]() mutable {
      const auto session = weak.lock();
      if (!session) return;
      if (session->editing().flush_due_) session->editing().flush();  // see when_durable()
      session->editing().making_ = false;
      finish();
      session->editing().made();
    });
  });
}

// Whoever waited for quiet comes first, as always; without them, the edits that came meanwhile.
void Editing::made() {
  if (staged_.empty() && !flush_due_ && !durable_waiters_.empty()) flush();  // nothing came of it: nothing to wait for
  if (quiet_waiters_.empty()) return run_waiting({});
  run_quiet();
}

}  // namespace lectern::session
