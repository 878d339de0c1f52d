#include "session/directory.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "base/crypto.hpp"
#include "base/log.hpp"
#include "base/workers.hpp"
#include "document/path_policy.hpp"
#include "document/system_file.hpp"
#include "session/client_book.hpp"
#include "session/editing.hpp"
#include "session/folder_renaming.hpp"
#include "session/host_policy.hpp"
#include "session/live_session.hpp"
#include "session/preparing.hpp"
#include "session/referee.hpp"
#include "session/saver.hpp"
#include "session/trust_store.hpp"
#include "session/watch.hpp"

namespace lectern::session {
namespace {

constexpr auto patience_at_the_end = std::chrono::seconds(20);

Error draining() {
  return {503, "draining", "the server is shutting down", "try again when it is back", ""};
}

Error no_file(const std::string& relative) {
  return {404, "not_found", "there is no file " + relative, "look at GET /api/v1/files, or create it", ""};
}

Services with_shared(Services services) {
  services.clients = std::make_shared<ClientBook>();
  services.trust = std::make_shared<TrustStore>(services.state_dir);
  return services;
}

}  // namespace

// Guarded by a mutex, not by a loop of its own: what is looked up here is asked from HTTP threads, reactors and workers
// alike, and nothing is done while it is held.
struct Directory::State : std::enable_shared_from_this<State> {
  State(Services services_, Settings settings_, std::vector<Loop*> reactors_)
      : services(with_shared(std::move(services_))),
        settings(settings_),
        reactors(std::move(reactors_)),
        referee(std::make_shared<Referee>()),
        files(std::make_shared<FileWatch>()) {}

  struct Slot {
    std::shared_ptr<LiveSession> session;
    SessionSummary summary;
    std::string path;
    std::uint64_t order = 0;
    bool ending = false;
    bool shown = false;  // it has begun, and its first summary has come
  };
  struct Asker {
    Reply<SessionPtr> reply;
    OpenHow how;
  };
  struct Opening {
    std::vector<Asker> askers;
  };
  struct FolderMove {
    std::string from, to;
    [[nodiscard]] bool holds(const std::string& path) const {
      return document::is_at_or_below(path, from) || document::is_at_or_below(path, to);
    }
    [[nodiscard]] bool meets(const FolderMove& other) const {
      return holds(other.from) || holds(other.to) || other.holds(from) || other.holds(to);
    }
  };
  using Claim = std::shared_ptr<void>;

  const Services services;
  const Settings settings;
  const std::vector<Loop*> reactors;
  const std::shared_ptr<Referee> referee;
  const std::shared_ptr<FileWatch> files;
  mutable std::mutex mutex;
  std::condition_variable fewer;
  std::map<std::string, Slot, std::less<>> slots;
  std::map<std::string, Opening> openings;              // by path: one open for all who want it
  std::map<std::string, std::vector<Asker>> after_end;  // by path: waiting for the old one to end, or for a claim
  std::set<std::string> claimed;                        // paths that somebody writes a file to, or makes a notebook at
  std::vector<FolderMove> folder_moves;                 // of folders that get another name just now
  std::shared_ptr<HostPolicy> policy;                   // shared: sessions answer it from their reactors
  std::function<void()> changed;
  Counters ended_counters;
  std::uint64_t next = 0;
  std::size_t alive = 0;  // LiveSession objects and tokens
  bool drain = false;

  void tell_changed() {
    std::function<void()> callback;
    {
      const std::scoped_lock lock(mutex);
      callback = changed;
    }
    if (callback) callback();
  }

  Home home() {
    Home made;
    made.referee = referee;
    made.files = files;
    made.moved = [weak = weak_from_this()](const std::string& id, const std::string& path, bool by_claim) {
      const auto self = weak.lock();
      return self && self->move(id, path, by_claim);
    };
    made.claim = [weak = weak_from_this()](const std::string& path) -> Result<Claim> {
      const auto self = weak.lock();
      if (!self) return fail(draining());
      return self->claim(path);
    };
    made.try_again = [weak = weak_from_this()](const std::string& id) {
      if (const auto self = weak.lock()) self->try_again(id);
    };
    made.summary = [weak = weak_from_this()](const SessionSummary& row) {
      if (const auto self = weak.lock()) self->summarize(row);
    };
    made.ending = [weak = weak_from_this()](const std::string& id) {
      const auto self = weak.lock();
      if (!self) return;
      const std::scoped_lock lock(self->mutex);
      if (const auto it = self->slots.find(id); it != self->slots.end()) it->second.ending = true;
    };
    made.at_work = [self = shared_from_this()] { return self->token(); };
    made.ended = [weak = weak_from_this()](const std::string& id, const Counters& counted) {
      if (const auto self = weak.lock()) self->forget(id, counted);
    };
    return made;
  }

  void summarize(const SessionSummary& row) {
    {
      const std::scoped_lock lock(mutex);
      const auto it = slots.find(row.session_id);
      if (it == slots.end()) return;
      it->second.summary = row;
      it->second.shown = true;
    }
    tell_changed();
  }

  bool move(const std::string& id, const std::string& path, bool by_claim) {
    const std::scoped_lock lock(mutex);
    const auto it = slots.find(id);
    if (it == slots.end() || openings.contains(path)) return false;
    if (!by_claim && (claimed.contains(path) || in_move(path))) return false;
    for (const auto& [other, slot] : slots) {
      if (slot.path == path) return false;
    }
    it->second.path = path;
    return true;
  }

  Result<Claim> claim(const std::string& path) {
    const std::scoped_lock lock(mutex);
    for (const auto& [id, slot] : slots) {
      if (slot.path != path) continue;
      std::string details;
      json::Writer(details).begin_object().member("session_id", id).end_object();
      return fail(409, "path_open", path + " is open in this host", "save it there, or choose another name",
                  std::move(details));
    }
    if (openings.contains(path) || in_move(path) || !claimed.insert(path).second) {
      return fail(409, "path_open", path + " is being opened or written by somebody else just now",
                  "try again in a moment, or choose another name");
    }
    return Claim(nullptr, [self = shared_from_this(), path](void*) { self->unclaim(path); });
  }

  Hold hold() {
    return [self = shared_from_this()](const std::string& path) { return self->claim(path); };
  }

  void unclaim(const std::string& path) {
    {
      const std::scoped_lock lock(mutex);
      claimed.erase(path);
    }
    open_waiting(path);
  }

  /// With the mutex held.
  [[nodiscard]] bool in_move(const std::string& path) const {
    return std::any_of(folder_moves.begin(), folder_moves.end(), [&](const auto& move) { return move.holds(path); });
  }

  void rename_folder(FolderMove move, Reply<bool> reply) {
    FolderRenaming what{move.from, move.to, {}, {}, services.store, services.workers};
    const auto begin = [&]() -> Status {
      const std::scoped_lock lock(mutex);
      LECTERN_TRY(what.sessions, sessions_to_go_along(move));
      folder_moves.push_back(move);
      return {};
    };
    if (auto begun = begin(); !begun) return reply(fail(std::move(begun).error()));
    what.hold = {nullptr, [self = shared_from_this(), token = token(), move = std::move(move)](void*) {
                   self->folder_moved(move);
                 }};
    session::rename_folder(std::move(what), std::move(reply));
  }

  /// With the mutex held.
  Result<std::vector<std::shared_ptr<LiveSession>>> sessions_to_go_along(const FolderMove& move) const {
    if (drain) return fail(draining());
    const auto busy = [](const std::string& path) {
      return fail(409, "busy", path + " is being opened, written or renamed just now", "try again in a moment");
    };
    for (const auto& other : folder_moves) {
      if (move.meets(other)) return busy(other.from);
    }
    for (const auto& path : claimed) {
      if (move.holds(path)) return busy(path);
    }
    for (const auto& [path, opening] : openings) {
      if (move.holds(path)) return busy(path);
    }
    std::vector<std::shared_ptr<LiveSession>> found;
    for (const auto& [id, slot] : slots) {
      if (document::is_at_or_below(slot.path, move.to)) {
        return fail(409, "path_open", slot.path + " is open here, and its file is gone",
                    "end its session first, or choose another name");
      }
      if (!document::is_at_or_below(slot.path, move.from)) continue;
      if (!slot.shown) return busy(slot.path);
      found.push_back(slot.session);
    }
    return found;
  }

  void folder_moved(const FolderMove& move) {
    std::vector<std::string> waiting;
    {
      const std::scoped_lock lock(mutex);
      std::erase_if(folder_moves, [&](const auto& one) { return one.from == move.from && one.to == move.to; });
      for (const auto& [path, askers] : after_end) {
        if (move.holds(path)) waiting.push_back(path);
      }
    }
    for (const auto& path : waiting) open_waiting(path);
  }

  void open_waiting(const std::string& path) {
    std::vector<Asker> again;
    {
      const std::scoped_lock lock(mutex);
      const auto waiting = after_end.find(path);
      if (waiting == after_end.end()) return;
      again = std::move(waiting->second);
      after_end.erase(waiting);
    }
    for (auto& asker : again) open(path, std::move(asker));
  }

  // The notebook is opened beside the session that only reads it, which has no locks, and then takes its place.
  void try_again(const std::string& id) {
    services.workers->submit([self = shared_from_this(), token = token(), id] {
      std::string path;
      {
        const std::scoped_lock lock(self->mutex);
        const auto it = self->slots.find(id);
        if (it == self->slots.end() || it->second.ending || self->drain) return;
        path = it->second.path;
        if (self->in_move(path) || !self->openings.try_emplace(path).second) return;
      }
      const auto where = self->services.paths->resolve(path);
      auto prepared = where ? self->prepare([&](const PolicyChoice& choice) {
        return prepare_open(self->services, self->settings, choice, *where, false);
      })
                            : fail(where.error());
      const auto session = self->find(id);
      if (!prepared || prepared->notebook.unwritable || !session) {
        return self->answer_openings(path, fail(prepared ? draining() : prepared.error()));
      }
      session->end("SHUTDOWN", [self, path, again = std::move(prepared)](Result<bool>) mutable {
        self->begin(path, std::move(again), {});
      });
    });
  }

  void forget(const std::string& id, const Counters& counted) {
    std::shared_ptr<LiveSession> last;  // let go outside the lock
    std::string path;
    {
      const std::scoped_lock lock(mutex);
      const auto it = slots.find(id);
      if (it == slots.end()) return;
      path = it->second.path;
      ended_counters += counted;
      last = std::move(it->second.session);
      slots.erase(it);
    }
    open_waiting(path);
    tell_changed();
  }

  // Held by work on other threads that will post to a reactor; ~Directory waits until all are gone.
  std::shared_ptr<void> token() {
    const std::scoped_lock lock(mutex);
    ++alive;
    return {nullptr, [self = shared_from_this()](void*) { self->one_less(); }};
  }

  void one_less() {
    const std::scoped_lock lock(mutex);
    --alive;
    fewer.notify_all();
  }

  // A session's parts are of its loop, so its last holder, on whatever thread, sends it there to die.
  std::shared_ptr<LiveSession> make_session(std::string id) {
    Loop* loop = nullptr;
    std::uint64_t order = 0;
    {
      const std::scoped_lock lock(mutex);
      if (id.empty() || slots.contains(id)) id = crypto::uuid();
      order = next++;
      loop = reactors[order % reactors.size()];
      ++alive;
    }
    auto made = std::make_unique<LiveSession>(std::move(id), *loop, services, settings, home());
    return {made.release(), [loop, self = shared_from_this()](LiveSession* session) {
              loop->post([gone = std::unique_ptr<LiveSession>(session), self]() mutable {
                gone.reset();
                self->one_less();
              });
            }};
  }

  void open(std::string path, Asker asker) {
    services.workers->submit([self = shared_from_this(), token = token(), path = std::move(path),
                              asker = std::move(asker)]() mutable { self->open_on_worker(path, std::move(asker)); });
  }

  [[nodiscard]] std::optional<document::ResolvedPath> found_since_crash(const std::string& path) const {
    const auto whole = (std::filesystem::path(services.paths->root()) / path).lexically_normal().string();
    const auto now = services.store->place_since_crash(whole);
    if (now.empty()) return std::nullopt;
    auto where = services.paths->resolve(now);
    if (!where || where->kind != document::PathKind::file) return std::nullopt;
    return std::move(*where);
  }

  void open_on_worker(const std::string& path, Asker asker) {
    auto where = services.paths->resolve(path);
    if (!where || where->kind == document::PathKind::missing) {
      if (auto since = found_since_crash(path)) where = std::move(*since);
    }
    if (!where) return asker.reply(fail(where.error()));
    if (where->kind == document::PathKind::folder && asker.how.create) {
      auto prepared = prepare([&](const PolicyChoice& choice) {
        return prepare_untitled(services, settings, choice, where->path, hold());
      });
      const auto made = prepared ? prepared->notebook.path : std::string();
      return begin(made, std::move(prepared), std::move(asker.reply));
    }
    SessionPtr found;
    const auto how = asker.how;
    const bool may_begin = how.create || where->kind != document::PathKind::missing;
    {
      const std::scoped_lock lock(mutex);
      if (drain) return asker.reply(fail(draining()));
      if (claimed.contains(where->path) || in_move(where->path)) {
        after_end[where->path].push_back(std::move(asker));
        return;
      }
      for (auto& [id, slot] : slots) {
        if (slot.path != where->path) continue;
        if (slot.ending) {
          after_end[where->path].push_back(std::move(asker));
          return;
        }
        // One that its reactor has not begun knows nothing of its notebook yet: who opens it waits with its opener.
        if (slot.shown) found = slot.session;
      }
      const bool first = !openings.contains(where->path);
      if (!found && (may_begin || !first)) {
        openings[where->path].askers.push_back(std::move(asker));
        if (!first) return;
      }
    }
    // Moved away above only when nothing was found, and something may begin.
    if (found) return asker.reply(std::move(found));                     // NOLINT(bugprone-use-after-move)
    if (!may_begin) return asker.reply(fail(no_file(where->relative)));  // NOLINT(bugprone-use-after-move)
    auto prepared = prepare(
        [&](const PolicyChoice& choice) { return prepare_open(services, settings, choice, *where, how.watch); });
    begin(where->path, std::move(prepared), {});
  }

  /// [worker] Prepares with the host's policy, and notes which that was.
  template <class Prepare>
  Result<Prepared> prepare(Prepare with) const {
    const auto now = policy->now();
    Result<Prepared> prepared = with(now.choice);
    if (prepared) prepared->policy_round = now.round;
    return prepared;
  }

  void answer_openings(const std::string& path, const Result<SessionPtr>& result) {
    std::vector<Asker> askers;
    {
      const std::scoped_lock lock(mutex);
      if (const auto it = openings.find(path); it != openings.end()) {
        askers = std::move(it->second.askers);
        openings.erase(it);
      }
    }
    const bool taken = !result && result.error().code == "open_elsewhere";
    const bool asked_to_watch = !askers.empty() && askers.front().how.watch;
    for (auto& asker : askers) {
      // Who would watch waited for somebody who would not.
      taken&& asker.how.watch && !asked_to_watch ? open(path, std::move(asker)) : asker.reply(result);
    }
  }

  // `created` is set for a new notebook: it is answered when its file is there. Until then the path is claimed, and who
  // opens it waits.
  void begin(const std::string& path, Result<Prepared> prepared, Reply<SessionPtr> created) {
    const auto give_up = [&](Error error) {
      if (created) return created(fail(std::move(error)));
      answer_openings(path, fail(std::move(error)));
    };
    if (!prepared) return give_up(prepared.error());
    auto session = make_session(prepared->notebook.session_id);
    {
      const std::scoped_lock lock(mutex);
      if (!drain) {
        auto& slot = slots[session->id()];
        slot.session = session;
        slot.path = path;
        slot.order = next;
      }
    }
    if (!find(session->id())) return give_up(draining());
    auto& loop = session->loop();
    loop.post([self = shared_from_this(), session = std::move(session), path,
               claim = std::exchange(prepared->claim, {}), prepared = std::move(*prepared),
               created = std::move(created)]() mutable {
      const auto round = prepared.policy_round;
      session->begin(std::move(prepared));
      self->policy->began(session, round);
      if (!created) return self->answer_openings(path, SessionPtr(session));
      self->finish_creation(session, std::move(claim), std::move(created));
    });
  }

  static void finish_creation(const std::shared_ptr<LiveSession>& session, Claim claim, Reply<SessionPtr> created) {
    session->editing().when_built(
        [session, claim = std::move(claim), created = std::move(created)](Status status) mutable {
          auto saved = [session, claim = std::move(claim), created = std::move(created)](Status written) mutable {
            if (written) {
              claim.reset();
              return created(SessionPtr(session));
            }
            auto* dying = session.get();  // a create that fails leaves no session behind
            dying->end("SESSION_ENDED", [claim = std::move(claim), created = std::move(created),
                                         error = written.error()](Result<bool>) mutable {
              claim.reset();
              created(fail(std::move(error)));
            });
          };
          if (!status) return saved(std::move(status));
          session->saver().document_built();
          session->saver().flush(std::move(saved));
        });
  }

  void create(CreateRequest request, Reply<SessionPtr> reply) {
    services.workers->submit(
        [self = shared_from_this(), token = token(), request = std::move(request), reply = std::move(reply)]() mutable {
          auto prepared = self->prepare([&](const PolicyChoice& choice) {
            return prepare_create(self->services, self->settings, choice, request, self->hold());
          });
          const auto path = prepared ? prepared->notebook.path : std::string();
          self->begin(path, std::move(prepared), std::move(reply));
        });
  }

  std::shared_ptr<LiveSession> find(std::string_view id) const {
    const std::scoped_lock lock(mutex);
    const auto it = slots.find(id);
    return it == slots.end() ? nullptr : it->second.session;
  }

  std::vector<SessionPtr> all() const {
    return sessions_if([](const Slot&) { return true; });
  }
  std::vector<SessionPtr> begun() const {
    return sessions_if([](const Slot& slot) { return slot.shown; });
  }

  template <class Wanted>
  std::vector<SessionPtr> sessions_if(Wanted wanted) const {
    const std::scoped_lock lock(mutex);
    std::vector<const Slot*> order;
    for (const auto& [id, slot] : slots) {
      if (wanted(slot)) order.push_back(&slot);
    }
    std::sort(order.begin(), order.end(), [](const Slot* a, const Slot* b) { return a->order < b->order; });
    std::vector<SessionPtr> out;
    out.reserve(order.size());
    for (const auto* slot : order) out.push_back(slot->session);
    return out;
  }
};

Directory::Directory(Services services, Settings settings, std::vector<Loop*> reactors)
    : state_(std::make_shared<State>(std::move(services), std::move(settings), std::move(reactors))) {
  HostPolicy::Host host;
  host.registry = state_->services.registry;
  host.workers = state_->services.workers;
  // Not owning: the state owns what would call it.
  host.begun = [weak = std::weak_ptr(state_)] {
    const auto state = weak.lock();
    return state ? state->begun() : std::vector<SessionPtr>();
  };
  host.at_work = [weak = std::weak_ptr(state_)] {
    const auto state = weak.lock();
    return state ? state->token() : nullptr;
  };
  const auto& settled = state_->settings;
  state_->policy = std::make_shared<HostPolicy>(PolicyChoice{settled.policy, settled.policy_config}, std::move(host));
}

Directory::~Directory() {
  on_changed({});
  end_all("SHUTDOWN", [] {});
  std::unique_lock lock(state_->mutex);
  const bool gone = state_->fewer.wait_for(lock, patience_at_the_end, [this] { return state_->alive == 0; });
  if (!gone)
    log::error("session", std::to_string(state_->alive) + " sessions did not end in time; their journals are whole");
  lock.unlock();
  // A decision still under way would be posted to a reactor that may be gone by then: our state may outlive us in
  // tasks.
  state_->referee->close();
  state_->files->stop();
}

void Directory::open(std::string path, Reply<SessionPtr> reply, OpenHow how) {
  state_->open(std::move(path), {std::move(reply), how});
}

void Directory::create(CreateRequest request, Reply<SessionPtr> reply) {
  {
    const std::scoped_lock lock(state_->mutex);
    if (state_->drain) return reply(fail(draining()));
  }
  state_->create(std::move(request), std::move(reply));
}

SessionPtr Directory::find(std::string_view session_id) const {
  return state_->find(session_id);
}

std::vector<SessionSummary> Directory::list() const {
  const std::scoped_lock lock(state_->mutex);
  std::vector<const State::Slot*> order;
  for (const auto& [id, slot] : state_->slots) {
    if (slot.shown) order.push_back(&slot);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->order < b->order; });
  std::vector<SessionSummary> out;
  out.reserve(order.size());
  for (const auto* slot : order) out.push_back(slot->summary);
  return out;
}

std::vector<SessionPtr> Directory::sessions() const {
  return state_->all();
}

Counters Directory::ended_counters() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->ended_counters;
}

Result<std::shared_ptr<void>> Directory::claim(const std::string& path) {
  return state_->claim(path);
}

void Directory::rename_folder(std::string from, std::string to, Reply<bool> reply) {
  state_->rename_folder({std::move(from), std::move(to)}, std::move(reply));
}

void Directory::end(std::string_view session_id, std::string reason, Reply<bool> reply) {
  const auto session = state_->find(session_id);
  if (!session) {
    return reply(fail(404, "session_not_found", "there is no session '" + std::string(session_id.substr(0, 80)) + "'",
                      "GET /api/v1/sessions lists them"));
  }
  session->end(std::move(reason), std::move(reply));
}

void Directory::end_all(std::string reason, Task done) {
  {
    const std::scoped_lock lock(state_->mutex);
    state_->drain = true;
  }
  struct Countdown {
    std::atomic<std::size_t> left;
    Task done;
  };
  auto all = state_->all();
  auto countdown = std::make_shared<Countdown>();  // shared by every session's answer
  countdown->left = all.size() + 1;
  countdown->done = std::move(done);
  const auto one_less = [countdown] {
    if (--countdown->left == 0) countdown->done();
  };
  for (const auto& session : all) session->end(reason, [one_less](Result<bool>) { one_less(); });
  one_less();
}

PolicyChoice Directory::default_policy() const {
  return state_->policy->now().choice;
}

void Directory::set_policy(PolicyChoice choice, Reply<json::Value> reply) {
  state_->policy->swap(std::move(choice), std::move(reply));
}

void Directory::renew_policy(std::string id, UniqueFunction<void(json::Array)> done) {
  state_->policy->renew(std::move(id), std::move(done));
}

void Directory::on_changed(std::function<void()> callback) {
  const std::scoped_lock lock(state_->mutex);
  state_->changed = std::move(callback);
}

}  // namespace lectern::session
