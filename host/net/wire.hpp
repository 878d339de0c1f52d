// One accepted socket, plain or TLS, always non-blocking. Whoever holds the Wire holds the socket: a worker that polls
// with a deadline, then perhaps a reactor. Every operation tries first and waits only for what it was told to: TLS may
// hold decrypted bytes of which epoll knows nothing.
#pragma once

#include <memory>
#include <span>

#include "net/io.hpp"

namespace Poco::Net {
class StreamSocket;
}

namespace lectern::net {

class TlsServer;
class TlsStream;

/// One thread at a time, any thread.
class Wire {
 public:
  Wire();
  /// Takes over: the descriptor is duplicated (close-on-exec, which Poco's is not: a kernel must not inherit it) and
  /// Poco's own closed. Makes the socket non-blocking, sets TCP_NODELAY. With `tls` it speaks TLS as the server; the
  /// handshake is part of the first reads and writes.
  explicit Wire(Poco::Net::StreamSocket socket, TlsServer* tls = nullptr);
  ~Wire();
  Wire(Wire&&) noexcept;
  Wire& operator=(Wire&&) noexcept;

  [[nodiscard]] bool open() const { return fd_ >= 0; }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool secure() const { return tls_ != nullptr; }

  Io read(char* to, std::size_t size);
  /// Plain: all of `parts` in one system call. TLS: copies up to one record; after `want` the same bytes must be
  /// offered again, which a caller does by itself as long as it only ever appends.
  Io write(std::span<const iovec> parts);
  /// Ends the sending side: close_notify, FIN.
  void finish();
  /// Closes without a word. A plain socket with unread input sends RST.
  void close();

 private:
  std::unique_ptr<TlsStream> tls_;  // null: plain
  int fd_ = -1;
};

}  // namespace lectern::net
