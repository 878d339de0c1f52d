// Outside::rename and its like: the moves of a session's file that are the host's own doing.
#include <utility>

#include "base/log.hpp"
#include "base/workers.hpp"
#include "document/file_names.hpp"
#include "document/notebook_store.hpp"
#include "session/live_session.hpp"
#include "session/outside.hpp"
#include "session/saver.hpp"

namespace lectern::session {

struct Outside::Renamed {
  std::string path;
  std::shared_ptr<void> claim;    // nobody else makes or opens the new path
  document::NotebookLease lease;  // no other host does
  Status status;
};

Status Outside::stand_still() {
  const auto& notebook = session_.prepared().notebook;
  if (notebook.temporary) {
    return fail(423, "open_elsewhere", session_.path() + " is open in another host, and only read here",
                "rename it there, or end its session here first");
  }
  if (notebook.unwritable) return fail(Error(*notebook.unwritable));
  if (asks()) return fail(refusal());
  if (renaming_) {
    return fail(409, "busy", session_.path() + " is being renamed just now", "try again in a moment");
  }
  // From here on saves wait: what they would write could be at the old path.
  renaming_ = true;
  return {};
}

void Outside::rename(std::string path, Reply<bool> reply) {
  if (auto still = stand_still(); !still) return reply(fail(std::move(still).error()));
  session_.services().workers->submit(
      [weak = session_.weak_from_this(), token = session_.at_work(), &loop = session_.loop(),
       store = session_.services().store, claim = session_.home().claim, from = session_.path(),
       notebook_id = session_.notebook_id(), session_id = session_.id(),
       state_dir = session_.prepared().notebook.state_dir, path = std::move(path), reply = std::move(reply)]() mutable {
        Renamed renamed;
        const auto work = [&]() -> Status {
          LECTERN_TRY(renamed.claim, claim(path));
          LECTERN_TRY(renamed.lease, store->lease_for(path));
          return store->rename_open(from, path, notebook_id, session_id, state_dir,
                                    [&] { return document::rename_entry(from, path); });
        };
        renamed.status = work();
        renamed.path = std::move(path);
        loop.post([weak, renamed = std::move(renamed), reply = std::move(reply)]() mutable {
          const auto session = weak.lock();
          if (session && !session->ended()) {
            session->outside().renamed(std::move(renamed), std::move(reply));
          } else if (renamed.status) {
            reply(true);  // it ended meanwhile; its notebook is where it was asked to be
          } else {
            reply(fail(std::move(renamed.status).error()));
          }
        });
      });
}

void Outside::renamed(Renamed renamed, Reply<bool> reply) {
  renaming_ = false;
  if (!renamed.status) {
    if (renamed.status.error().code == "not_found") vanished();  // the watch may have said so meanwhile
    soon();
    reply(fail(std::move(renamed.status).error()));
  } else if (!session_.follow(renamed.path, true)) {
    reply(fail(409, "path_open", renamed.path + " is open here already", "look at the running sessions"));
    renamed.lease = {};
    renamed.claim.reset();
    moved(renamed.path);
  } else {
    session_.prepared().notebook.lease = std::move(renamed.lease);
    session_.take_file_lease({});  // it names the old path; the look that follows takes another one
    watch_here();
    log::info("session", "the file of a session was renamed to " + renamed.path);
    soon();
    reply(true);
  }
  session_.saver().go_on();
}

void Outside::goes_along(std::string path, document::NotebookLease lease) {
  Renamed now;
  now.path = std::move(path);
  now.lease = std::move(lease);
  renamed(std::move(now), [](const Result<bool>&) {});
}

void Outside::stays() {
  renaming_ = false;
  soon();
  session_.saver().go_on();
}

}  // namespace lectern::session
