// A policy that is tried before it is installed: it hears what the installed one hears, its answers are compared and
// thrown away. Nothing it says reaches the room.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "base/json.hpp"
#include "base/loop.hpp"
#include "session/referee.hpp"
#include "session/session.hpp"

namespace lectern::session {

class LiveSession;

/// OWNERSHIP: the driver's alone; what comes back from the referee or a timer finds it, or finds it gone.
class Shadow : public std::enable_shared_from_this<Shadow> {
 public:
  static constexpr std::size_t most_rows = 200;

  /// [reactor] `reply` gets `{policy, config, multi_editor, watched_ms, events, differences:[{event, who?, now,
  /// then}]}` after `watch_ms` (0: only what installing it would do), or what kept the policy from deciding.
  Shadow(LiveSession& session, plugin::PolicyPtr policy, Reply<json::Value> reply);
  void begin(int watch_ms, const plugin::PolicyPtr& installed);

  /// [reactor] The installed policy decided `ruling`, before its effects are applied.
  void see(const Ruling& ruling);
  /// [reactor] The session ends, or its policy was swapped: the answer comes now.
  void finish();
  [[nodiscard]] bool finished() const { return !reply_; }

 private:
  struct Waiting {
    plugin::RoomSnapshot room;
    plugin::PolicyEvent event;
    std::vector<plugin::Effect> now;
    bool installing = false;
  };
  void next();
  void watch();
  void decided();
  void let_go();
  void fail_with(Error error);
  void compare(const Waiting& what, const std::vector<plugin::Effect>& then);

  LiveSession& session_;
  plugin::PolicyPtr policy_;
  Reply<json::Value> reply_;
  std::string state_;
  std::deque<Waiting> queue_;
  RulingPtr in_flight_;
  Timer watch_, end_;
  json::Array rows_;
  std::uint64_t events_ = 0, differing_ = 0;
  std::int64_t began_ms_ = 0;
  bool ending_ = false;
};

}  // namespace lectern::session
