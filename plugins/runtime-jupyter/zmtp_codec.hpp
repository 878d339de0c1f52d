// ZMTP, ZeroMQ's wire protocol, as the end that connects sees it: bytes in, messages out, and the bytes of what is
// said. Version 3.0 with the NULL mechanism (rfc.zeromq.org/spec/23); a peer of 3.1 (spec/37) takes that for what it
// is. No sockets here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace jupyter::zmtp {

/// The parts of a message, one after the other in one piece of memory.
class Message {
 public:
  [[nodiscard]] std::size_t size() const { return ends_.size(); }
  [[nodiscard]] std::string_view at(std::size_t i) const {
    const auto begin = i == 0 ? 0 : ends_.at(i - 1);
    return std::string_view(bytes_).substr(begin, ends_.at(i) - begin);
  }

 private:
  friend class Decoder;
  void make_room(std::size_t bytes);
  std::string bytes_;
  std::vector<std::size_t> ends_;
};

enum class SocketType { dealer, sub };

inline constexpr std::size_t most_part_head = 9;
inline constexpr std::size_t most_parts = 10'000;               // of a message; what is more of them is dropped
inline constexpr std::size_t most_message_bytes = 1ull << 30u;  // a message that is longer is dropped
inline constexpr std::size_t most_command_bytes = 64u << 10u;   // a peer that says more breaks the protocol

/// What each side says first.
std::string greeting();
/// What follows when the peer has greeted. `identity` is what a ROUTER knows us by, at most 255 bytes.
std::string ready(SocketType type, std::string_view identity);
/// A subscriber's wish for everything.
std::string subscribe_to_all();
/// One part of a message: `bytes`, and a head of most_part_head at most.
void append_part(std::string& out, std::string_view bytes, bool more);

/// What the peer says on one connection. Not thread-safe.
class Decoder {
 public:
  /// Takes all of `bytes`. False when they break the protocol: nothing more can be read then.
  [[nodiscard]] bool take(std::string_view bytes);
  /// What was wrong; empty while nothing was.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  /// It greeted: our READY is to be said.
  [[nodiscard]] bool greeted() const { return state_ != State::greeting; }
  /// It is ready: messages may be said.
  [[nodiscard]] bool is_ready() const { return ready_; }
  [[nodiscard]] std::optional<Message> next();
  /// What is to be said to it in return, between two messages; empty the next time.
  [[nodiscard]] std::string take_answers();
  /// Messages that were too long to be kept.
  [[nodiscard]] std::size_t dropped() const { return dropped_; }

 private:
  enum class State { greeting, flags, length, body, broken };

  void take_greeting(std::string_view& bytes);
  void take_flags(std::string_view& bytes);
  void take_length(std::string_view& bytes);
  void take_body(std::string_view& bytes);
  void begin_body();
  void end_body();
  void on_command(std::string_view command);
  void on_ready(std::string_view properties);
  void end_message();
  void broken(std::string why);

  State state_ = State::greeting;
  bool ready_ = false, command_ = false, more_ = false, kept_ = true;
  unsigned length_bytes_ = 0;  // how many of them are still to come
  std::uint64_t left_ = 0;     // of the body
  std::string head_;           // the greeting, or a command
  Message message_;            // that is being read
  bool whole_ = true;          // false: it is too long, and dropped at its end
  std::list<Message> messages_;
  std::string answers_, problem_;
  std::size_t dropped_ = 0;
};

}  // namespace jupyter::zmtp
