// Thirty people who type at once in one room, whoever's server it is: the same strokes at the same moments.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "load/crowd.hpp"
#include "load/stats.hpp"

namespace load {

struct TypingRoom {
  std::vector<WebSocket*> people;
  /// Makes the next keystroke of one of them and gives what to send. The others will be told of `key`.
  struct Stroke {
    std::string frame, key;
  };
  std::function<Stroke(std::size_t)> stroke;
  /// Calls `tell` with each key that a message tells of: servers may put several strokes into one.
  using Tell = std::function<void(std::string_view)>;
  std::function<void(const Message&, const Tell& tell)> keys_of;
  int pid = 0;  // of the server
};

struct Typed {
  Samples to_the_last;     // from sending a stroke until the last of the others has it
  double cpu_percent = 0;  // of one core, by the server
  std::size_t strokes = 0, missing = 0;
};

/// Each types `per_second` characters on average, at moments of his own, for `seconds`.
Typed type_together(TypingRoom& room, double per_second, int seconds);

}  // namespace load
