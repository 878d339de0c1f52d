// The last 256 command ids of one client with their replies: a retry after a cut gets the first reply and runs nothing,
// unless the first try ended undecided (503, 504).
#pragma once

#include <algorithm>
#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "session/session.hpp"

namespace lectern::session {

class Idempotency {
 public:
  static constexpr std::size_t window = 256;

  /// [reactor] True when `id` is new and shall run; its reply must come through settle(). Otherwise `reply` gets the
  /// first reply, now or when it is there. An empty id is always new and never remembered.
  bool begin(std::string_view id, Reply<CommandReply>& reply) {
    if (id.empty()) return true;
    for (auto& entry : entries_) {
      if (entry.id != id) continue;
      if (entry.answer) {
        reply(*entry.answer);
      } else {
        entry.waiting.push_back(std::move(reply));
      }
      return false;
    }
    entries_.push_back(Entry{std::string(id), std::nullopt, {}});
    if (entries_.size() > window) entries_.pop_front();
    return true;
  }

  /// [reactor] The reply of `id` is known; whoever retried meanwhile gets it too. When it says that nothing was
  /// decided, `id` is forgotten: a retry runs.
  void settle(std::string_view id, const Result<CommandReply>& answer) {
    // From the newest: it is mostly among the last.
    const auto entry =
        std::find_if(entries_.rbegin(), entries_.rend(), [&](const Entry& known) { return known.id == id; });
    if (entry == entries_.rend()) return;
    auto waiting = std::move(entry->waiting);
    entry->waiting.clear();
    if (undecided(answer)) {
      entries_.erase(std::prev(entry.base()));
    } else {
      entry->answer = answer;
    }
    for (auto& reply : waiting) reply(answer);
  }

 private:
  static bool undecided(const Result<CommandReply>& answer) {
    return !answer && (answer.error().status == 503 || answer.error().status == 504);
  }
  struct Entry {
    std::string id;
    std::optional<Result<CommandReply>> answer;
    std::vector<Reply<CommandReply>> waiting;
  };
  std::deque<Entry> entries_;
};

}  // namespace lectern::session
