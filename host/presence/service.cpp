#include "presence/service.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "plugin/presence.hpp"
#include "presence/device.hpp"

namespace lectern::presence {
namespace {

constexpr std::int64_t call_deadline_ms = 5'000;

Now now() {
  return {clock::now_ms(), clock::wall_ms()};
}

void write_row(json::Writer& writer, const RemoteSession& row) {
  writer.begin_object().member("session_id", std::string_view(row.session_id));
  writer.member("device_id", std::string_view(row.device_id)).member("device_name", std::string_view(row.device_name));
  writer.member("title", std::string_view(row.title)).member("status", std::string_view(row.status));
  writer.member("needs_input", row.needs_input);
  writer.member("updated_at", std::string_view(clock::rfc3339(row.updated_at_ms)));
  writer.member("dialable", row.dialable).member("stale", row.stale);
  if (row.contested) writer.member("contested", true);
  writer.end_object();
}

}  // namespace

/// One backend and the thread that calls it.
struct Backend {
  std::shared_ptr<plugin::PresenceBackend> plugin;  // shared with calls that are under way
  Publisher publisher;
  BackendReport report;
  std::vector<Rejected> rejected;      // by the backend itself
  std::int64_t calling_since_ms = -1;  // a call is under way since then
  std::int64_t polled_ms = -1;
  std::thread thread;
};

struct Service::State {
  explicit State(ServiceOptions given)
      : options(std::move(given)),
        instance_id(text::to_hex(crypto::random_bytes(16))),
        roster({options.device_id, options.machine, instance_id, options.boot}) {}

  ServiceOptions options;
  const std::string instance_id;  // random per start: tells a restart from a beat
  mutable std::mutex mutex;       // of what follows
  std::condition_variable wake;
  Roster roster;
  std::vector<std::unique_ptr<Backend>> backends;
  std::vector<BackendReport> unavailable;
  std::shared_ptr<std::uint64_t> seq = std::make_shared<std::uint64_t>(0);  // of our records, in all backends
  std::vector<Clash> clashes;
  std::vector<SessionEntry> sessions;
  std::vector<LocalSession> attached;
  std::function<void()> on_changed;
  bool stopping = false;

  void run(Backend& backend);
  bool publish(Backend& backend, std::unique_lock<std::mutex>& lock, const std::string& record);
  void poll(Backend& backend, std::unique_lock<std::mutex>& lock);
  void clear_leftovers(Backend& backend, std::unique_lock<std::mutex>& lock);
  [[nodiscard]] bool has_ended(const Record& record) const;
  void mind_clashes();
  void set_local();
  void refresh(std::unique_lock<std::mutex>& lock);
  template <class Call>
  Status call(Backend& backend, std::unique_lock<std::mutex>& lock, Call&& function);
  [[nodiscard]] BackendReport report_of(const Backend& backend) const;
};

/// Calls the backend without the lock; nobody else waits for it.
template <class Call>
Status Service::State::call(Backend& backend, std::unique_lock<std::mutex>& lock, Call&& function) {
  backend.calling_since_ms = clock::now_ms();
  lock.unlock();
  Status status = function();
  lock.lock();
  backend.calling_since_ms = -1;
  if (status) {
    backend.report.ok = true;
    backend.report.problem.clear();
    backend.report.last_good_ms = clock::now_ms();
  } else {
    if (backend.report.ok) log::warning("presence", backend.report.id + ": " + status.error().message);
    backend.report.ok = false;
    backend.report.problem = status.error().message;
  }
  return status;
}

bool Service::State::publish(Backend& backend, std::unique_lock<std::mutex>& lock, const std::string& record) {
  const auto done =
      call(backend, lock, [&] { return backend.plugin->publish(options.device_id, instance_id, record); });
  if (done) {
    backend.publisher.arrived();
  } else {
    backend.publisher.failed();
  }
  return done.has_value();
}

void Service::State::poll(Backend& backend, std::unique_lock<std::mutex>& lock) {
  std::vector<FoundRecord> found;
  std::vector<Rejected> rejected;
  const auto done = call(backend, lock, [&]() -> Status {
    LECTERN_TRY(auto snapshot, backend.plugin->snapshot());
    for (auto& record : snapshot.records) found.push_back({std::move(record.origin), std::move(record.record)});
    for (auto& record : snapshot.rejected) {
      rejected.push_back({text::label(record.origin, 200), text::label(record.reason, 200)});
    }
    return {};
  });
  backend.polled_ms = clock::now_ms();
  if (!done) return;  // the last good list stays, and ages
  roster.observe(backend.report.id, found, static_cast<std::int64_t>(backend.plugin->lag_ms()), now());
  backend.rejected = std::move(rejected);
  mind_clashes();
  clear_leftovers(backend, lock);
}

/// What earlier runs of this very host left behind: first said to have ended, so that readers drop it at once, later
/// removed. What this backend does not list is not its to tell of. Others' records are never touched, and one of our
/// own device that somebody still writes is another's.
void Service::State::clear_leftovers(Backend& backend, std::unique_lock<std::mutex>& lock) {
  for (auto record : roster.own_others(backend.report.id)) {
    if (record.state != InstanceState::ended) {
      if (!has_ended(record)) continue;
      record.state = InstanceState::ended;
      record.sessions.clear();
      record.endpoints.clear();
      ++record.seq;
      (void)call(backend, lock,
                 [&] { return backend.plugin->publish(record.device_id, record.instance_id, write_record(record)); });
    } else if (roster.unchanged(record, 2 * record.ttl_ms, now())) {
      (void)call(backend, lock, [&] { return backend.plugin->remove(record.device_id, record.instance_id); });
    }
  }
}

/// A process id says something where it was given out. Of another boot, or in another container with the same machine
/// id, only time tells.
bool Service::State::has_ended(const Record& record) const {
  if (!record.boot.empty() && !options.boot.empty() && record.boot != options.boot) {
    return roster.unchanged(record, 2 * roster.patience_ms(record), now());
  }
  return record.pid == 0 || process_started(record.pid) != record.pid_started;
}

void Service::State::mind_clashes() {
  auto found = roster.clashes(now());
  if (found == clashes) return;
  clashes = std::move(found);
  if (clashes.empty()) return;
  log::warning("presence",
               "another machine writes under this device's id (as '" + clashes.front().device_name +
                   "'): its state folder was copied, or is shared. Its sessions are not listed here; remove "
                   "the file device-id in the state folder of one of them to make it a device of its own");
}

void Service::State::set_local() {
  std::vector<LocalSession> local = attached;
  for (const auto& session : sessions) local.push_back({session.id, session.lineage});
  roster.set_local(std::move(local));
}

void Service::State::refresh(std::unique_lock<std::mutex>& lock) {
  if (!roster.refresh(now()) || !on_changed) return;
  const auto callback = on_changed;
  lock.unlock();
  callback();
  lock.lock();
}

void Service::State::run(Backend& backend) {
  std::unique_lock lock(mutex);
  while (!stopping) {
    if (const auto record = backend.publisher.due(now())) publish(backend, lock, *record);
    if (stopping) break;
    if (backend.polled_ms < 0 || clock::now_ms() - backend.polled_ms >= options.poll_ms) poll(backend, lock);
    refresh(lock);
    const auto next =
        std::min({backend.publisher.next_due_ms(), backend.polled_ms + options.poll_ms, roster.next_change_ms(now())});
    const auto wait = std::clamp<std::int64_t>(next - clock::now_ms(), 1, options.poll_ms);
    if (!stopping) wake.wait_for(lock, std::chrono::milliseconds(wait));
  }
  publish(backend, lock, backend.publisher.ended(now()));
}

BackendReport Service::State::report_of(const Backend& backend) const {
  auto report = backend.report;
  if (backend.calling_since_ms >= 0 && clock::now_ms() - backend.calling_since_ms > call_deadline_ms) {
    report.ok = false;
    report.problem =
        "it has not answered for " + std::to_string((clock::now_ms() - backend.calling_since_ms) / 1000) + " s";
  }
  return report;
}

Service::Service(ServiceOptions options) : state_(std::make_unique<State>(std::move(options))) {}

Service::~Service() {
  {
    const std::scoped_lock lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  for (auto& backend : state_->backends) {
    if (backend->thread.joinable()) backend->thread.join();
  }
}

void Service::add_backend(std::shared_ptr<plugin::PresenceBackend> backend) {
  const auto& options = state_->options;
  Publisher publisher({options.device_id, options.device_name, state_->instance_id, options.machine, options.boot},
                      static_cast<std::int64_t>(backend->lag_ms()), static_cast<std::int64_t>(backend->min_period_ms()),
                      state_->seq);
  BackendReport report;
  report.id = backend->id();
  state_->backends.push_back(
      std::make_unique<Backend>(Backend{std::move(backend), std::move(publisher), std::move(report), {}, -1, -1, {}}));
}

void Service::add_unavailable(std::string id, std::string problem) {
  state_->unavailable.push_back({std::move(id), false, text::label(problem, 400), -1});
}

void Service::start() {
  for (auto& backend : state_->backends) {
    backend->thread = std::thread([state = state_.get(), at = backend.get()] { state->run(*at); });
  }
}

void Service::set_sessions(std::vector<SessionEntry> sessions) {
  const std::scoped_lock lock(state_->mutex);
  state_->sessions = std::move(sessions);
  for (auto& backend : state_->backends) backend->publisher.set_sessions(state_->sessions);
  state_->set_local();
  state_->wake.notify_all();
}

void Service::set_endpoints(std::vector<Endpoint> endpoints) {
  const std::scoped_lock lock(state_->mutex);
  for (auto& backend : state_->backends) backend->publisher.set_endpoints(endpoints);
  state_->wake.notify_all();
}

void Service::set_draining() {
  const std::scoped_lock lock(state_->mutex);
  for (auto& backend : state_->backends) backend->publisher.set_draining();
  state_->wake.notify_all();
}

void Service::set_attached(std::vector<LocalSession> attached) {
  const std::scoped_lock lock(state_->mutex);
  state_->attached = std::move(attached);
  state_->set_local();
  state_->wake.notify_all();
}

std::vector<RemoteSession> Service::remote_sessions() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->roster.rows();
}

Result<RemoteSession> Service::find(std::string_view session_id) const {
  const std::scoped_lock lock(state_->mutex);
  if (const auto* row = state_->roster.find(session_id)) return *row;
  return fail(404, "remote_session_not_found", "no other device offers session " + text::label(session_id, 128));
}

Result<RemoteSession> Service::host_of(std::string_view device_id) const {
  const std::scoped_lock lock(state_->mutex);
  if (auto row = state_->roster.host_of(device_id, now())) return std::move(*row);
  return fail(404, "remote_device_not_found",
              "no host of device " + text::label(device_id, 128) + " runs now that this one may dial",
              "'lectern devices' lists those that were heard of");
}

std::vector<BackendReport> Service::backends() const {
  const std::scoped_lock lock(state_->mutex);
  std::vector<BackendReport> out;
  for (const auto& backend : state_->backends) out.push_back(state_->report_of(*backend));
  out.insert(out.end(), state_->unavailable.begin(), state_->unavailable.end());
  return out;
}

std::string Service::json() const {
  const std::scoped_lock lock(state_->mutex);
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("sessions").begin_array();
  for (const auto& row : state_->roster.rows()) write_row(writer, row);
  writer.end_array().key("devices").begin_array();
  for (const auto& device : state_->roster.devices(now())) {
    writer.begin_object().member("device_id", std::string_view(device.device_id));
    writer.member("device_name", std::string_view(device.device_name));
    writer.member("hosts", std::uint64_t{device.hosts}).member("sessions", std::uint64_t{device.sessions});
    writer.member("stale", device.stale).member("this_device", device.own).end_object();
  }
  writer.end_array().key("backends").begin_array();
  const auto write_report = [&](const BackendReport& report) {
    writer.begin_object().member("id", std::string_view(report.id)).member("ok", report.ok);
    if (!report.problem.empty()) writer.member("problem", std::string_view(report.problem));
    if (report.last_good_ms >= 0) writer.member("age_ms", clock::now_ms() - report.last_good_ms);
    writer.end_object();
  };
  for (const auto& backend : state_->backends) write_report(state_->report_of(*backend));
  for (const auto& report : state_->unavailable) write_report(report);
  writer.end_array().key("rejected").begin_array();
  const auto write_rejected = [&](const std::vector<Rejected>& list) {
    for (const auto& [origin, reason] : list) {
      writer.begin_object().member("origin", std::string_view(origin)).member("reason", std::string_view(reason));
      writer.end_object();
    }
  };
  write_rejected(state_->roster.rejected());
  for (const auto& backend : state_->backends) write_rejected(backend->rejected);
  writer.end_array().key("clashes").begin_array();
  for (const auto& clash : state_->clashes) {
    writer.begin_object().member("instance_id", std::string_view(clash.instance_id));
    writer.member("device_name", std::string_view(clash.device_name)).end_object();
  }
  writer.end_array().member("revision", state_->roster.revision()).end_object();
  return out;
}

void Service::on_changed(std::function<void()> callback) {
  const std::scoped_lock lock(state_->mutex);
  state_->on_changed = std::move(callback);
}

}  // namespace lectern::presence
