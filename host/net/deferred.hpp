// An answer that may come before or after its worker stops waiting for it.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include "api/http.hpp"
#include "net/wire.hpp"

namespace lectern::net {

struct Door;

/// Shared by the worker, the Respond it gives out, and the deadline.
class DeferredAnswer : public std::enable_shared_from_this<DeferredAnswer> {
 public:
  DeferredAnswer(std::weak_ptr<Door> door, bool head_only) : door_(std::move(door)), head_only_(head_only) {}

  /// [worker] The Respond for api::Deferred::start. Destroyed without a call it answers 500 `internal`.
  api::Respond respond();
  /// [worker] The answer, if it comes in time.
  std::optional<api::Response> wait(std::chrono::milliseconds patience);
  /// [worker] Nobody waits any more: the answer is sent on `wire` when it comes, a 504 after `deadline`. False when the
  /// answer has just come after all: take it with wait(0), the wire is untouched.
  bool detach(Wire& wire, std::chrono::milliseconds deadline);

  /// [any] Answers, if nobody has; later answers are dropped.
  void answer(api::Response response);

 private:
  void send_locked(Door& door, api::Response response);

  const std::weak_ptr<Door> door_;  // a Respond may be kept, and called, longer than the door stands
  const bool head_only_;
  std::mutex mutex_;
  std::condition_variable came_;
  std::optional<api::Response> response_;
  Wire wire_;
  bool answered_ = false;
};

}  // namespace lectern::net
