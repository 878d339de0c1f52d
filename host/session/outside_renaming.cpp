// Outside::rename: the one move of a session's file that is the session's own doing.
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

void Outside::rename(std::string path, Reply<bool> reply) {
  const auto& notebook = session_.prepared().notebook;
  if (notebook.temporary) {
    return reply(fail(423, "open_elsewhere", session_.path() + " is open in another host, and only read here",
                      "rename it there"));
  }
  if (notebook.unwritable) return reply(fail(Error(*notebook.unwritable)));
  if (asks()) return reply(fail(refusal()));
  if (renaming_) {
    return reply(fail(409, "busy", session_.path() + " is being renamed just now", "try again in a moment"));
  }
  // From here on saves wait: what they would write could be at the old path.
  renaming_ = true;
  session_.services().workers->submit(
      [weak = session_.weak_from_this(), token = session_.at_work(), &loop = session_.loop(),
       store = session_.services().store, claim = session_.home().claim, from = session_.path(),
       notebook_id = session_.notebook_id(), session_id = session_.id(), state_dir = notebook.state_dir,
       path = std::move(path), reply = std::move(reply)]() mutable {
        Renamed renamed;
        const auto work = [&]() -> Status {
          LECTERN_TRY(renamed.claim, claim(path));
          LECTERN_TRY(renamed.lease, store->lease_for(path));
          LECTERN_CHECK(document::rename_entry(from, path));
          store->moved(notebook_id, session_id, state_dir, path);
          return {};
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

}  // namespace lectern::session
