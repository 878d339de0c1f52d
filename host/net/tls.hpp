// TLS, kept out of the host's own binary: most hosts listen on loopback and never need it, and what it brings along
// (libssl, Poco's NetSSL with its XML, JSON and Util) costs every one of them 2 MB of resident memory. It is a shared
// object of the host's, built with it, that is loaded when the first certificate or https address is used.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/result.hpp"
#include "net/io.hpp"

namespace Poco::Net {
class HTTPClientSession;
}

namespace lectern::net {

/// One connection. One thread at a time, any thread.
class TlsStream {
 public:
  virtual ~TlsStream() = default;
  virtual Io read(char* to, std::size_t size) = 0;
  /// Copies up to one record; after `want` the same bytes must be offered again.
  virtual Io write(std::span<const iovec> parts) = 0;
  /// Says close_notify if there is a conversation to end and it fits.
  virtual void finish() = 0;
};

/// One connection that was made from here. Whom it leads to is for the caller to judge, by the key.
class TlsClientStream : public TlsStream {
 public:
  /// Goes on with the handshake: it has ended when neither `want` nor `failed` is said.
  virtual Io handshake() = 0;
  /// sha256 of the peer's public key (SubjectPublicKeyInfo), hex; empty before the handshake has ended.
  [[nodiscard]] virtual std::string peer_key() const = 0;
};

/// A certificate and its key. [any]
class TlsServer {
 public:
  virtual ~TlsServer() = default;
  /// Serves on a non-blocking socket, which stays the caller's; the handshake is part of the first reads and writes.
  /// Null when there is no memory for it.
  [[nodiscard]] virtual std::unique_ptr<TlsStream> accept(int fd) = 0;
};

/// A connection to another device, by its key.
struct DeviceSession {
  std::unique_ptr<Poco::Net::HTTPClientSession> session;  // connected
  std::string pin;                                        // sha256 of the peer's public key (SPKI), hex
};

/// What the shared object offers. It stays loaded.
class Tls {
 public:
  virtual ~Tls() = default;
  /// [control] PEM files: the certificate with its chain, its unencrypted key. 400 `bad_tls`.
  virtual Result<std::unique_ptr<TlsServer>> serve(const std::string& certificate, const std::string& key) = 0;
  /// [control] A session for requests to https://host:port. With `pinned`, a PEM file, exactly that certificate is
  /// accepted (it is connected then); without, what the system's authorities vouch for. Status 0 `unreachable`; Poco's
  /// exceptions for what the network does.
  virtual Result<std::unique_ptr<Poco::Net::HTTPClientSession>> dial(const std::string& host, unsigned short port,
                                                                     const std::string& pinned) = 0;
  /// [worker] The same to a device that shows the key with this pin, whatever its certificate says: for paired devices.
  /// An empty `pin` takes any key and says which it was: for pairing, which proves it by other means. Status 0
  /// `another_key`; Poco's exceptions for what the network does.
  virtual Result<DeviceSession> dial_device(const std::string& host, unsigned short port, const std::string& pin) = 0;
  /// [any] Speaks TLS as the client on a non-blocking socket, which stays the caller's. No authority is asked. Null
  /// when there is no memory for it.
  [[nodiscard]] virtual std::unique_ptr<TlsClientStream> connect(int fd, const std::string& host) = 0;
};

/// [control] Loads it at the first call. 500 `tls_missing` naming the file.
Result<Tls*> load_tls();

}  // namespace lectern::net
