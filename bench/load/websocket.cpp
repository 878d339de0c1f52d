#include "load/websocket.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include "load/host.hpp"

namespace load {

WebSocket::WebSocket(int port, const std::string& path, const std::vector<std::string>& headers, Company* company)
    : fd_(dial(port)), company_(company) {
  std::string head = "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
                     "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  for (const auto& header : headers) head += header + "\r\n";
  write_all(fd_, head + "\r\n");
  while (buffer_.find("\r\n\r\n") == std::string::npos) wait();
  if (buffer_.compare(0, 12, "HTTP/1.1 101") != 0) give_up("upgrade refused: " + buffer_);
  at_ = buffer_.find("\r\n\r\n") + 4;
}

WebSocket::WebSocket(WebSocket&& other) noexcept
    : fd_(other.fd_),
      company_(other.company_),
      received_(other.received_),
      buffer_(std::move(other.buffer_)),
      at_(other.at_) {
  other.fd_ = -1;
}

WebSocket::~WebSocket() {
  if (fd_ >= 0) ::close(fd_);
}

void WebSocket::send(int opcode, std::string_view payload) {
  std::string frame(1, static_cast<char>(0x80 | opcode));
  const auto size = payload.size();
  if (size < 126) {
    frame += static_cast<char>(0x80 | size);
  } else if (size < 65536) {
    frame += static_cast<char>(0x80 | 126);
    frame += static_cast<char>(size >> 8);
    frame += static_cast<char>(size & 0xFF);
  } else {
    frame += static_cast<char>(0x80 | 127);
    for (int shift = 56; shift >= 0; shift -= 8) frame += static_cast<char>((size >> shift) & 0xFF);
  }
  frame.append(4, '\0');
  frame += payload;
  write_all(fd_, frame);
}

void WebSocket::fill() {
  if (at_ > 1'000'000 || at_ == buffer_.size()) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  char chunk[65536];
  const auto count = ::recv(fd_, chunk, sizeof chunk, 0);
  if (count <= 0) give_up("the host closed a connection of the driver");
  buffer_.append(chunk, static_cast<std::size_t>(count));
  received_ += static_cast<std::uint64_t>(count);
}

void WebSocket::wait() {
  if (company_ != nullptr) company_->wait_for(fd_);
  fill();
}

bool WebSocket::parse(Message& message, int& opcode) {
  const auto have = buffer_.size() - at_;
  if (have < 2) return false;
  const auto* bytes = reinterpret_cast<const unsigned char*>(buffer_.data()) + at_;
  std::uint64_t size = bytes[1] & 0x7F;
  std::size_t head = 2;
  if (size == 126 || size == 127) {
    const std::size_t width = size == 126 ? 2 : 8;
    if (have < 2 + width) return false;
    size = 0;
    for (std::size_t i = 0; i < width; ++i) size = (size << 8) | bytes[2 + i];
    head += width;
  }
  if (have < head + size) return false;
  opcode = bytes[0] & 0x0F;
  message.binary = opcode == 2;
  message.bytes.assign(buffer_, at_ + head, size);
  at_ += head + size;
  return true;
}

/// Ping and close; others are the reader's.
void WebSocket::answer(int opcode, const Message& message) {
  if (opcode == 9) send(0xA, message.bytes);
  if (opcode == 8) {
    give_up("the host closed a connection: " + (message.bytes.size() > 2 ? message.bytes.substr(2) : ""));
  }
}

bool WebSocket::next(Message& message) {
  for (int opcode = 0; parse(message, opcode);) {
    if (opcode < 8) return true;
    answer(opcode, message);
  }
  return false;
}

Message WebSocket::receive() {
  Message message;
  while (!next(message)) wait();
  return message;
}

bool WebSocket::skip_past(std::string_view needle) {
  Message message;
  while (next(message)) {
    if (!needle.empty() && message.bytes.find(needle) != std::string::npos) return true;
  }
  return false;
}

Message WebSocket::until(std::string_view needle) {
  for (;;) {
    auto message = receive();
    if (message.bytes.find(needle) != std::string::npos) return message;
    // What was refused does not happen: waiting for it would take for ever.
    if (message.bytes.find("\"error\":{\"code\":") != std::string::npos) give_up(message.bytes.substr(0, 1000));
  }
}

}  // namespace load
