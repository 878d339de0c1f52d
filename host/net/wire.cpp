#include "net/wire.hpp"

#include <Poco/Exception.h>
#include <Poco/Net/StreamSocket.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace lectern::net {
namespace {

constexpr std::size_t tls_record = 16384;

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

struct Wire::Tls {
  explicit Tls(SSL* made) : ssl(made) {}
  ~Tls() { SSL_free(ssl); }
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  /// What OpenSSL says about a call that returned `result` <= 0.
  [[nodiscard]] Io explain(int result) const {
    switch (SSL_get_error(ssl, result)) {
      case SSL_ERROR_WANT_READ:
        return {.want = Want::read};
      case SSL_ERROR_WANT_WRITE:
        return {.want = Want::write};
      case SSL_ERROR_ZERO_RETURN:
        return {.end = true};
      default:
        return {.failed = true};
    }
  }

  SSL* ssl;
  std::string record;  // bytes OpenSSL was offered and must be offered again
  std::size_t offered = 0;
};

Wire::Wire() = default;

Wire::Wire(Poco::Net::StreamSocket socket, ssl_ctx_st* tls)
    : fd_(::fcntl(socket.impl()->sockfd(), F_DUPFD_CLOEXEC, 0)) {
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
  tls_ = std::make_unique<Tls>(SSL_new(tls));
  if (tls_->ssl == nullptr || SSL_set_fd(tls_->ssl, fd_) != 1) {
    close();
    return;
  }
  SSL_set_accept_state(tls_->ssl);
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
  if (tls_) return read_secure(to, size);
  for (;;) {
    const auto count = ::recv(fd_, to, size, 0);
    if (count > 0) return {.bytes = static_cast<std::size_t>(count)};
    if (count == 0) return {.end = true};
    if (errno != EINTR) return from_errno(Want::read);
  }
}

Io Wire::read_secure(char* to, std::size_t size) {
  ERR_clear_error();  // a stale error of another connection on this thread would be taken for ours
  const int count = SSL_read(tls_->ssl, to, static_cast<int>(std::min<std::size_t>(size, 1u << 30)));
  return count > 0 ? Io{.bytes = static_cast<std::size_t>(count)} : tls_->explain(count);
}

Io Wire::write(std::span<const iovec> parts) {
  if (!open()) return {.failed = true};
  if (tls_) return write_secure(parts);
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
  auto& record = tls_->record;
  if (tls_->offered == 0) {
    record.clear();
    for (const auto& part : parts) {
      const auto count = std::min(part.iov_len, tls_record - record.size());
      record.append(static_cast<const char*>(part.iov_base), count);
      if (record.size() == tls_record) break;
    }
    if (record.empty()) return {};
    tls_->offered = record.size();
  }
  ERR_clear_error();
  const int count = SSL_write(tls_->ssl, record.data(), static_cast<int>(tls_->offered));
  if (count <= 0) {
    auto io = tls_->explain(count);
    // A write that fails after the peer's close_notify is reported as the end of reading.
    io.failed = io.failed || std::exchange(io.end, false);
    return io;
  }
  tls_->offered = 0;
  if (parts.size() == 1 && parts[0].iov_len <= static_cast<std::size_t>(count)) record = {};  // idle again
  return {.bytes = static_cast<std::size_t>(count)};
}

void Wire::finish() {
  if (!open()) return;
  if (tls_ && SSL_is_init_finished(tls_->ssl) == 1) {
    ERR_clear_error();
    SSL_shutdown(tls_->ssl);  // a courtesy; the FIN below says enough when it does not fit
  }
  ::shutdown(fd_, SHUT_WR);
}

void Wire::close() {
  if (fd_ < 0) return;
  tls_.reset();
  ::close(std::exchange(fd_, -1));
}

}  // namespace lectern::net
