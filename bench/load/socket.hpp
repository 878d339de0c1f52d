// A WebSocket client of lectern.v1, as small as a load driver needs: blocking, unmasking nothing, masking with zeros
// (the mask key is free to choose).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "load/host.hpp"

namespace load {

struct Message {
  bool binary = false;
  std::string bytes;
};

class Socket {
 public:
  /// Connects to `session` and waits for replay-complete. `query` is appended ("document=changes").
  Socket(const Host& host, const std::string& session, const std::string& query = "document=events");
  ~Socket();
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&&) = delete;

  void send_text(std::string_view text) { send(0x1, text); }
  void send_binary(std::string_view bytes) { send(0x2, bytes); }
  /// The next whole message; blocks. Answers pings by itself.
  Message receive();
  /// Reads until a message contains `needle`; returns it.
  Message until(std::string_view needle);
  /// One read of what has arrived, or of what arrives first.
  void fill();
  /// Forgets the whole messages read so far, up to the first that contains `needle`: true when there was one. Without a
  /// needle all of them. Reads nothing from the socket.
  bool skip_past(std::string_view needle);

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const std::string& client_id() const { return client_id_; }
  [[nodiscard]] const std::string& client_key() const { return client_key_; }
  [[nodiscard]] const std::string& actor() const { return actor_; }
  [[nodiscard]] const std::string& document() const { return document_; }  // save bytes of the 06 frame
  [[nodiscard]] std::int64_t ready_us() const { return ready_us_; }        // when kernel-ready was received whole
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  void set_epoch(std::uint64_t epoch) { epoch_ = epoch; }

 private:
  void send(int opcode, std::string_view payload);
  void answer(int opcode, const Message& message);
  bool parse(Message& message, int& opcode);

  int fd_ = -1;
  std::string buffer_;
  std::size_t at_ = 0;
  std::string client_id_, client_key_, actor_, document_;
  std::uint64_t epoch_ = 0;
  std::int64_t ready_us_ = 0;
};

}  // namespace load
