// The AsyncStream that Beast reads a WebSocket from. For websocket_link.cpp only: Beast is instantiated in one
// translation unit.
//
// Beast reads, unmasks, checks and answers control frames; message frames are framed by the link itself, once per
// shared frame, and leave through its own queue. So what Beast writes (the 101, pongs, close frames: each handed over
// whole and small) is copied into that same queue, where frames never interleave.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/role.hpp>
#include <functional>
#include <string>

#include "base/task.hpp"
#include "net/async_wire.hpp"

namespace lectern::net {

class PocoStream {
 public:
  using executor_type = AsyncWire::Executor;
  using ErrorCode = boost::system::error_code;

  /// What the link does for its stream.
  struct Host {
    virtual ~Host() = default;
    /// Queues bytes that Beast wrote.
    virtual void on_control_bytes(std::string bytes) = 0;
    /// Bytes arrived.
    virtual void on_heard() = 0;
    /// Runs `resume` as soon as the queue is short enough for more control frames (at once in another turn if it is). A
    /// peer that floods pings and reads nothing stops being read.
    virtual void when_writable(Task resume) = 0;
  };

  /// `leftover`: what was read past the request's head.
  PocoStream(AsyncWire& wire, Host& host, std::string leftover)
      : wire_(&wire), host_(&host), leftover_(std::move(leftover)) {}

  executor_type get_executor() { return wire_->descriptor().get_executor(); }

  template <class Buffers, class Handler>
  auto async_read_some(const Buffers& buffers, Handler&& handler) {
    return boost::asio::async_compose<Handler, void(ErrorCode, std::size_t)>(ReadOp<Buffers>{*this, buffers}, handler,
                                                                             wire_->descriptor());
  }

  template <class Buffers, class Handler>
  auto async_write_some(const Buffers& buffers, Handler&& handler) {
    return boost::asio::async_initiate<Handler, void(ErrorCode, std::size_t)>(
        [this](auto completion, const auto& data) {
          std::string bytes(boost::asio::buffer_size(data), '\0');
          boost::asio::buffer_copy(boost::asio::buffer(bytes), data);
          const auto count = bytes.size();
          host_->on_control_bytes(std::move(bytes));
          host_->when_writable(
              [completion = std::move(completion), count]() mutable { completion(ErrorCode{}, count); });
        },
        handler, buffers);
  }

 private:
  template <class Buffers>
  struct ReadOp {
    PocoStream& stream;
    Buffers buffers;
    enum class At { start, reading, waiting, posted } at = At::start;
    std::size_t count = 0;
    ErrorCode result{};

    template <class Self>
    void operator()(Self& self, ErrorCode error = {}, std::size_t bytes = 0) {
      if (at == At::posted) return self.complete(result, count);
      if (at == At::reading) {
        if (bytes > 0) stream.host_->on_heard();
        return self.complete(error, bytes);
      }
      if (error) return self.complete(error, 0);
      if (!stream.leftover_.empty()) return take_leftover(self);
      if (!stream.wire_->wire().secure()) {
        at = At::reading;
        // Asio's own read tries first and costs no extra call to epoll_ctl.
        return stream.wire_->descriptor().async_read_some(buffers, std::move(self));
      }
      read_secure(self);
    }

    template <class Self>
    void take_leftover(Self& self) {
      count = boost::asio::buffer_copy(buffers, boost::asio::buffer(stream.leftover_));
      stream.leftover_.erase(0, count);
      stream.leftover_.shrink_to_fit();
      post(self);
    }

    template <class Self>
    void read_secure(Self& self) {
      Io io{.want = Want::read};
      for (auto it = boost::asio::buffer_sequence_begin(buffers); it != boost::asio::buffer_sequence_end(buffers);
           ++it) {
        const boost::asio::mutable_buffer part = *it;
        if (part.size() == 0) continue;
        io = stream.wire_->wire().read(static_cast<char*>(part.data()), part.size());
        break;
      }
      if (io.want != Want::nothing) {
        at = At::waiting;
        return stream.wire_->wait(io.want, std::move(self));
      }
      if (io.bytes > 0) stream.host_->on_heard();
      if (io.end) result = boost::asio::error::eof;
      if (io.failed) result = boost::asio::error::connection_reset;
      count = io.bytes;
      if (at == At::waiting) return self.complete(result, count);
      post(self);
    }

    /// A result known at once is delivered in another turn: initiating functions must not call their handler.
    template <class Self>
    void post(Self& self) {
      at = At::posted;
      auto executor = stream.get_executor();
      boost::asio::post(executor, std::move(self));
    }
  };

  AsyncWire* wire_;
  Host* host_;
  std::string leftover_;
};

// Found by Beast through their argument. The link ends its socket itself, after its queue has left.
inline void beast_close_socket(PocoStream&) {}
inline void teardown(boost::beast::role_type, PocoStream&, boost::system::error_code& error) {
  error = {};
}
template <class Handler>
void async_teardown(boost::beast::role_type, PocoStream& stream, Handler&& handler) {
  boost::asio::post(stream.get_executor(),
                    boost::beast::bind_front_handler(std::forward<Handler>(handler), boost::system::error_code{}));
}

}  // namespace lectern::net
