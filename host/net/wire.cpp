#include "net/wire.hpp"

#include <Poco/Exception.h>
#include <Poco/Net/StreamSocket.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "net/tls.hpp"

namespace lectern::net {
namespace {

/// A peer that vanished without a FIN is given up when it acknowledges nothing for this long.
constexpr int user_timeout_ms = 45'000;
constexpr int probe_after_s = 20;

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

Io from_errno(Want want) {
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {.want = want};
  return {.failed = true};
}

}  // namespace

Wire::Wire() = default;

Wire::Wire(Poco::Net::StreamSocket socket, TlsServer* tls) : fd_(::fcntl(socket.impl()->sockfd(), F_DUPFD_CLOEXEC, 0)) {
  try {
    socket.close();
  } catch (const Poco::Exception&) {
    // Gone already; the first operation on ours says so.
  }
  if (fd_ < 0) return;
  ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
  set_option(fd_, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd_, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd_, IPPROTO_TCP, TCP_KEEPIDLE, probe_after_s);
  set_option(fd_, IPPROTO_TCP, TCP_KEEPINTVL, probe_after_s);
  set_option(fd_, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms);
  if (tls == nullptr) return;
  tls_ = tls->accept(fd_);
  if (!tls_) close();
}

Wire::~Wire() {
  close();
}

Wire::Wire(Wire&& other) noexcept : tls_(std::move(other.tls_)), fd_(std::exchange(other.fd_, -1)) {}

Wire& Wire::operator=(Wire&& other) noexcept {
  if (this != &other) {
    close();
    tls_ = std::move(other.tls_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

Io Wire::read(char* to, std::size_t size) {
  if (!open()) return {.failed = true};
  if (tls_) return tls_->read(to, size);
  for (;;) {
    const auto count = ::recv(fd_, to, size, 0);
    if (count > 0) return {.bytes = static_cast<std::size_t>(count)};
    if (count == 0) return {.end = true};
    if (errno != EINTR) return from_errno(Want::read);
  }
}

Io Wire::write(std::span<const iovec> parts) {
  if (!open()) return {.failed = true};
  if (tls_) return tls_->write(parts);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  for (;;) {
    const auto count = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (count >= 0) return {.bytes = static_cast<std::size_t>(count)};
    if (errno != EINTR) return from_errno(Want::write);
  }
}

void Wire::finish() {
  if (!open()) return;
  if (tls_) tls_->finish();
  ::shutdown(fd_, SHUT_WR);
}

void Wire::close() {
  if (fd_ < 0) return;
  tls_.reset();
  ::close(std::exchange(fd_, -1));
}

}  // namespace lectern::net
