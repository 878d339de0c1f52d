#include "attach/attachments.hpp"

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

#include "attach/creation.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace lectern::attach {

struct Attachments::State : std::enable_shared_from_this<State> {
  using AttachmentPtr = std::shared_ptr<Attachment>;
  using Replies = std::vector<session::Reply<json::Value>>;

  AttachmentsOptions options;
  std::shared_ptr<Attachment::Home> home = std::make_shared<Attachment::Home>();
  mutable std::mutex mutex;  // of what follows
  std::map<std::string, AttachmentPtr, std::less<>> attached;
  struct Flight {
    AttachmentPtr attachment;
    Replies replies;
  };
  std::map<std::string, Flight, std::less<>> flights;  // attempts under way
  std::vector<std::weak_ptr<Creation>> creations;
  std::size_t loops_given = 0;
  bool stopping = false;

  void attach(std::unique_lock<std::mutex> lock, const std::string& id,
              const std::function<Result<presence::RemoteSession>()>& find_row, session::Reply<json::Value> reply);
  void created(presence::RemoteSession row, session::Reply<json::Value> reply);
  [[nodiscard]] bool is_of_another_device(const presence::RemoteSession& row) const;
  void landed(const std::string& id, Result<json::Value> info);
  Loop& next_loop() { return *options.loops[loops_given++ % options.loops.size()]; }
  AttachmentPtr take(std::string_view id);
  void tell();
};

/// Presence lists no twin of what is attached, and the list of sessions shows it.
void Attachments::State::tell() {
  if (options.presence != nullptr) {
    std::vector<presence::LocalSession> local;
    {
      const std::scoped_lock lock(mutex);
      if (stopping) return;  // presence goes next
      for (const auto& [id, one] : attached) local.push_back({id, {one->notebook_id()}});
    }
    options.presence->set_attached(std::move(local));
  }
  options.changed();
}

void Attachments::State::landed(const std::string& id, Result<json::Value> info) {
  Replies replies;
  AttachmentPtr late;
  {
    const std::scoped_lock lock(mutex);
    auto node = flights.extract(id);
    if (node.empty()) return;
    replies = std::move(node.mapped().replies);
    if (info && stopping) late = node.mapped().attachment;
    if (info && !stopping) attached[id] = node.mapped().attachment;
  }
  if (late) late->close("SHUTDOWN", [] {});
  if (info) tell();
  for (auto& reply : replies) reply(info);
}

Attachments::State::AttachmentPtr Attachments::State::take(std::string_view id) {
  const std::scoped_lock lock(mutex);
  const auto found = attached.find(id);
  if (found == attached.end()) return nullptr;
  auto out = std::move(found->second);
  attached.erase(found);
  return out;
}

Attachments::Attachments(AttachmentsOptions options) : state_(std::make_shared<State>()) {
  state_->options = std::move(options);
  auto& home = *state_->home;
  home.find_access = state_->options.find_access;
  home.workers = state_->options.workers;
  home.cooling = std::make_shared<Cooling>();
  home.device_name = state_->options.device_name;
  home.times = state_->options.times;
  home.changed = [weak = std::weak_ptr(state_)] {
    if (const auto state = weak.lock()) state->options.changed();
  };
  home.ended = [weak = std::weak_ptr(state_)](const std::string& id) {
    const auto state = weak.lock();
    if (state && state->take(id)) state->tell();
  };
}

Attachments::~Attachments() {
  stop();
}

/// `lock` is of our mutex.
void Attachments::State::attach(std::unique_lock<std::mutex> lock, const std::string& id,
                                const std::function<Result<presence::RemoteSession>()>& find_row,
                                session::Reply<json::Value> reply) {
  if (const auto found = attached.find(id); found != attached.end()) {
    const auto attachment = found->second;
    lock.unlock();
    return reply(attachment->info());
  }
  if (const auto flight = flights.find(id); flight != flights.end()) {
    flight->second.replies.push_back(std::move(reply));
    return;
  }
  if (stopping) {
    lock.unlock();
    return reply(fail(503, "draining", "this host is shutting down"));
  }
  auto row = find_row();
  if (!row) {
    lock.unlock();
    return reply(fail(row.error()));
  }
  auto& loop = next_loop();
  // Whoever lets go last, on whatever thread: it goes on its own, where its timers are.
  const auto go = [&loop](Attachment* one) { loop.dispatch([owned = std::unique_ptr<Attachment>(one)] {}); };
  const std::shared_ptr<Attachment> attachment(std::make_unique<Attachment>(loop, home, std::move(*row)).release(), go);
  auto& flight = flights[id];
  flight.attachment = attachment;
  flight.replies.push_back(std::move(reply));
  lock.unlock();
  attachment->open([weak = weak_from_this(), id](Result<json::Value> info) {
    if (const auto kept = weak.lock()) kept->landed(id, std::move(info));
  });
}

void Attachments::attach(std::string session_id, session::Reply<json::Value> reply) {
  const auto find_row = [&]() -> Result<presence::RemoteSession> {
    if (state_->options.presence == nullptr) return fail(state_->options.presence_missing);
    return state_->options.presence->find(session_id);
  };
  state_->attach(std::unique_lock(state_->mutex), session_id, find_row, std::move(reply));
}

/// As far as is known here. Our mutex is held.
bool Attachments::State::is_of_another_device(const presence::RemoteSession& row) const {
  if (options.presence != nullptr) {
    const auto known = options.presence->find(row.session_id);
    if (known && known->device_id != row.device_id) return true;
  }
  const auto is_elsewhere = [&](const Attachment& one) {
    const auto remote = one.remote();
    return *remote.find("device_id")->as_string() != row.device_id;
  };
  if (const auto at = attached.find(row.session_id); at != attached.end()) return is_elsewhere(*at->second);
  const auto flight = flights.find(row.session_id);
  return flight != flights.end() && is_elsewhere(*flight->second.attachment);
}

/// Presence has yet to hear of it: what is known of its host is enough. What that host says is its own word: it gives
/// nobody the session of somebody else.
void Attachments::State::created(presence::RemoteSession row, session::Reply<json::Value> reply) {
  const auto refuse = [&](const std::string& whose) {
    reply(fail(502, "protocol_mismatch", "'" + row.device_name + "' named a session of " + whose,
               "look at the sessions of that device"));
  };
  if (options.is_here(row.session_id)) return refuse("this host");
  std::unique_lock lock(mutex);
  if (is_of_another_device(row)) {
    lock.unlock();
    return refuse("another device");
  }
  const auto id = row.session_id;
  const auto where = "the notebook was created on '" + row.device_name + "', as session " + text::label(id, 128);
  const auto find_row = [&]() -> Result<presence::RemoteSession> { return std::move(row); };
  attach(std::move(lock), id, find_row, [where, reply = std::move(reply)](Result<json::Value> info) mutable {
    if (info) return reply(std::move(info));
    auto error = std::move(info).error();
    error.message = where + ", but not attached: " + error.message;
    reply(fail(std::move(error)));
  });
}

void Attachments::create(std::string device_id, api::Forwarded request, session::Reply<json::Value> reply) {
  auto& state = *state_;
  std::unique_lock lock(state.mutex);
  const auto find_host = [&]() -> Result<presence::RemoteSession> {
    if (state.stopping) return fail(503, "draining", "this host is shutting down");
    if (state.options.presence == nullptr) return fail(state.options.presence_missing);
    return state.options.presence->host_of(device_id);
  };
  auto host = find_host();
  if (!host) {
    lock.unlock();
    return reply(fail(host.error()));
  }
  const auto creation = std::make_shared<Creation>(state.next_loop(), state.home, *host, std::move(request));
  std::erase_if(state.creations, [](const auto& one) { return one.expired(); });
  state.creations.push_back(creation);
  lock.unlock();
  auto answer = std::make_shared<session::Reply<json::Value>>(std::move(reply));
  creation->start([weak = std::weak_ptr(state_), host = std::move(*host), answer](Result<std::string> id) mutable {
    if (!id) return (*answer)(fail(id.error()));
    const auto kept = weak.lock();
    if (!kept) return (*answer)(fail(503, "draining", "this host is shutting down"));
    host.session_id = std::move(*id);
    kept->created(std::move(host), std::move(*answer));
  });
}

api::AttachedPtr Attachments::find(std::string_view session_id) const {
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->attached.find(session_id);
  return found == state_->attached.end() ? nullptr : found->second;
}

std::vector<api::AttachedPtr> Attachments::sessions() const {
  const std::scoped_lock lock(state_->mutex);
  std::vector<api::AttachedPtr> out;
  for (const auto& [id, one] : state_->attached) out.push_back(one);
  return out;
}

json::Array Attachments::rows() const {
  const std::scoped_lock lock(state_->mutex);
  json::Array out;
  for (const auto& [id, one] : state_->attached) {
    if (auto row = one->row(); !row.is_null()) out.push_back(std::move(row));
  }
  return out;
}

void Attachments::detach(std::string_view session_id, session::Reply<bool> reply) {
  const auto attachment = state_->take(session_id);
  if (!attachment) return reply(false);
  state_->tell();
  attachment->close("SESSION_ENDED", [reply = std::move(reply)]() mutable { reply(true); });
}

void Attachments::revoke(std::string principal) {
  const std::scoped_lock lock(state_->mutex);
  for (const auto& [id, one] : state_->attached) one->revoke(principal);
  for (const auto& [id, one] : state_->flights) one.attachment->revoke(principal);
}

void Attachments::stop() {
  struct Waiting {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t left = 0;
  };
  const auto waiting = std::make_shared<Waiting>();  // may be told after we gave up waiting
  std::vector<State::AttachmentPtr> all;
  {
    const std::scoped_lock lock(state_->mutex);
    state_->stopping = true;
    for (const auto& [id, one] : state_->attached) all.push_back(one);
    for (const auto& [id, one] : state_->flights) all.push_back(one.attachment);
    state_->attached.clear();
    for (const auto& weak : state_->creations) {
      if (const auto one = weak.lock()) one->cancel();
    }
  }
  waiting->left = all.size();
  for (const auto& one : all) {
    one->close("SHUTDOWN", [waiting] {
      const std::scoped_lock lock(waiting->mutex);
      --waiting->left;
      waiting->changed.notify_all();
    });
  }
  std::unique_lock lock(waiting->mutex);
  waiting->changed.wait_for(lock, std::chrono::seconds(2), [&] { return waiting->left == 0; });
}

}  // namespace lectern::attach
