// Many sockets of the driver, watched together: by one epoll, so that a thousand of them cost the driver little more
// than reading what they got.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "load/socket.hpp"

namespace load {

class Crowd : public Company {
 public:
  explicit Crowd(std::vector<Socket>& sockets);
  explicit Crowd(const std::vector<WebSocket*>& sockets);
  ~Crowd() override;
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  /// One more, which stays where it is.
  void add(WebSocket& socket);
  /// Reads the others, and forgets what they got, until `fd` has something to read: a member's own is left to it.
  void wait_for(int fd) override;
  /// Reads every socket until each has got a message containing `needle`; microseconds when the last one had. `each` is
  /// told when one has.
  std::int64_t until(std::string_view needle, const std::function<void(std::int64_t)>& each = {});
  /// Waits until `due` (now_us()) at the latest for something to read, and hands out the whole messages there are.
  void read(std::int64_t due, const std::function<void(std::size_t, const Message&)>& take);
  /// Reads, and forgets, until no message has come for `ms`.
  void until_quiet(int ms);

 private:
  std::vector<WebSocket*> sockets_;
  int epoll_;
};

}  // namespace load
