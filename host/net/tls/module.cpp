// The shared object behind net/tls.hpp: Poco makes the contexts, OpenSSL speaks over the plain non-blocking socket.
// Poco 1.11's SecureStreamSocket throws a TimeoutException from a non-blocking handshake and does not say what it waits
// for.
#include <Poco/Crypto/X509Certificate.h>
#include <Poco/Exception.h>
#include <Poco/Net/Context.h>
#include <Poco/Net/HTTPSClientSession.h>
#include <Poco/Net/NetSSL.h>
#include <Poco/Net/SecureStreamSocket.h>
#include <Poco/Net/SocketAddress.h>
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "net/cutoff.hpp"
#include "net/tls.hpp"

namespace lectern::net {
namespace {

constexpr std::size_t tls_record = 16384;
const Poco::Timespan dial_patience(5, 0);

/// sha256 of the public key in a certificate, hex; empty when it has none.
std::string key_of_certificate(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = certificate == nullptr ? -1 : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return {};
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  const bool done = EVP_Digest(der, static_cast<std::size_t>(size), digest.data(), &length, EVP_sha256(), nullptr) == 1;
  OPENSSL_free(der);
  if (!done) return {};
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (unsigned int i = 0; i < length; ++i) {
    out.push_back(digits[digest[i] >> 4]);
    out.push_back(digits[digest[i] & 15]);
  }
  return out;
}

/// `Face` is TlsStream, or TlsClientStream for what ClientStream adds.
template <class Face>
class Stream : public Face {
 public:
  explicit Stream(SSL* made) : ssl_(made) {}
  ~Stream() override { SSL_free(ssl_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Io read(char* to, std::size_t size) override {
    ERR_clear_error();  // a stale error of another connection on this thread would be taken for ours
    const int count = SSL_read(ssl_, to, static_cast<int>(std::min<std::size_t>(size, 1u << 30)));
    return count > 0 ? Io{.bytes = static_cast<std::size_t>(count)} : explain(count);
  }

  Io write(std::span<const iovec> parts) override {
    if (offered_ == 0) {
      record_.clear();
      for (const auto& part : parts) {
        const auto count = std::min(part.iov_len, tls_record - record_.size());
        record_.append(static_cast<const char*>(part.iov_base), count);
        if (record_.size() == tls_record) break;
      }
      if (record_.empty()) return {};
      offered_ = record_.size();
    }
    ERR_clear_error();
    const int count = SSL_write(ssl_, record_.data(), static_cast<int>(offered_));
    if (count <= 0) {
      auto io = explain(count);
      // A write that fails after the peer's close_notify is reported as the end of reading.
      io.failed = io.failed || std::exchange(io.end, false);
      return io;
    }
    offered_ = 0;
    if (parts.size() == 1 && parts[0].iov_len <= static_cast<std::size_t>(count)) record_ = {};  // idle again
    return {.bytes = static_cast<std::size_t>(count)};
  }

  void finish() override {
    if (SSL_is_init_finished(ssl_) != 1) return;
    ERR_clear_error();
    SSL_shutdown(ssl_);  // a courtesy; the FIN that follows says enough when it does not fit
  }

 protected:
  /// What OpenSSL says about a call that returned `result` <= 0.
  [[nodiscard]] Io explain(int result) const {
    switch (SSL_get_error(ssl_, result)) {
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

  SSL* ssl_;

 private:
  std::string record_;  // bytes OpenSSL was offered and must be offered again
  std::size_t offered_ = 0;
};

class ClientStream final : public Stream<TlsClientStream> {
 public:
  using Stream::Stream;

  Io handshake() override {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_);
    if (result == 1) return {};
    auto io = explain(result);
    io.failed = io.failed || std::exchange(io.end, false);
    return io;
  }
  [[nodiscard]] std::string peer_key() const override {
    if (SSL_is_init_finished(ssl_) != 1) return {};
    X509* const certificate = SSL_get1_peer_certificate(ssl_);
    auto key = key_of_certificate(certificate);
    X509_free(certificate);
    return key;
  }
};

/// Counts users of OpenSSL through Poco.
struct SslUse {
  SslUse() { Poco::Net::initializeSSL(); }
  ~SslUse() { Poco::Net::uninitializeSSL(); }
};

void set_modes(SSL_CTX* native) {
  SSL_CTX_set_mode(native,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  // A peer that sends FIN without close_notify has ended; what it sent is bounded by its own framing, not by the end.
  SSL_CTX_set_options(native, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
}

class Server final : public TlsServer {
 public:
  Server(const std::string& certificate, const std::string& key) {
    Poco::Net::Context::Params params;
    params.privateKeyFile = key;
    params.certificateFile = certificate;
    params.verificationMode = Poco::Net::Context::VERIFY_NONE;
    params.loadDefaultCAs = false;
    params.cipherList = "HIGH:!aNULL:!MD5:!RC4:!3DES";
    context_ = new Poco::Net::Context(Poco::Net::Context::TLS_SERVER_USE, params);
    context_->requireMinimumProtocol(Poco::Net::Context::PROTO_TLSV1_2);
    context_->enableSessionCache(false);
    set_modes(context_->sslContext());
  }

  std::unique_ptr<TlsStream> accept(int fd) override {
    auto* const ssl = SSL_new(context_->sslContext());
    if (ssl == nullptr) return nullptr;
    auto stream = std::make_unique<Stream<TlsStream>>(ssl);
    if (SSL_set_fd(ssl, fd) != 1) return nullptr;
    SSL_set_accept_state(ssl);
    return stream;
  }

 private:
  SslUse use_;
  Poco::Net::Context::Ptr context_;
};

class Module final : public Tls {
 public:
  Result<std::unique_ptr<TlsServer>> serve(const std::string& certificate, const std::string& key) override {
    try {
      return std::make_unique<Server>(certificate, key);
    } catch (const Poco::Exception& error) {
      return fail(400, "bad_tls", "the TLS certificate or key cannot be used: " + error.displayText(),
                  "Give PEM files: the certificate with its chain, and its unencrypted key.");
    }
  }

  Result<std::unique_ptr<Poco::Net::HTTPClientSession>> dial(const std::string& host, unsigned short port,
                                                             const std::string& pinned) override {
    using namespace Poco::Net;
    const bool pin = !pinned.empty();
    Context::Ptr context =
        new Context(Context::TLS_CLIENT_USE, "", "", "", pin ? Context::VERIFY_NONE : Context::VERIFY_STRICT, 9, true);
    if (!pin) return std::unique_ptr<HTTPClientSession>(new HTTPSClientSession(host, port, context));
    SecureStreamSocket socket(context);
    socket.setPeerHostName(host);
    socket.connect(SocketAddress(host, port), dial_patience);
    socket.completeHandshake();
    const Poco::Crypto::X509Certificate expected(pinned);
    if (!socket.havePeerCertificate() || !expected.equals(socket.peerCertificate())) {
      return fail(0, "unreachable",
                  "the server on port " + std::to_string(port) + " shows another certificate than '" + pinned + "'",
                  "it is not the server that wrote the running list");
    }
    // HTTPSClientSession of Poco 1.11 refuses a socket that is connected already.
    return std::make_unique<HTTPClientSession>(socket);
  }

  Result<DeviceSession> dial_device(const std::string& host, unsigned short port, const std::string& pin) override {
    using namespace Poco::Net;
    Context::Ptr context = new Context(Context::TLS_CLIENT_USE, "", "", "", Context::VERIFY_NONE, 9, false);
    context->requireMinimumProtocol(Context::PROTO_TLSV1_2);
    SecureStreamSocket socket(context);
    socket.setPeerHostName(host);
    socket.setLazyHandshake(true);  // or connect() shakes hands already, for as long as the peer likes
    socket.connect(SocketAddress(host, port), dial_patience);
    socket.setReceiveTimeout(dial_patience);
    socket.setSendTimeout(dial_patience);
    {
      const Cutoff cutoff(socket.impl()->sockfd(), std::chrono::milliseconds(dial_patience.totalMilliseconds()));
      socket.completeHandshake();
    }
    auto shown = socket.havePeerCertificate()
                     ? key_of_certificate(const_cast<X509*>(socket.peerCertificate().certificate()))
                     : std::string();
    if (shown.empty() || (!pin.empty() && shown != pin)) {
      return fail(
          0, "another_key", host + ":" + std::to_string(port) + " shows another key than the paired device has",
          "it is another device, or somebody stands in between; if its key was replaced on purpose, pair again");
    }
    return DeviceSession{std::make_unique<HTTPClientSession>(socket), std::move(shown)};
  }

  std::unique_ptr<TlsClientStream> connect(int fd, const std::string& host) override {
    // Who answers is proved by its key alone, so names and authorities say nothing here.
    static SSL_CTX* const context = [] {
      Poco::Net::initializeSSL();
      auto* const made = SSL_CTX_new(TLS_client_method());
      if (made == nullptr) return made;
      SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION);
      SSL_CTX_set_verify(made, SSL_VERIFY_NONE, nullptr);
      SSL_CTX_set_mode(made,
                       SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
      SSL_CTX_set_options(made, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
      return made;
    }();
    auto* const ssl = context == nullptr ? nullptr : SSL_new(context);
    if (ssl == nullptr) return nullptr;
    auto stream = std::make_unique<ClientStream>(ssl);
    if (SSL_set_fd(ssl, fd) != 1) return nullptr;
    std::array<unsigned char, sizeof(in6_addr)> address{};
    const bool number = ::inet_pton(AF_INET, host.c_str(), address.data()) == 1 || host.find(':') != std::string::npos;
    if (!number && !host.empty()) SSL_set_tlsext_host_name(ssl, host.c_str());
    SSL_set_connect_state(ssl);
    return stream;
  }
};

}  // namespace
}  // namespace lectern::net

extern "C" __attribute__((visibility("default"))) lectern::net::Tls* lectern_tls() {
  static lectern::net::Module module;
  return &module;
}
