// Requests for the pen, each ended exactly once: by the policy, an answer, a withdrawal, its deadline, or the asker's
// going.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>

#include "base/loop.hpp"
#include "session/effects.hpp"
#include "session/invocation.hpp"
#include "session/room.hpp"

namespace lectern::session {

class LiveSession;

class Takeovers {
 public:
  explicit Takeovers(LiveSession& session) : session_(session) {}

  void takeover(Invocation invocation);
  void answer(Invocation invocation);
  void withdraw(Invocation invocation);
  void status(const std::string& client_id, std::uint64_t request_id, int wait_ms, Reply<CommandReply> reply);

  // From announce().
  void resolved(const Resolution& resolution);
  void asked(const Asking& asking);
  /// The member no longer holds the pen: what it was asked is void.
  void lost_the_pen(MemberId id) { cannot_answer(id); }
  /// The member was lost or left: what it was asked ends unanswered.
  void cannot_answer(MemberId id);
  /// The member is gone for good: what it asked is withdrawn too.
  void left(MemberId id);

  /// 0 = none.
  [[nodiscard]] std::int64_t next_deadline() const;
  void on_clock(std::int64_t now);
  /// Open requests as in kernel-ready.
  [[nodiscard]] std::string open_json() const;

 private:
  enum class End { allowed, denied, withdrawn, expired };
  struct Finished {
    std::uint64_t id;
    std::string client_id;
    End end;
    std::string reason;
    std::uint64_t epoch;
  };
  struct Waiting {
    std::uint64_t request_id;
    Reply<CommandReply> reply;
    Timer timer;
  };
  void probe(std::uint64_t request_id, MemberId target);
  void probed(std::uint64_t request_id, MemberId target, std::int64_t at_ms);
  void decided(std::uint64_t request_id, const Result<Applied>& result);
  void finish(std::uint64_t request_id, End end, const std::string& reason);
  void reply_to_asker(OpenRequest& request, End end, const std::string& reason);
  void ask_ended(std::uint64_t request_id, MemberId target);
  void push_withdrawn(std::uint64_t request_id, MemberId who);
  [[nodiscard]] const Finished* finished(std::uint64_t id) const;
  [[nodiscard]] std::string status_json(std::uint64_t id) const;
  [[nodiscard]] Error closed(std::uint64_t id) const;
  [[nodiscard]] std::string granted_json(const Member& member) const;
  LiveSession& session_;
  std::deque<Finished> finished_;
  std::list<Waiting> waiting_;
  std::list<Timer> probes_;  // of askees who have not shown yet that they are there
};

}  // namespace lectern::session
