#include "session/directory.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

#include "base/log.hpp"
#include "session/directory_state.hpp"

namespace lectern::session {
namespace {

constexpr auto patience_with_sessions = std::chrono::seconds(20);

}  // namespace

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
  const bool gone = state_->fewer.wait_for(lock, patience_with_sessions, [this] { return state_->alive == 0; });
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
