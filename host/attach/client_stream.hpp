// A TCP connection of ours, plain or TLS, for Beast to read and write; and what comes before: resolving, connecting,
// the proof of the peer's key. For line.cpp only: Beast's client side is instantiated in one translation unit.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/role.hpp>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "net/tls.hpp"

namespace lectern::attach {

class ClientStream {
 public:
  using executor_type = boost::asio::io_context::executor_type;
  using ErrorCode = boost::system::error_code;
  using Done = std::function<void(ErrorCode, std::size_t)>;
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, executor_type>;

  explicit ClientStream(boost::asio::io_context& io) : socket_(io.get_executor()) {}

  executor_type get_executor() { return socket_.get_executor(); }
  [[nodiscard]] Socket& socket() { return socket_; }
  void close() {
    ErrorCode ignored;
    socket_.close(ignored);
  }

  /// Speaks TLS from here on; `done` when the handshake has ended.
  void secure(std::unique_ptr<net::TlsClientStream> tls, std::function<void(ErrorCode)> done) {
    tls_ = std::move(tls);
    ErrorCode error;
    socket_.native_non_blocking(true, error);
    if (error) return boost::asio::post(get_executor(), [done = std::move(done), error] { done(error); });
    shake(std::move(done));
  }
  [[nodiscard]] std::string peer_key() const { return tls_ ? tls_->peer_key() : std::string(); }

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    read(first<boost::asio::mutable_buffer>(buffers), erased(std::forward<Handler>(handler)));
  }
  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    write(first<boost::asio::const_buffer>(buffers), erased(std::forward<Handler>(handler)));
  }

  // What a WebSocket asks of its stream when it ends.
  friend void beast_close_socket(ClientStream& stream) { stream.close(); }
  friend void teardown(boost::beast::role_type, ClientStream& stream, ErrorCode& error) {
    stream.close();
    error = {};
  }
  template <class Handler>
  friend void async_teardown(boost::beast::role_type, ClientStream& stream, Handler&& handler) {
    stream.close();
    boost::asio::post(stream.get_executor(),
                      boost::beast::bind_front_handler(std::forward<Handler>(handler), ErrorCode()));
  }

 private:
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
  void wait(net::Want want, std::function<void(ErrorCode)> then) {
    socket_.async_wait(want == net::Want::write ? Socket::wait_write : Socket::wait_read, std::move(then));
  }
  /// Nothing here calls its handler from within itself.
  void answer(Done done, const net::Io& io) {
    ErrorCode error;
    if (io.end) error = boost::asio::error::eof;
    if (io.failed) error = boost::asio::error::connection_reset;
    boost::asio::post(get_executor(), [done = std::move(done), error, bytes = io.bytes] { done(error, bytes); });
  }
  void shake(std::function<void(ErrorCode)> done) {
    if (!socket_.is_open())
      return answer([done = std::move(done)](ErrorCode error, std::size_t) { done(error); }, gone);
    const auto io = tls_->handshake();
    if (io.want == net::Want::nothing) {
      return answer([done = std::move(done)](ErrorCode error, std::size_t) { done(error); }, io);
    }
    wait(io.want, [this, done = std::move(done)](ErrorCode error) { error ? done(error) : shake(done); });
  }
  void read(boost::asio::mutable_buffer buffer, Done done) {
    if (!tls_) return socket_.async_read_some(buffer, std::move(done));
    if (!socket_.is_open()) return answer(std::move(done), gone);
    if (buffer.size() == 0) return answer(std::move(done), {});
    const auto io = tls_->read(static_cast<char*>(buffer.data()), buffer.size());
    if (io.want == net::Want::nothing) return answer(std::move(done), io);
    wait(io.want,
         [this, buffer, done = std::move(done)](ErrorCode error) { error ? done(error, 0) : read(buffer, done); });
  }
  void write(boost::asio::const_buffer buffer, Done done) {
    if (!tls_) return socket_.async_write_some(buffer, std::move(done));
    if (!socket_.is_open()) return answer(std::move(done), gone);
    if (buffer.size() == 0) return answer(std::move(done), {});
    const iovec part{const_cast<void*>(buffer.data()), buffer.size()};
    const auto io = tls_->write({&part, 1});
    if (io.want == net::Want::nothing) return answer(std::move(done), io);
    wait(io.want,
         [this, buffer, done = std::move(done)](ErrorCode error) { error ? done(error, 0) : write(buffer, done); });
  }

  /// TLS knows the number of the descriptor alone: once that is closed, it may be somebody else's.
  static constexpr net::Io gone{.failed = true};

  Socket socket_;
  std::unique_ptr<net::TlsClientStream> tls_;
};

}  // namespace lectern::attach
