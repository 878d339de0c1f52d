// One line to a kernel: a TCP connection on which ZMTP is spoken, made again whenever it is lost or refused, as libzmq
// makes it. No thread of its own: whoever watches its descriptor says when there is something to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>

#include "watcher.hpp"
#include "zmtp_codec.hpp"

namespace jupyter::zmtp {

struct PeerOptions {
  int port = 0;  // on 127.0.0.1
  SocketType type = SocketType::dealer;
  std::string identity;
};

/// Not thread-safe, but no thread is the only one that may call it: calls one after the other are enough.
class Peer {
 public:
  static constexpr std::size_t most_waiting_bytes = 64u << 20u;  // one message may be more, alone

  /// Begins to connect; watched as this slot of its owner.
  Peer(Watcher& watcher, std::uint64_t owner, unsigned slot, PeerOptions options);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  /// Says a whole message, made of append_part()s. Written now if the other end takes it; kept, in order, while it does
  /// not or there is no connection. Throws lectern::sdk::Failure when too much is kept.
  void send(std::string message);
  /// Reads and writes all that can be. Called when its slot is ready, and when it is due.
  void serve(std::int64_t now_ms);
  /// When serve() is to be called even if nothing comes; `never` when it need not be.
  [[nodiscard]] std::int64_t due_ms() const { return due_ms_; }
  /// Of what serve() read, the next.
  [[nodiscard]] std::optional<Message> next();
  /// All that came, on all its connections.
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }
  /// Messages of the kernel that were too long, on all its connections.
  [[nodiscard]] std::size_t dropped() const { return dropped_ + decoder_.dropped(); }

 private:
  enum class Put { all, some, lost };

  void connect(std::int64_t now_ms);
  void connect_again(std::int64_t now_ms);
  void disconnect(std::int64_t due_ms);
  [[nodiscard]] bool established();
  void open();
  [[nodiscard]] bool read();
  [[nodiscard]] bool take(std::string_view bytes);
  [[nodiscard]] bool write();
  [[nodiscard]] Put put(const std::string& bytes, std::size_t& written) const;

  Watcher& watcher_;
  std::uint64_t owner_;
  unsigned slot_;
  PeerOptions options_;
  int fd_ = -1;
  Watched watched_;
  bool open_ = false;        // the connection is made; false with a descriptor: it is being made
  bool introduced_ = false;  // our READY is said, or waits to be
  bool subscribed_ = false;  // what comes before messages is said, or waits to be
  Decoder decoder_;
  std::string first_;                            // what goes before the messages: ours of the handshake, and answers
  std::list<std::string> waiting_;               // messages
  std::size_t first_written_ = 0, written_ = 0;  // of first_; of the first that waits
  std::size_t waiting_bytes_ = 0;
  std::uint64_t bytes_read_ = 0;
  std::list<Message> read_;  // on connections before this one
  std::int64_t due_ms_ = 0;
  bool complained_ = false;
  std::size_t dropped_ = 0;  // on connections before this one
};

}  // namespace jupyter::zmtp
