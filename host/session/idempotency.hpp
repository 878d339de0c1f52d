// The last 256 command ids of one client with their replies: a retry after a cut gets the first reply and runs nothing,
// unless the first try ended undecided (503, 504).
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "session/session.hpp"
#include "session/settled_replies.hpp"

namespace lectern::session {

class Idempotency {
 public:
  static constexpr std::size_t window = 256;

  /// [reactor] True when `id` is new and shall run; its reply must come through settle(). Otherwise `reply` gets the
  /// first reply, now or when it is there. An empty id is always new and never remembered.
  bool begin(std::string_view id, Reply<CommandReply>& reply) {
    if (id.empty()) return true;
    if (const auto open = find_open(id); open != open_.end()) {
      open->waiting.push_back(std::move(reply));
      return false;
    }
    if (const auto answer = settled_.find(id)) {
      reply(*answer);
      return false;
    }
    open_.push_back({std::string(id), {}});
    forget_oldest();
    return true;
  }

  /// [reactor] The reply of `id` is known; whoever retried meanwhile gets it too. When it says that nothing was
  /// decided, `id` is forgotten: a retry runs.
  void settle(std::string_view id, const Result<CommandReply>& answer) {
    const auto open = find_open(id);
    if (open == open_.end()) return;
    auto waiting = std::move(open->waiting);
    open_.erase(open);
    if (!undecided(answer)) settled_.add(id, answer);
    for (auto& reply : waiting) reply(answer);
  }

 private:
  static bool undecided(const Result<CommandReply>& answer) {
    return !answer && (answer.error().status == 503 || answer.error().status == 504);
  }
  struct Open {
    std::string id;
    std::vector<Reply<CommandReply>> waiting;
  };
  std::vector<Open>::iterator find_open(std::string_view id) {
    return std::find_if(open_.begin(), open_.end(), [&](const Open& one) { return one.id == id; });
  }
  /// Those that have a reply first: a client that has more commands under way than the window holds loses them all.
  void forget_oldest() {
    if (open_.size() + settled_.size() <= window) return;
    if (settled_.size() > 0) return settled_.pop_front();
    open_.erase(open_.begin());
  }

  std::vector<Open> open_;  // in the order they came in
  SettledReplies settled_;
};

}  // namespace lectern::session
