#include "net/wire.hpp"

#include <Poco/Exception.h>
#include <Poco/Net/SecureStreamSocket.h>
#include <Poco/Net/StreamSocket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace lectern::net {
namespace {

constexpr std::size_t tls_record = 16384;

/// A peer that vanished without a FIN is given up when it acknowledges nothing for this long.
constexpr unsigned user_timeout_ms = 45'000;
constexpr int probe_after_s = 20;

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

Io from_errno(Want want) {
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {.want = want};
  return {.failed = true};
}

}  // namespace

struct Wire::State {
  explicit State(const Poco::Net::StreamSocket& taken) : socket(taken) {}
  Poco::Net::StreamSocket socket;
  std::string record;  // TLS: bytes OpenSSL was offered and must be offered again, unmoved
  std::size_t offered = 0;
};

Wire::Wire() = default;

Wire::Wire(const Poco::Net::StreamSocket& socket)
    : state_(std::make_unique<State>(socket)), fd_(socket.impl()->sockfd()), secure_(socket.secure()) {
  try {
    state_->socket.setBlocking(false);
  } catch (const Poco::Exception&) {
    // A socket the peer has reset already; the first operation says so.
  }
  set_option(fd_, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd_, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd_, IPPROTO_TCP, TCP_KEEPIDLE, probe_after_s);
  set_option(fd_, IPPROTO_TCP, TCP_KEEPINTVL, probe_after_s);
  set_option(fd_, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(user_timeout_ms));
}

Wire::~Wire() {
  close();
}

Wire::Wire(Wire&& other) noexcept
    : state_(std::move(other.state_)), fd_(std::exchange(other.fd_, -1)), secure_(other.secure_) {}

Wire& Wire::operator=(Wire&& other) noexcept {
  if (this != &other) {
    close();
    state_ = std::move(other.state_);
    fd_ = std::exchange(other.fd_, -1);
    secure_ = other.secure_;
  }
  return *this;
}

Io Wire::read(char* to, std::size_t size) {
  if (!state_) return {.failed = true};
  if (secure_) return read_secure(to, size);
  for (;;) {
    const auto count = ::recv(fd_, to, size, 0);
    if (count > 0) return {.bytes = static_cast<std::size_t>(count)};
    if (count == 0) return {.end = true};
    if (errno != EINTR) return from_errno(Want::read);
  }
}

Io Wire::read_secure(char* to, std::size_t size) {
  ERR_clear_error();  // a stale error of another connection on this thread would be taken for ours
  try {
    const int count = state_->socket.receiveBytes(to, static_cast<int>(std::min<std::size_t>(size, 1u << 30)));
    if (count > 0) return {.bytes = static_cast<std::size_t>(count)};
    if (count == 0) return {.end = true};
    return {.want = count == Poco::Net::SecureStreamSocket::ERR_SSL_WANT_WRITE ? Want::write : Want::read};
  } catch (const std::exception&) {
    return {.failed = true};
  }
}

Io Wire::write(std::span<const iovec> parts) {
  if (!state_) return {.failed = true};
  if (secure_) return write_secure(parts);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  for (;;) {
    const auto count = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (count >= 0) return {.bytes = static_cast<std::size_t>(count)};
    if (errno != EINTR) return from_errno(Want::write);
  }
}

Io Wire::write_secure(std::span<const iovec> parts) {
  auto& record = state_->record;
  if (state_->offered == 0) {
    record.clear();
    for (const auto& part : parts) {
      const auto count = std::min(part.iov_len, tls_record - record.size());
      record.append(static_cast<const char*>(part.iov_base), count);
      if (record.size() == tls_record) break;
    }
    if (record.empty()) return {};
    state_->offered = record.size();
  }
  ERR_clear_error();
  try {
    const int count = state_->socket.sendBytes(record.data(), static_cast<int>(state_->offered));
    if (count > 0) {
      state_->offered = 0;
      if (parts.size() == 1 && parts[0].iov_len <= static_cast<std::size_t>(count)) record = {};
      return {.bytes = static_cast<std::size_t>(count)};
    }
    if (count == 0) return {.failed = true};
    return {.want = count == Poco::Net::SecureStreamSocket::ERR_SSL_WANT_READ ? Want::read : Want::write};
  } catch (const std::exception&) {
    return {.failed = true};
  }
}

void Wire::finish() {
  if (!state_) return;
  if (secure_) {
    try {
      state_->socket.shutdown();  // of a non-blocking TLS socket: close_notify alone
    } catch (const std::exception&) {
      // close_notify is a courtesy; the FIN below says enough.
    }
  }
  ::shutdown(fd_, SHUT_WR);
}

void Wire::close() {
  if (!state_) return;
  try {
    state_->socket.close();
  } catch (const std::exception&) {
    // Closing a TLS socket says goodbye first, which fails when the peer is gone. The descriptor is closed either way.
  }
  state_.reset();
  fd_ = -1;
}

}  // namespace lectern::net
