// A WebSocket client as small as a load driver needs: blocking, unmasking nothing, masking with zeros (the mask key is
// free to choose).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace load {

struct Message {
  bool binary = false;
  std::string bytes;
};

/// Others who are read on while one socket waits: a host closes whoever answers no ping.
class Company {
 public:
  virtual ~Company() = default;
  /// Returns when `fd` has something to read.
  virtual void wait_for(int fd) = 0;
};

class WebSocket {
 public:
  /// Connects to `path` on loopback. `headers` are whole lines without their ends. `company`, if any, outlives the
  /// socket, or the last wait before wait_alone().
  WebSocket(int port, const std::string& path, const std::vector<std::string>& headers, Company* company = nullptr);
  virtual ~WebSocket();
  WebSocket(WebSocket&& other) noexcept;
  WebSocket& operator=(WebSocket&&) = delete;

  void send_text(std::string_view text) { send(0x1, text); }
  void send_binary(std::string_view bytes) { send(0x2, bytes); }
  /// The next whole message; blocks. Answers pings by itself.
  Message receive();
  /// From here on nobody else is read while this one waits.
  void wait_alone() { company_ = nullptr; }
  /// Reads until a message contains `needle`; returns it.
  Message until(std::string_view needle);
  /// One read of what has arrived, or of what arrives first.
  void fill();
  /// The next whole message of what was read so far: false when there is none. Reads nothing from the socket.
  bool next(Message& message);
  /// Forgets the whole messages read so far, up to the first that contains `needle`: true when there was one. Without a
  /// needle all of them. Reads nothing from the socket.
  bool skip_past(std::string_view needle);

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] std::uint64_t received() const { return received_; }  // bytes, heads of frames included

 private:
  void send(int opcode, std::string_view payload);
  void answer(int opcode, const Message& message);
  bool parse(Message& message, int& opcode);
  void wait();

  int fd_ = -1;
  Company* company_ = nullptr;
  std::uint64_t received_ = 0;
  std::string buffer_;
  std::size_t at_ = 0;
};

}  // namespace load
