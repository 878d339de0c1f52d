// A Wire on a reactor: waits for readiness through Asio, which borrows the descriptor and never closes it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include "net/wire.hpp"

namespace lectern::net {

class AsyncWire {
 public:
  using Executor = boost::asio::io_context::executor_type;
  using Descriptor = boost::asio::posix::basic_stream_descriptor<Executor>;

  /// [reactor] Throws boost::system::system_error when the system has no memory left to watch another descriptor.
  AsyncWire(boost::asio::io_context& context, Wire wire)
      : wire_(std::move(wire)), descriptor_(context.get_executor(), wire_.fd()) {}
  ~AsyncWire() { close(); }
  AsyncWire(const AsyncWire&) = delete;
  AsyncWire& operator=(const AsyncWire&) = delete;

  [[nodiscard]] Wire& wire() { return wire_; }
  [[nodiscard]] Descriptor& descriptor() { return descriptor_; }
  [[nodiscard]] bool open() const { return wire_.open(); }

  /// [reactor] Calls `handler(error_code)` once when ready; with operation_aborted after close().
  template <class Handler>
  void wait(Want want, Handler&& handler) {
    const auto kind = want == Want::write ? boost::asio::posix::descriptor_base::wait_write
                                          : boost::asio::posix::descriptor_base::wait_read;
    descriptor_.async_wait(kind, std::forward<Handler>(handler));
  }

  /// [reactor] Cancels waits, closes the socket.
  void close() {
    if (descriptor_.is_open()) descriptor_.release();
    wire_.close();
  }

 private:
  Wire wire_;
  Descriptor descriptor_;
};

}  // namespace lectern::net
