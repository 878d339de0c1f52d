// Commands that wait for their answer: in their order, under ids that the host runs once however often it is asked.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lectern/client/session.hpp"

namespace lectern::client {

using Clock = std::chrono::steady_clock;

struct Pending {
  std::string name;
  Json body;
  Callback<Json> done;
  Clock::time_point deadline;
  std::string stream;                  // the host's run that it was first sent to; empty: not sent yet
  std::optional<std::uint64_t> epoch;  // it was sent under
  bool on_this_link = false;
};

/// Everything [loop].
class Pendings {
 public:
  /// The host remembers the last 256 ids of a client: what is further ahead of the oldest unanswered one waits.
  static constexpr std::uint64_t window = 200;

  void add(Pending pending) { waiting_.emplace(next_++, std::move(pending)); }
  [[nodiscard]] bool empty() const { return waiting_.empty(); }
  /// The number of the newest so far.
  [[nodiscard]] std::uint64_t newest() const { return next_ - 1; }
  /// True when all up to `number` have been answered.
  [[nodiscard]] bool settled(std::uint64_t number) const {
    return waiting_.empty() || waiting_.begin()->first > number;
  }
  [[nodiscard]] bool has(std::string_view id) const { return waiting_.contains(number_of(id)); }
  std::optional<Pending> take(std::string_view id);
  std::vector<Pending> take_all();
  /// Those whose time is over.
  std::vector<Pending> take_late(Clock::time_point now);
  /// Those that a host which was started anew cannot be asked again, having perhaps done them before it went.
  std::vector<Pending> take_unrepeatable(std::string_view stream);
  void link_lost();
  /// Frames to send now; `again`: only what was sent in this stream before. `epoch` is that of our grant now.
  std::vector<std::string> due(const std::string& stream, std::optional<std::uint64_t> epoch, bool again);

 private:
  static std::uint64_t number_of(std::string_view id);
  template <class Which>
  std::vector<Pending> take_if(Which which);
  std::map<std::uint64_t, Pending> waiting_;
  std::uint64_t next_ = 1;
};

}  // namespace lectern::client
