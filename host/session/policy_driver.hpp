// The events of one room on their way through its policy: one in flight, reduced on the referee's thread on a snapshot,
// applied here all or none; reduced again when the room moved on meanwhile; dropped when the policy overstays.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "base/loop.hpp"
#include "plugin/policy.hpp"
#include "session/effects.hpp"
#include "session/policy_record.hpp"
#include "session/referee.hpp"
#include "session/shadow.hpp"

namespace lectern::session {

class LiveSession;

class PolicyDriver {
 public:
  struct Entry {
    plugin::PolicyEvent event;
    /// Runs when the entry is at the head, before the snapshot is taken: what the event says happened, happens here. An
    /// error ends the entry; the policy never hears of it.
    UniqueFunction<Status(plugin::PolicyEvent&)> prepare;
    /// Runs once: after the effects were applied and announced, or with the reason why there are none.
    UniqueFunction<void(const Result<Applied>&)> settled;
    plugin::PolicyPtr swap_to;      // a swap: `event` is `installed`
    std::string reason = "policy";  // what those are told whose rights change
  };

  /// `stored`: the ledger's JSON of the policy's state, may be empty.
  PolicyDriver(LiveSession& session, plugin::PolicyPtr policy, const std::string& stored);

  void push(Entry entry);
  /// Puts `policy` in place of the current one as one entry of the queue.
  void swap(plugin::PolicyPtr policy, UniqueFunction<void(Status)> done);
  /// Tries `policy` on what happens in the next `watch_ms`, beside the current one; nothing of it is applied.
  void shadow(plugin::PolicyPtr policy, int watch_ms, Reply<json::Value> reply);
  /// More epochs are on disk: what waited for them goes on.
  void resume(const Status& reserved);
  ~PolicyDriver();
  PolicyDriver(const PolicyDriver&) = delete;
  PolicyDriver& operator=(const PolicyDriver&) = delete;
  [[nodiscard]] const plugin::PolicyPtr& current() const { return current_; }
  /// The latest decisions.
  [[nodiscard]] const PolicyRecord& record() const { return record_; }

 private:
  void pump();
  void attempt();
  void watch();
  void decided(const RulingPtr& ruling);
  void overstayed();
  enum class Fault { failed, overstayed };
  void fault(const plugin::PolicyPtr& policy, Error error, const std::string& why, Fault kind);
  void settle(Result<Applied> result);
  Result<Applied> apply(const plugin::PolicyOutcome& outcome);
  void keep_state(const plugin::PolicyOutcome& outcome);
  void put_in_place(const plugin::PolicyPtr& policy);

  LiveSession& session_;
  plugin::PolicyPtr current_, last_good_;
  std::string state_;
  std::deque<Entry> queue_;
  RulingPtr in_flight_;
  PolicyRecord record_;
  std::shared_ptr<Shadow> shadow_;  // the one that is tried, or was last
  Timer watch_;
  std::uint64_t seq_ = 0;
  int attempts_ = 0;
  bool head_prepared_ = false, waiting_for_epochs_ = false, settling_ = false;
};

/// [reactor] Tells everybody concerned what `applied` did: capabilities to each member whose rights changed (losers
/// first), ends of requests, asks, notices, then room-state.
void announce(LiveSession& session, const Applied& applied, std::string_view reason);

}  // namespace lectern::session
