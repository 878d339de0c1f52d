// One connection to a Redis server: commands out, replies in, each call with one deadline. Not for several threads.
#pragma once

#include <Poco/Net/StreamSocket.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "settings.hpp"

namespace presence_redis {

struct Reply {
  enum class Kind { nothing, text, number, list, error };
  Kind kind = Kind::nothing;
  std::string text;  // of text and error
  std::int64_t number = 0;
  std::vector<Reply> list;
};

using Arguments = std::vector<std::string>;

/// The connection is of no use any more: lost, too slow, or it does not speak Redis. `what` names no secret.
class Broken : public std::exception {
 public:
  explicit Broken(std::string what) : what_(std::move(what)) {}
  [[nodiscard]] const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

class Connection {
 public:
  using Clock = std::chrono::steady_clock;

  /// Connects, authenticates, chooses the database. Throws Broken, or a Failure for what trying again does not mend.
  Connection(const Settings& settings, Clock::time_point deadline);

  /// Sends all of them, then reads as many replies; an error the server answers with is a reply. Throws Broken.
  std::vector<Reply> call(const std::vector<Arguments>& commands, Clock::time_point deadline);

 private:
  void connect(const Settings& settings, Clock::time_point deadline);
  void enter(const Settings& settings, Clock::time_point deadline);
  void send(const std::string& bytes, Clock::time_point deadline);
  void fill(Clock::time_point deadline);
  std::string line(Clock::time_point deadline);
  std::string bytes(std::size_t count, Clock::time_point deadline);
  Reply reply(Clock::time_point deadline, int depth);

  std::string place_;
  Poco::Net::StreamSocket socket_;
  std::string read_;  // received and not yet taken: from `taken_` on
  std::size_t taken_ = 0;
};

}  // namespace presence_redis
