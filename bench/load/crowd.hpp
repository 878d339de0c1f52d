// Many sockets of the driver, watched together: by one epoll, so that a thousand of them cost the driver little more
// than reading what they got.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "load/socket.hpp"

namespace load {

class Crowd {
 public:
  explicit Crowd(std::vector<Socket>& sockets);
  explicit Crowd(std::vector<WebSocket*> sockets);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  /// Reads every socket until each has got a message containing `needle`; microseconds when the last one had.
  std::int64_t until(std::string_view needle);
  /// Waits until `due` (now_us()) at the latest for something to read, and hands out the whole messages there are.
  void read(std::int64_t due, const std::function<void(std::size_t, const Message&)>& take);
  /// Reads, and forgets, until nothing has come for `ms`.
  void until_quiet(int ms);

 private:
  void watch();
  std::vector<WebSocket*> sockets_;
  int epoll_ = -1;
};

}  // namespace load
