// The library's own thread, and the two things it does on the network: one HTTP exchange, one WebSocket. Asio, Beast
// and OpenSSL stay behind net.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lectern/client/result.hpp"

namespace lectern::client::net {

using Headers = std::vector<std::pair<std::string, std::string>>;
using Milliseconds = std::chrono::milliseconds;

/// The thread that everything here and all callbacks run on. It starts with the first use and ends with the process.
class Loop {
 public:
  /// [any]
  static Loop& get();
  /// For get() alone.
  Loop();
  ~Loop();
  /// [any] Runs `work` on the loop, after what was posted before.
  void post(std::function<void()> work);
  /// [any] True on the loop's own thread.
  [[nodiscard]] bool here() const;

  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  struct Impl;
  [[nodiscard]] Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// Everything [loop]. Its end cancels it.
class Timer {
 public:
  Timer();
  ~Timer();
  Timer(Timer&&) noexcept;
  Timer& operator=(Timer&&) noexcept;
  /// In place of what was started before.
  void start(Milliseconds delay, std::function<void()> work);
  void cancel();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

struct Endpoint {
  bool tls = false;
  std::string host;
  std::string port;
  std::string ca_file;     // PEM; empty: the system's
  bool verify_tls = true;  // false: any certificate

  /// As in a URL and the Host header.
  [[nodiscard]] std::string authority() const {
    return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
  }
};

struct HttpRequest {
  std::string method;
  std::string target;
  Headers headers;
  std::string body;
  Milliseconds timeout{};
  std::uint64_t max_body = 0;
};
struct HttpAnswer {
  int status = 0;
  std::string body;
};

/// [loop] `done` is called once, on the loop, later. `unreachable` when there is no answer.
void http(const Endpoint& endpoint, HttpRequest request, std::function<void(Result<HttpAnswer>)> done);

/// How a WebSocket ended: a close frame's code and reason, or code 0 and what cut it.
struct Closed {
  int code = 0;
  std::string reason;
  Error error;
};

/// Everything [loop]. After `refused` or `closed` nothing is called any more, nor after cut() or close().
class WebSocket {
 public:
  struct Handlers {
    std::function<void()> opened;
    std::function<void(HttpAnswer)> refused;
    std::function<void(std::string_view)> text;
    std::function<void(Closed)> closed;
  };
  struct Settings {
    std::string target;
    std::string subprotocol;
    Headers headers;
    Milliseconds connect_timeout{};
    Milliseconds silence{};  // after which the line is lost
    std::uint64_t max_message = 0;
  };
  static std::shared_ptr<WebSocket> connect(const Endpoint& endpoint, Settings settings, Handlers handlers);
  virtual ~WebSocket() = default;
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;
  /// Queued; a failure shows as `closed`.
  virtual void send(std::string text) = 0;
  /// Without a farewell, as a pulled cable does.
  virtual void cut() = 0;
  /// With one; `done` comes when the host has answered it, or after a second.
  virtual void close(std::function<void()> done) = 0;

 protected:
  WebSocket() = default;
};

}  // namespace lectern::client::net
