// The thread that runs policies, so that a slow or stuck one never holds up a reactor. A call that overstays is given
// up: its answer is dropped and the thread is replaced; it ends when the policy lets it go.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "plugin/policy.hpp"

namespace lectern::session {

/// One call of one policy. Everything it needs is in it, so that a thread that was given up on touches nobody else's
/// memory; shared between that thread and the session for the same reason.
struct Ruling {
  plugin::PolicyPtr policy;
  std::string state;
  plugin::RoomSnapshot room;
  plugin::PolicyEvent event;
  Loop* loop = nullptr;
  Task done;  // posted to `loop` after `outcome` was written; never when the ruling was given up

  Result<plugin::PolicyOutcome> outcome;
  std::int64_t took_us = 0;

  enum class Phase { queued, running, done, given_up };
  std::atomic<Phase> phase{Phase::queued};
  std::atomic<std::int64_t> started_us{0};
  clockid_t cpu_clock = 0;          // of the thread it runs on
  std::int64_t cpu_started_us = 0;  // written before started_us
};
using RulingPtr = std::shared_ptr<Ruling>;

class Referee {
 public:
  /// [control] Starts the thread.
  Referee();
  /// [control] As close().
  ~Referee();
  /// [control] Ends the threads: what is queued is dropped, and after it nothing is posted to any loop any more, so
  /// loops may go. A thread that is stuck inside a policy is left behind after half a second: nothing can end it, and
  /// waiting for it would hang the host; it holds what it uses.
  void close();
  Referee(const Referee&) = delete;
  Referee& operator=(const Referee&) = delete;

  /// [any] Queues it; rulings run in order, one at a time.
  void submit(RulingPtr ruling);
  /// [any] Gives up on a ruling that has overstayed `budget_ms`; true when it did so. False: it has not started, is
  /// within its budget, or is done. Time in which the machine did not run the thread counts only from four times the
  /// budget on, so that a busy machine does not look like a bad policy.
  bool give_up_when_late(Ruling& ruling, int budget_ms);
  /// [any] How many threads were given up so far.
  [[nodiscard]] std::uint64_t replaced() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with its threads, one of which may outlive us
};

}  // namespace lectern::session
