// One gateway: its REST API and the WebSockets of its kernels, with its token.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net.hpp"
#include "settings.hpp"

namespace gateway {

class Server {
 public:
  Server(net::Io& io, Place place, const Options& options) : io_(io), place_(std::move(place)), options_(options) {}

  [[nodiscard]] net::Io& io() const { return io_; }
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] std::string authority() const { return place_.endpoint.authority(); }

  /// On the I/O thread. `path` begins with "/api".
  void ask(std::string_view method, const std::string& path, std::string body, net::Milliseconds timeout,
           std::function<void(net::Answer)> done) const;
  /// On the I/O thread. The channels of one kernel; its messages in either form, see frames.hpp.
  [[nodiscard]] std::shared_ptr<net::WebSocket> channels(const std::string& kernel_id, const std::string& session,
                                                         net::WebSocket::Handlers handlers) const;
  /// What an answer that is no success means, for people.
  [[nodiscard]] std::string why(const net::Answer& answer) const;

 private:
  [[nodiscard]] net::Headers credentials() const;

  net::Io& io_;
  Place place_;
  const Options& options_;
};

}  // namespace gateway
