#include "session/directory_state.hpp"

#include <algorithm>
#include <utility>

#include "session/client_book.hpp"
#include "session/trust_store.hpp"

namespace lectern::session {
namespace {

Services with_shared(Services services) {
  services.clients = std::make_shared<ClientBook>();
  services.trust = std::make_shared<TrustStore>(services.state_dir);
  return services;
}

}  // namespace

Error draining() {
  return {503, "draining", "the server is shutting down", "try again when it is back", ""};
}

Directory::State::State(Services services_, Settings settings_, std::vector<Loop*> reactors_)
    : services(with_shared(std::move(services_))),
      settings(settings_),
      reactors(std::move(reactors_)),
      referee(std::make_shared<Referee>()),
      files(std::make_shared<FileWatch>()) {}

Home Directory::State::home() {
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

void Directory::State::summarize(const SessionSummary& row) {
  {
    const std::scoped_lock lock(mutex);
    const auto it = slots.find(row.session_id);
    if (it == slots.end()) return;
    it->second.summary = row;
    it->second.shown = true;
  }
  tell_changed();
}

void Directory::State::forget(const std::string& id, const Counters& counted) {
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

void Directory::State::tell_changed() {
  std::function<void()> callback;
  {
    const std::scoped_lock lock(mutex);
    callback = changed;
  }
  if (callback) callback();
}

std::shared_ptr<void> Directory::State::token() {
  const std::scoped_lock lock(mutex);
  ++alive;
  return {nullptr, [self = shared_from_this()](void*) { self->one_less(); }};
}

void Directory::State::one_less() {
  const std::scoped_lock lock(mutex);
  --alive;
  fewer.notify_all();
}

std::shared_ptr<LiveSession> Directory::State::find(std::string_view id) const {
  const std::scoped_lock lock(mutex);
  const auto it = slots.find(id);
  return it == slots.end() ? nullptr : it->second.session;
}

std::vector<SessionPtr> Directory::State::all() const {
  return sessions_if([](const Slot&) { return true; });
}

std::vector<SessionPtr> Directory::State::begun() const {
  return sessions_if([](const Slot& slot) { return slot.shown; });
}

std::vector<SessionPtr> Directory::State::sessions_if(bool (*wanted)(const Slot&)) const {
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

}  // namespace lectern::session
