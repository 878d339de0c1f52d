#include "load/socket.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "load/stats.hpp"

namespace load {

Socket::Socket(const Host& host, const std::string& session, const std::string& query) : fd_(dial(host.port())) {
  write_all(fd_, "GET /api/v1/sessions/" + session + "/connect?" + query + " HTTP/1.1\r\nHost: 127.0.0.1:" +
                     std::to_string(host.port()) + "\r\nAuthorization: Bearer " + host.token() +
                     "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: lectern.v1\r\n\r\n");
  while (buffer_.find("\r\n\r\n") == std::string::npos) fill();
  if (buffer_.compare(0, 12, "HTTP/1.1 101") != 0) give_up("upgrade refused: " + buffer_);
  at_ = buffer_.find("\r\n\r\n") + 4;
  for (bool complete = false; !complete;) {
    const auto message = receive();
    if (message.binary) {
      if (message.bytes[0] == 6) {
        std::uint32_t header = 0;
        std::memcpy(&header, message.bytes.data() + 1, 4);
        document_ = message.bytes.substr(5 + header);
      }
      continue;
    }
    if (ready_us_ == 0 && message.bytes.find("\"kernel-ready\"") != std::string::npos) {
      ready_us_ = now_us();
      const auto frame = lectern::json::parse(message.bytes, {.bytes = 1u << 30, .nodes = 100'000'000});
      if (!frame) give_up(frame.error().message);
      const auto& data = *frame->find("data");
      client_id_ = *data.find("client")->find("id")->as_string();
      client_key_ = client_id_ + "." + *data.find("client")->find("secret")->as_string();
      actor_ = *data.find("actor")->as_string();
      if (const auto* epoch = data.find("epoch")) epoch_ = epoch->as_uint().value_or(0);
    }
    complete = message.bytes.find("\"replay-complete\"") != std::string::npos;
  }
  const bool wants_document = query.find("document=changes") != std::string::npos;
  while (wants_document && document_.empty()) {
    const auto message = receive();
    if (!message.binary || message.bytes[0] != 6) continue;
    std::uint32_t header = 0;
    std::memcpy(&header, message.bytes.data() + 1, 4);
    document_ = message.bytes.substr(5 + header);
  }
}

Socket::Socket(Socket&& other) noexcept
    : fd_(other.fd_),
      buffer_(std::move(other.buffer_)),
      at_(other.at_),
      client_id_(std::move(other.client_id_)),
      client_key_(std::move(other.client_key_)),
      actor_(std::move(other.actor_)),
      document_(std::move(other.document_)),
      epoch_(other.epoch_),
      ready_us_(other.ready_us_) {
  other.fd_ = -1;
}

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

void Socket::send(int opcode, std::string_view payload) {
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

void Socket::fill() {
  if (at_ > 1'000'000 || at_ == buffer_.size()) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  char chunk[65536];
  const auto count = ::recv(fd_, chunk, sizeof chunk, 0);
  if (count <= 0) give_up("the host closed a connection of the driver");
  buffer_.append(chunk, static_cast<std::size_t>(count));
}

bool Socket::parse(Message& message, int& opcode) {
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
void Socket::answer(int opcode, const Message& message) {
  if (opcode == 9) send(0xA, message.bytes);
  if (opcode == 8) {
    give_up("the host closed a connection: " + (message.bytes.size() > 2 ? message.bytes.substr(2) : ""));
  }
}

Message Socket::receive() {
  Message message;
  for (int opcode = 0;;) {
    if (!parse(message, opcode)) {
      fill();
      continue;
    }
    if (opcode < 8) return message;
    answer(opcode, message);
  }
}

bool Socket::skip_past(std::string_view needle) {
  Message message;
  for (int opcode = 0; parse(message, opcode);) {
    answer(opcode, message);
    if (opcode < 8 && !needle.empty() && message.bytes.find(needle) != std::string::npos) return true;
  }
  return false;
}

Message Socket::until(std::string_view needle) {
  for (;;) {
    auto message = receive();
    if (message.bytes.find(needle) != std::string::npos) return message;
  }
}

}  // namespace load
