// The public face: what is asked goes to the library's thread, and the blocking calls wait for it.
#include "lectern/client/session.hpp"

#include <array>
#include <condition_variable>
#include <mutex>
#include <random>

#include "live.hpp"
#include "utf8.hpp"

namespace lectern::client {
namespace {

/// Waits for the one call of the callback that `start` is given.
template <class T, class Start>
Result<T> wait(Start start) {
  if (net::Loop::get().here()) {
    return Error{0, "would_block", "a call that waits was made on the library's own thread", "use its async_ twin", {}};
  }
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Result<T>> result;
  };
  const auto state = std::make_shared<State>();
  start([state](Result<T> result) {
    const std::lock_guard lock(state->mutex);
    state->result.emplace(std::move(result));
    state->changed.notify_all();
  });
  std::unique_lock lock(state->mutex);
  state->changed.wait(lock, [&] { return state->result.has_value(); });
  return std::move(*state->result);
}

/// The answer, but for what is in it.
Callback<Json> without_result(Callback<void> done) {
  return [done = std::move(done)](Result<Json> reply) { done(reply ? Status() : Status(reply.error())); };
}

/// Of a transaction of one change: an error when it was dropped.
Callback<Transaction> must_apply(Callback<void> done) {
  return [done = std::move(done)](Result<Transaction> made) {
    if (!made) return done(made.error());
    if (made->dropped.empty()) return done({});
    done(Error{404, "dropped", "the edit was dropped: " + made->dropped.front().reason, {}, {}});
  };
}

Result<Transaction> transaction_from(const Json& reply) {
  Transaction made;
  made.version = static_cast<std::uint64_t>(std::max<std::int64_t>(reply["version"].integer().value_or(0), 0));
  if (const auto* dropped = reply["dropped"].as_array()) {
    for (const auto& one : *dropped) {
      const auto index = std::max<std::int64_t>(one["index"].integer().value_or(0), 0);
      made.dropped.push_back({static_cast<std::size_t>(index), one["reason"].text()});
    }
  }
  return made;
}

/// Runs `work` with the session on the library's thread.
template <class Work>
void on_loop(const std::shared_ptr<Live>& live, Work work) {
  net::Loop::get().post([live, work = std::move(work)]() mutable { work(*live); });
}

}  // namespace

std::string new_cell_id() {
  static constexpr char digits[] = "0123456789abcdef";
  std::random_device source;
  std::string id;
  for (int word = 0; word < 2; ++word) {
    auto bits = source();
    for (int i = 0; i < 6; ++i, bits >>= 4) id += digits[bits & 15];
  }
  return id;
}

Subscription::Subscription() = default;
Subscription::Subscription(std::shared_ptr<Entry> entry) : entry_(std::move(entry)) {}
Subscription::Subscription(Subscription&&) noexcept = default;
Subscription& Subscription::operator=(Subscription&& other) noexcept {
  Subscription old(std::move(*this));
  entry_ = std::move(other.entry_);
  return *this;
}
Subscription::~Subscription() {
  if (!entry_) return;
  if (net::Loop::get().here()) {
    entry_->alive = false;
    return;
  }
  const std::lock_guard lock(entry_->mutex);
  entry_->alive = false;
}

Session::Session(std::shared_ptr<Live> live) : live_(std::move(live)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&& other) noexcept {
  Session old(std::move(*this));
  live_ = std::move(other.live_);
  return *this;
}
Session::~Session() {
  if (!live_) return;
  close();
  // Its timers and its TLS are the loop's: gone before we are, because the process may end next.
  auto& loop = net::Loop::get();
  if (loop.here()) {
    loop.post([live = std::move(live_)] {});
    return;
  }
  (void)wait<void>([&](Callback<void> done) {
    loop.post([live = std::move(live_), done = std::move(done)]() mutable {
      live.reset();
      done({});
    });
  });
}
void Session::close() {
  if (net::Loop::get().here()) return on_loop(live_, [](Live& live) { live.close([] {}); });
  (void)wait<void>([this](Callback<void> done) {
    on_loop(live_, [done = std::move(done)](Live& live) { live.close([done] { done({}); }); });
  });
}

// -- looking -------------------------------------------------------------------------------------------------

ConnectionInfo Session::info() const {
  return live_->look([](const View& view) { return view.info; });
}
std::vector<Cell> Session::cells() const {
  return live_->look([](const View& view) { return view.notebook.cells; });
}
Result<Cell> Session::cell(const std::string& cell_id) const {
  return live_->look([&](const View& view) -> Result<Cell> {
    if (const auto* cell = view.notebook.find(cell_id)) return *cell;
    return Error{404, "unknown_cell", "there is no cell '" + cell_id + "'", {}, {}};
  });
}
std::uint64_t Session::version() const {
  return live_->look([](const View& view) { return view.notebook.version; });
}
bool Session::can_edit() const {
  return live_->look([](const View& view) { return view.can_edit(); });
}
std::optional<std::uint64_t> Session::epoch() const {
  return live_->look([](const View& view) { return view.epoch; });
}
std::optional<Person> Session::editor() const {
  return live_->look([](const View& view) { return view.notebook.editor; });
}
bool Session::connected() const {
  return live_->look([](const View& view) { return view.connected; });
}
std::optional<Error> Session::ended() const {
  return live_->look([](const View& view) { return view.ended; });
}
void Session::read(const std::function<void(const View&)>& look) const {
  live_->look([&](const View& view) { look(view); });
}

// -- hearing -------------------------------------------------------------------------------------------------

Subscription Session::subscribe(std::function<void(const Event&)> hear) {
  return Subscription(live_->subscribe(std::move(hear)));
}
void Session::async_wait_for(std::function<bool(const View&)> condition, std::optional<Milliseconds> timeout,
                             Callback<void> done) {
  on_loop(live_, [condition = std::move(condition), timeout, done = std::move(done)](Live& live) mutable {
    live.wait_for(std::move(condition), timeout, std::move(done));
  });
}
Status Session::wait_for(std::function<bool(const View&)> condition, std::optional<Milliseconds> timeout) {
  return wait<void>([&](Callback<void> done) { async_wait_for(std::move(condition), timeout, std::move(done)); });
}

// -- commands ------------------------------------------------------------------------------------------------

void Session::async_command(const std::string& name, Json body, Callback<Json> done) {
  on_loop(live_, [name = std::string(name), body = std::move(body), done = std::move(done)](Live& live) mutable {
    live.command(std::move(name), std::move(body), std::move(done));
  });
}
Result<Json> Session::command(const std::string& name, Json body) {
  return wait<Json>([&](Callback<Json> done) { async_command(name, std::move(body), std::move(done)); });
}

void Session::async_transaction(std::vector<Json> changes, std::optional<std::uint64_t> base_version,
                                Callback<Transaction> done) {
  auto body = Json().set("changes", Json::Array(std::move(changes)));
  if (base_version) body.set("base_version", *base_version);
  async_command("transaction", std::move(body), [done = std::move(done)](Result<Json> reply) {
    done(reply ? transaction_from(*reply) : Result<Transaction>(reply.error()));
  });
}
Result<Transaction> Session::transaction(std::vector<Json> changes, std::optional<std::uint64_t> base_version) {
  return wait<Transaction>(
      [&](Callback<Transaction> done) { async_transaction(std::move(changes), base_version, std::move(done)); });
}

void Session::async_create_cell(const std::string& source, const std::string& cell_type, const Place& place,
                                Callback<Cell> done) {
  const auto id = new_cell_id();
  async_transaction({change::create_cell(id, source, cell_type, place)}, {},
                    [id, weak = std::weak_ptr(live_), done = std::move(done)](Result<Transaction> made) {
                      if (!made) return done(made.error());
                      // A host that was asked again after its restart had it already, and says so by dropping it.
                      const auto live = weak.lock();
                      const auto cell = live ? live->look([&](const View& view) -> std::optional<Cell> {
                        const auto* found = view.notebook.find(id);
                        return found != nullptr ? std::optional(*found) : std::nullopt;
                      })
                                             : std::nullopt;
                      if (cell) return done(*cell);
                      const auto why = made->dropped.empty() ? "it is gone already" : made->dropped.front().reason;
                      done(Error{404, "dropped", "the new cell was dropped: " + why, {}, {}});
                    });
}
Result<Cell> Session::create_cell(const std::string& source, const std::string& cell_type, const Place& place) {
  return wait<Cell>([&](Callback<Cell> done) { async_create_cell(source, cell_type, place, std::move(done)); });
}

void Session::async_set_source(const std::string& cell_id, const std::string& source, Callback<void> done) {
  async_transaction({change::set_source(cell_id, source)}, {}, must_apply(std::move(done)));
}
Status Session::set_source(const std::string& cell_id, const std::string& source) {
  return wait<void>([&](Callback<void> done) { async_set_source(cell_id, source, std::move(done)); });
}

void Session::async_splice(const std::string& cell_id, std::uint64_t index, std::uint64_t remove,
                           const std::string& insert, std::optional<std::uint64_t> base_version, Callback<void> done) {
  async_transaction({change::splice_source(cell_id, index, remove, insert)},
                    base_version ? base_version : std::optional(version()), must_apply(std::move(done)));
}
Status Session::splice(const std::string& cell_id, std::uint64_t index, std::uint64_t remove, const std::string& insert,
                       std::optional<std::uint64_t> base_version) {
  return wait<void>(
      [&](Callback<void> done) { async_splice(cell_id, index, remove, insert, base_version, std::move(done)); });
}

void Session::async_move_cell(const std::string& cell_id, const Place& place, Callback<void> done) {
  async_transaction({change::move_cell(cell_id, place)}, {}, must_apply(std::move(done)));
}
Status Session::move_cell(const std::string& cell_id, const Place& place) {
  return wait<void>([&](Callback<void> done) { async_move_cell(cell_id, place, std::move(done)); });
}

void Session::async_delete_cell(const std::string& cell_id, Callback<void> done) {
  async_transaction({change::delete_cell(cell_id)}, {}, [done = std::move(done)](Result<Transaction> made) {
    done(made ? Status() : Status(made.error()));
  });
}
Status Session::delete_cell(const std::string& cell_id) {
  return wait<void>([&](Callback<void> done) { async_delete_cell(cell_id, std::move(done)); });
}

void Session::async_execute(std::vector<std::string> cell_ids, std::optional<Milliseconds> timeout,
                            Callback<std::vector<Execution>> done) {
  on_loop(live_, [cell_ids = std::move(cell_ids), timeout, done = std::move(done)](Live& live) mutable {
    live.execute(cell_ids, timeout, std::move(done));
  });
}
Result<std::vector<Execution>> Session::execute(std::vector<std::string> cell_ids,
                                                std::optional<Milliseconds> timeout) {
  return wait<std::vector<Execution>>(
      [&](Callback<std::vector<Execution>> done) { async_execute(std::move(cell_ids), timeout, std::move(done)); });
}

void Session::async_run(const std::string& source, std::optional<Milliseconds> timeout, Callback<Execution> done) {
  async_create_cell(source, "code", {}, [weak = std::weak_ptr(live_), timeout, done](Result<Cell> made) {
    const auto live = weak.lock();
    if (!made || !live) return done(made ? Error{0, "ended", "the session ended", {}, {}} : made.error());
    live->execute({made->id}, timeout, [done](Result<std::vector<Execution>> ran) {
      if (!ran) return done(ran.error());
      if (ran->empty()) return done(Error{404, "unknown_cell", "the new cell is gone already", {}, {}});
      done(std::move(ran->front()));
    });
  });
}
Result<Execution> Session::run(const std::string& source, std::optional<Milliseconds> timeout) {
  return wait<Execution>([&](Callback<Execution> done) { async_run(source, timeout, std::move(done)); });
}

void Session::async_interrupt(Callback<void> done) {
  async_command("interrupt", Json::Object{}, without_result(std::move(done)));
}
Status Session::interrupt() {
  return wait<void>([&](Callback<void> done) { async_interrupt(std::move(done)); });
}
void Session::async_restart(Callback<void> done) {
  async_command("restart", Json::Object{}, without_result(std::move(done)));
}
Status Session::restart() {
  return wait<void>([&](Callback<void> done) { async_restart(std::move(done)); });
}
void Session::async_answer_input(const std::string& request_id, const std::string& value, Callback<void> done) {
  async_command("input", Json().set("request_id", request_id).set("value", value), without_result(std::move(done)));
}
Status Session::answer_input(const std::string& request_id, const std::string& value) {
  return wait<void>([&](Callback<void> done) { async_answer_input(request_id, value, std::move(done)); });
}

void Session::async_takeover(TakeoverOptions options, Callback<Grant> done) {
  on_loop(live_, [options = std::move(options), done = std::move(done)](Live& live) mutable {
    live.takeover(options, std::move(done));
  });
}
Result<Grant> Session::takeover(TakeoverOptions options) {
  return wait<Grant>([&](Callback<Grant> done) { async_takeover(std::move(options), std::move(done)); });
}
void Session::async_answer_takeover(std::uint64_t request_id, bool allow, Callback<void> done) {
  async_command("answer", Json().set("request_id", request_id).set("allow", allow), without_result(std::move(done)));
}
Status Session::answer_takeover(std::uint64_t request_id, bool allow) {
  return wait<void>([&](Callback<void> done) { async_answer_takeover(request_id, allow, std::move(done)); });
}
void Session::async_withdraw(Callback<void> done) {
  on_loop(live_, [done = std::move(done)](Live& live) mutable { live.withdraw(std::move(done)); });
}
Status Session::withdraw() {
  return wait<void>([&](Callback<void> done) { async_withdraw(std::move(done)); });
}
void Session::async_release(Callback<void> done) {
  async_command("release", Json::Object{}, without_result(std::move(done)));
}
Status Session::release() {
  return wait<void>([&](Callback<void> done) { async_release(std::move(done)); });
}

void Session::async_save(const std::string& path, Callback<void> done) {
  async_command("save", path.empty() ? Json(Json::Object{}) : Json().set("path", path),
                without_result(std::move(done)));
}
Status Session::save(const std::string& path) {
  return wait<void>([&](Callback<void> done) { async_save(path, std::move(done)); });
}
void Session::async_confirm_sync(Callback<std::uint64_t> done) {
  on_loop(live_, [done = std::move(done)](Live& live) mutable { live.confirm_sync(std::move(done)); });
}
Result<std::uint64_t> Session::confirm_sync() {
  return wait<std::uint64_t>([&](Callback<std::uint64_t> done) { async_confirm_sync(std::move(done)); });
}

namespace {

using Widgets = std::vector<Widget>;
using Comms = std::vector<Comm>;

Result<Widgets> widgets_in(const Result<Comms>& comms) {
  if (!comms) return comms.error();
  Widgets out;
  for (const auto& comm : *comms) out.push_back({comm.comm_id, comm.model.state});
  return out;
}

}  // namespace

void Session::async_get_widgets(Callback<Widgets> done) {
  async_get_comms([done = std::move(done)](const Result<Comms>& comms) { done(widgets_in(comms)); });
}
Result<Widgets> Session::get_widgets() {
  return wait<Widgets>([&](Callback<Widgets> done) { async_get_widgets(std::move(done)); });
}
void Session::async_get_comms(Callback<Comms> done) {
  async_confirm_sync([weak = std::weak_ptr(live_), done = std::move(done)](Result<std::uint64_t> synced) {
    const auto live = weak.lock();
    if (!synced || !live) return done(synced ? Error{0, "ended", "the session ended", {}, {}} : synced.error());
    done(live->look([](const View& view) { return view.notebook.comms(); }));
  });
}
Result<Comms> Session::get_comms() {
  return wait<Comms>([&](Callback<Comms> done) { async_get_comms(std::move(done)); });
}
void Session::async_blob(const Json& reference, Callback<std::string> done) {
  on_loop(live_, [hash = reference["$blob"].text(), done = std::move(done)](Live& live) mutable {
    live.blob(hash, std::move(done));
  });
}
Result<std::string> Session::blob(const Json& reference) {
  return wait<std::string>([&](Callback<std::string> done) { async_blob(reference, std::move(done)); });
}

// -- opening -------------------------------------------------------------------------------------------------

namespace {

void start(const std::string& target, Json body, Options options, Callback<Session> done) {
  auto fail = [&](Error error) { net::Loop::get().post([done, error = std::move(error)] { done(error); }); };
  auto server = Server::find(options);
  if (!server) return fail(server.error());
  if (!utf8::valid(body.dump())) {
    return fail({0, "bad_request", "a path or name is not UTF-8", "rename it; JSON cannot carry it", {}});
  }
  auto live = std::make_shared<Live>(std::move(*server), std::move(options));
  on_loop(live, [weak = std::weak_ptr(live), target, body = std::move(body), done = std::move(done)](Live& self) {
    // Until it is open nobody else holds it.
    self.open(target, body, [keep = weak.lock(), done](Result<void> opened) {
      if (!opened) return done(opened.error());
      done(Session(keep));
    });
  });
}

}  // namespace

void async_connect_open(const std::string& path, Options options, Callback<Session> done) {
  start("/api/v1/notebooks/open", Json().set("path", path), std::move(options), std::move(done));
}
Result<Session> connect_open(const std::string& path, Options options) {
  return wait<Session>([&](Callback<Session> done) { async_connect_open(path, std::move(options), std::move(done)); });
}

void async_connect_create(const CreateSpec& spec, Options options, Callback<Session> done) {
  auto body = Json().set("runtime", spec.runtime);
  if (!spec.path.empty()) body.set("path", spec.path);
  if (!spec.working_dir.empty()) body.set("working_dir", spec.working_dir);
  if (!spec.package_manager.empty()) body.set("package_manager", spec.package_manager);
  if (spec.dependencies) {
    body.set("dependencies", Json::Array(spec.dependencies->begin(), spec.dependencies->end()));
  }
  if (spec.ephemeral) body.set("ephemeral", true);
  start("/api/v1/notebooks/create", std::move(body), std::move(options), std::move(done));
}
Result<Session> connect_create(const CreateSpec& spec, Options options) {
  return wait<Session>(
      [&](Callback<Session> done) { async_connect_create(spec, std::move(options), std::move(done)); });
}

}  // namespace lectern::client
