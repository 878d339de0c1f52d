// The policy of the whole host: the one that sessions begin with, and how another takes its place in all that live.
//
// A notebook that is being opened while the policy is swapped was prepared with the old one, and is not yet among the
// sessions that live. So whatever changes a session's policy from here stands in one line, and a session that begins
// says with which policy it was prepared: when that is not the host's any more, or may soon not be, it joins the line.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/json.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"
#include "session/session.hpp"

namespace lectern {
class Workers;
}
namespace lectern::plugin {
class Registry;
}

namespace lectern::session {

/// Shared: the answers of sessions come back to it from their reactors.
class HostPolicy : public std::enable_shared_from_this<HostPolicy> {
 public:
  /// What it needs of the directory that has it. Both functions: [any].
  struct Host {
    plugin::Registry* registry = nullptr;
    Workers* workers = nullptr;
    std::function<std::vector<SessionPtr>()> begun;  // the sessions that have begun, in their order
    std::function<std::shared_ptr<void>()> at_work;  // held while something of it is under way
  };
  struct Current {
    PolicyChoice choice;
    std::uint64_t round = 0;  // counts the choices, and the new builds of what they name
  };

  HostPolicy(PolicyChoice first, Host host);

  /// [any] What a session that is prepared now begins with.
  [[nodiscard]] Current now() const;
  /// [any] As Directory::set_policy. Swaps are made one after another, in the order they came; a dry run waits for
  /// none.
  void swap(PolicyChoice choice, Reply<json::Value> reply);
  /// [any] The plugin `id` has a new build, which is loaded: every session that runs it takes that. Answers with a row
  /// `{session_id, ok, error?}` for each.
  void renew(std::string id, UniqueFunction<void(json::Array)> done);
  /// [any] `session`, prepared with the choice of `round`, is among Host::begun from now on.
  void began(SessionPtr session, std::uint64_t round);

 private:
  struct Everywhere;

  void everywhere(PolicyChoice choice, Reply<json::Value> reply, Task then);
  void answered(Everywhere& all);
  void catch_up(const SessionPtr& session);
  void line_up(Task job);
  void next();

  const Host host_;
  mutable std::mutex mutex_;  // of what follows; never held while a session or the directory is asked
  Current current_;
  std::deque<Task> line_;
  bool busy_ = false;
};

}  // namespace lectern::session
