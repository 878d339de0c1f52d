#include "session/folder_renaming.hpp"

#include <utility>

#include "base/log.hpp"
#include "document/file_names.hpp"
#include "session/live_session.hpp"
#include "session/outside.hpp"
#include "session/saver.hpp"

namespace lectern::session {
namespace {

/// One that is in the folder: its loop alone writes here until all loops are through, then a worker reads.
struct Passenger {
  std::shared_ptr<LiveSession> session;
  bool stands_still = false;  // an ended one does not: it has let go of its file
  Status status;
  std::string path;  // the new one
  document::NotebookLease lease;
};

class Journey : public std::enable_shared_from_this<Journey> {
 public:
  Journey(FolderRenaming what, Reply<bool> reply) : what_(std::move(what)), reply_(std::move(reply)) {
    passengers_.reserve(what_.sessions.size());
    for (auto& session : std::exchange(what_.sessions, {}))
      passengers_.push_back({std::move(session), false, {}, {}, {}});
  }

  void begin() {
    const auto all = when_all([self = shared_from_this()] { self->go(); });
    for (auto& one : passengers_) {
      one.session->loop().dispatch([self = shared_from_this(), &one, all] { self->stop(one, all); });
    }
  }

 private:
  using All = std::shared_ptr<void>;

  // The last copy that goes starts `next` on a worker: a session that ends meanwhile drops its own unanswered.
  All when_all(Task next) {
    return {nullptr,
            [workers = what_.workers, next = std::move(next)](void*) mutable { workers->submit(std::move(next)); }};
  }

  void stop(Passenger& one, const All& all) {
    auto& session = *one.session;
    if (session.ended()) return;
    session.saver().flush([this, &one, all](Status saved) {
      if (one.session->ended()) return;
      one.status = saved ? stand_still(one) : std::move(saved);
      one.stands_still = one.status.has_value();
    });
  }

  // While it saved it may have been renamed by itself, out of the folder.
  Status stand_still(Passenger& one) {
    const auto path = one.session->path();
    if (!path.starts_with(what_.from + "/")) {
      return fail(409, "busy", path + " was in " + what_.from + " until just now", "try again in a moment");
    }
    one.path = what_.to + path.substr(what_.from.size());
    return one.session->outside().stand_still();
  }

  void go() {
    auto done = check();
    if (done) done = rename();
    const auto all = when_all([self = shared_from_this(), done] { self->finish(done); });
    for (auto& one : passengers_) {
      if (!one.stands_still) continue;
      one.session->loop().post([self = shared_from_this(), &one, all, arrived = done.has_value()] {
        if (one.session->ended()) return;
        auto& outside = one.session->outside();
        arrived ? outside.goes_along(one.path, std::move(one.lease)) : outside.stays();
      });
    }
  }

  [[nodiscard]] Status check() const {
    for (const auto& one : passengers_) LECTERN_CHECK(one.status);
    return {};
  }

  Status rename() {
    for (auto& one : passengers_) {
      if (!one.stands_still) continue;
      LECTERN_TRY(one.lease, what_.store->lease_for(one.path));
    }
    return what_.store->rename_folder(what_.from, what_.to,
                                      [this] { return document::rename_entry(what_.from, what_.to); });
  }

  void finish(const Status& done) {
    what_.hold.reset();
    if (!done) return reply_(fail(Error(done.error())));
    log::info("session", what_.from + " was renamed to " + what_.to + " with " + std::to_string(passengers_.size()) +
                             " sessions in it");
    reply_(true);
  }

  FolderRenaming what_;
  Reply<bool> reply_;
  std::vector<Passenger> passengers_;
};

}  // namespace

void rename_folder(FolderRenaming what, Reply<bool> reply) {
  std::make_shared<Journey>(std::move(what), std::move(reply))->begin();
}

}  // namespace lectern::session
