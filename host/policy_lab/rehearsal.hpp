// A room without sockets, in which a policy is tried: the same room, checks of effects and order of events as a live
// session's, on a clock that the caller moves. What a session does to a room by itself (attendance, takeovers) happens
// here at once.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "plugin/policy.hpp"
#include "session/effects.hpp"
#include "session/epochs.hpp"
#include "session/room.hpp"
#include "session/settings.hpp"

namespace lectern::policy_lab {

using session::MemberId;

/// One thing that changed for somebody.
struct Fact {
  enum class Kind {
    edits,         // got a grant; `epoch`
    gets_the_pen,  // the same, as the answer to a request
    interacts,     // what it has now; it may have lost a grant
    watches,
    refused,   // its request; `text` = why
    asked,     // `by` wants the pen; `text` is shown; `at_ms` = until
    unasked,   // about the request of `by`
    told,      // `who` 0 = everybody
    shows,     // `text` = JSON
    runs_out,  // its request ended unanswered
    gone,      // its reservation ended
    policy_failed,
    host_refused  // the policy broke a rule; nothing of its answer was applied
  } kind = Kind::told;
  MemberId who = 0, by = 0;
  std::uint64_t epoch = 0;
  std::int64_t at_ms = 0;
  std::string text;
};

/// One event and what came of it.
struct Moment {
  std::optional<plugin::PolicyEvent> event;  // absent: the host did it without the policy
  plugin::RoomSnapshot room;                 // as the policy saw it
  std::vector<plugin::Effect> effects;
  std::vector<Fact> facts;
};
using Moments = std::vector<Moment>;

/// Every function that returns Result is 400 `impossible` where the room does not allow it (nobody of that number is
/// there, nobody was asked). Not for several threads.
class Rehearsal {
 public:
  explicit Rehearsal(plugin::PolicyPtr policy, session::Settings settings = {});

  /// Puts somebody into the room without asking the policy: the start of a scenario. `edits` = with a grant.
  void seat(session::Member member, bool edits);
  /// An open request without asking the policy; `asked` 0 = nobody.
  void seat_request(MemberId from, MemberId asked);

  /// `replaced` = the id of the policy before; empty at a start.
  Moments install(std::string replaced);
  /// Another policy takes over in the running room.
  Moments swap(plugin::PolicyPtr policy);
  Result<Moments> join(session::Member member);
  Result<Moments> leave(MemberId id);
  Result<Moments> lose(MemberId id);
  Result<Moments> come_back(MemberId id);
  Result<Moments> request(MemberId id, std::string reason = {});
  Result<Moments> withdraw(MemberId id);
  /// Answers the oldest request that `id` was asked about; `from` 0 = whoever's.
  Result<Moments> answer(MemberId id, bool allow, MemberId from = 0);
  Result<Moments> release(MemberId id);
  Result<Moments> edit(MemberId id);
  Result<Moments> change(MemberId id, std::uint32_t scope);
  Result<Moments> act(MemberId id, std::string verb, MemberId target, std::string json);
  /// Lets time pass: reservations, requests and timers run out on the way. 422 `restless`: timers without end.
  Result<Moments> pass(std::int64_t ms);

  [[nodiscard]] session::Room& room() { return room_; }
  [[nodiscard]] std::int64_t now_ms() const { return now_ms_; }
  [[nodiscard]] const plugin::Policy& policy() const { return *policy_; }
  [[nodiscard]] const std::string& state() const { return state_; }

 private:
  struct Entry {
    plugin::PolicyEvent event;
    std::function<bool()> prepare;  // false: it is void by now
    std::function<void(bool applied)> settled;
    plugin::PolicyPtr swap_to;
  };
  Entry entry(plugin::EventKind kind, MemberId who);
  void push(plugin::EventKind kind, MemberId who) { queue_.push_back(entry(kind, who)); }
  Moments run();
  void decide(Entry& entry);
  [[nodiscard]] Result<plugin::PolicyOutcome> reduce(const plugin::Policy& policy, const Moment& moment,
                                                     const std::string& state) const;
  void note(Moment& moment, const session::Applied& applied);
  void end_request(std::uint64_t id);
  void cannot_answer(MemberId id);
  void ask_ended(std::uint64_t request, MemberId target);
  void request_ran_out(std::uint64_t request);
  void gone(MemberId id);
  void on_clock();
  [[nodiscard]] std::int64_t next_time();
  [[nodiscard]] Result<session::Member*> here(MemberId id);

  plugin::PolicyPtr policy_;
  session::Settings settings_;
  session::Room room_;
  session::Epochs epochs_;
  std::string state_;
  std::deque<Entry> queue_;
  Moments moments_;
  std::int64_t now_ms_ = 1'000'000;  // far from 0, which means "none"
  std::uint64_t seq_ = 0;
};

}  // namespace lectern::policy_lab
