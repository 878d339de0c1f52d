#include "net/deferred.hpp"

#include "net/door.hpp"
#include "net/http_answer.hpp"

namespace lectern::net {
namespace {

/// Turns "destroyed without an answer" into an answer: a lost request must not look like a slow one.
class Promise {
 public:
  explicit Promise(UniqueFunction<void(api::Response)> answer) : answer_(std::move(answer)) {}
  Promise(Promise&& other) noexcept : answer_(std::exchange(other.answer_, {})) {}
  Promise& operator=(Promise&&) = delete;
  ~Promise() {
    if (answer_) {
      answer_(api::error_response({500,
                                   "internal",
                                   "the request was dropped without an answer",
                                   "Ask again; if it stays, see the host's log.",
                                   {}}));
    }
  }
  void operator()(api::Response response) {
    if (auto answer = std::exchange(answer_, {})) answer(std::move(response));
  }

 private:
  UniqueFunction<void(api::Response)> answer_;
};

}  // namespace

api::Respond DeferredAnswer::respond() {
  return Promise([self = shared_from_this()](api::Response response) { self->answer(std::move(response)); });
}

std::optional<api::Response> DeferredAnswer::wait(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  came_.wait_for(lock, patience, [this] { return response_.has_value(); });
  return std::exchange(response_, std::nullopt);
}

bool DeferredAnswer::detach(Wire& wire, std::chrono::milliseconds deadline) {
  const auto door = door_.lock();
  {
    const std::lock_guard lock(mutex_);
    if (response_) return false;
    wire_ = std::move(wire);
  }
  door->loop.post([self = shared_from_this(), &door = *door, deadline] {
    {
      const std::lock_guard lock(self->mutex_);
      if (self->answered_) return;
    }
    auto& late = door.late.try_emplace(self.get(), Door::Late{Timer(door.loop), self}).first->second;
    late.deadline.start(std::max(deadline, std::chrono::milliseconds(1)), [self] {
      self->answer(api::error_response({504,
                                        "outcome_unknown",
                                        "the answer did not come in time; it may still happen",
                                        "Ask again with the same id: nothing runs twice.",
                                        {}}));
    });
  });
  return true;
}

void DeferredAnswer::answer(api::Response response) {
  const auto door = door_.lock();
  const std::lock_guard lock(mutex_);
  if (answered_) return;
  answered_ = true;
  if (!wire_.open()) {
    response_ = std::move(response);
    came_.notify_all();
    return;
  }
  if (!door) return wire_.close();
  send_locked(*door, std::move(response));
  door->loop.post([self = shared_from_this(), &door = *door] { door.late.erase(self.get()); });
}

void DeferredAnswer::send_locked(Door& door, api::Response response) {
  auto head = response_head(response, false);
  if (response.source && !head_only_) {
    return door.answers.send(std::move(wire_), std::move(head), std::move(response.source));
  }
  std::shared_ptr<const std::string> body;
  if (!head_only_) {
    body = response.shared_body ? response.shared_body : std::make_shared<const std::string>(std::move(response.body));
  }
  door.answers.send(std::move(wire_), std::move(head), std::move(body));
}

}  // namespace lectern::net
