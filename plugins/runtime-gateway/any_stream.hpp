// TCP or TLS behind one type, and handlers behind one type: Beast's HTTP and WebSocket are compiled once, and not
// through the whole of OpenSSL's operations. For net.cpp only.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "net.hpp"

namespace gateway::net {

class AnyStream {
 public:
  using executor_type = boost::asio::io_context::executor_type;
  using ErrorCode = boost::system::error_code;
  using Done = std::function<void(ErrorCode, std::size_t)>;
  using Tcp = boost::beast::tcp_stream;

  AnyStream(boost::asio::io_context& io, const Endpoint& endpoint) : io_(&io), tcp_(std::make_unique<Tcp>(io)) {
    if (endpoint.tls) secure(endpoint);
  }

  executor_type get_executor() { return io_->get_executor(); }
  [[nodiscard]] Tcp& tcp() { return *tcp_; }
  /// Why TLS could not be set up.
  [[nodiscard]] const ErrorCode& error() const { return error_; }
  void close() { tcp_->close(); }

  /// TLS, if it is to be; else nothing, at once.
  void handshake(std::function<void(ErrorCode)> done) {
    if (!tls_) return done({});
    tls_->async_handshake(boost::asio::ssl::stream_base::client,
                          [done = std::move(done)](ErrorCode error) { done(error); });
  }

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    read(first<boost::asio::mutable_buffer>(buffers), erased(std::forward<Handler>(handler)));
  }
  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    write(first<boost::asio::const_buffer>(buffers), erased(std::forward<Handler>(handler)));
  }

  // What a WebSocket asks of its stream when it ends.
  friend void beast_close_socket(AnyStream& stream) { stream.close(); }
  friend void teardown(boost::beast::role_type, AnyStream& stream, ErrorCode& error) {
    stream.close();
    error = {};
  }
  template <class Handler>
  friend void async_teardown(boost::beast::role_type, AnyStream& stream, Handler&& handler) {
    stream.close();
    boost::asio::post(stream.get_executor(),
                      boost::beast::bind_front_handler(std::forward<Handler>(handler), ErrorCode()));
  }

 private:
  using Tls = boost::asio::ssl::stream<Tcp&>;

  template <class Buffer, class Buffers>
  static Buffer first(const Buffers& buffers) {
    for (auto at = boost::asio::buffer_sequence_begin(buffers); at != boost::asio::buffer_sequence_end(buffers); ++at) {
      const Buffer buffer = *at;
      if (buffer.size() > 0) return buffer;
    }
    return {};
  }
  template <class Handler>
  static Done erased(Handler&& handler) {
    auto kept = std::make_shared<std::decay_t<Handler>>(std::forward<Handler>(handler));
    return [kept](ErrorCode error, std::size_t bytes) {
      auto now = std::move(*kept);
      now(error, bytes);
    };
  }
  void read(boost::asio::mutable_buffer buffer, Done done) {
    tls_ ? tls_->async_read_some(buffer, std::move(done)) : tcp_->async_read_some(buffer, std::move(done));
  }
  void write(boost::asio::const_buffer buffer, Done done) {
    tls_ ? tls_->async_write_some(buffer, std::move(done)) : tcp_->async_write_some(buffer, std::move(done));
  }

  /// The certificate is always verified, and against the name that was dialled.
  void secure(const Endpoint& endpoint) {
    namespace ssl = boost::asio::ssl;
    context_.emplace(ssl::context::tls_client);
    if (endpoint.ca_file.empty()) {
      context_->set_default_verify_paths(error_);
    } else {
      context_->load_verify_file(endpoint.ca_file, error_);
    }
    ErrorCode ignored;
    SSL_CTX_set_min_proto_version(context_->native_handle(), TLS1_2_VERSION);
    context_->set_verify_mode(ssl::verify_peer, ignored);
    context_->set_verify_callback(ssl::host_name_verification(endpoint.host), ignored);
    tls_.emplace(*tcp_, *context_);
    // An address is no name that a server could be asked for.
    boost::asio::ip::make_address(endpoint.host, ignored);
    if (ignored) SSL_set_tlsext_host_name(tls_->native_handle(), endpoint.host.c_str());
  }

  boost::asio::io_context* io_;
  std::unique_ptr<Tcp> tcp_;
  std::optional<boost::asio::ssl::context> context_;
  std::optional<Tls> tls_;
  ErrorCode error_;
};

}  // namespace gateway::net
