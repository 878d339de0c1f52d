// The plugin's thread, and what it does on the network: HTTP exchanges and WebSockets. Asio, Beast and OpenSSL stay
// behind net.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gateway::net {

using Headers = std::vector<std::pair<std::string, std::string>>;
using Milliseconds = std::chrono::milliseconds;

/// One thread that everything here and all callbacks run on.
class Io {
 public:
  Io();
  /// stop().
  ~Io();
  /// Drops what is under way and joins. Never on its own thread.
  void stop();
  Io(const Io&) = delete;
  Io& operator=(const Io&) = delete;
  /// [any] Runs `work` on the thread, after what was posted before. What it throws is logged.
  void post(std::function<void()> work);

  struct Impl;
  [[nodiscard]] Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// On the thread only. Its end cancels it.
class Timer {
 public:
  explicit Timer(Io& io);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  /// In place of what was started before.
  void start(Milliseconds delay, std::function<void()> work);
  void cancel();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

struct Endpoint {
  bool tls = false;
  std::string host, port;
  std::string base;     // path in front of "/api", without a slash at its end
  std::string ca_file;  // PEM; empty: the system's

  /// As in a URL and the Host header.
  [[nodiscard]] std::string authority() const {
    return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
  }
  /// For people: no secret is in it.
  [[nodiscard]] std::string url() const { return (tls ? "https://" : "http://") + authority() + base; }
};

struct Request {
  std::string method, target;
  Headers headers;
  std::string body;
  Milliseconds timeout{};
};
/// What came of a request. `status` 0: no answer, and `problem` says why.
struct Answer {
  int status = 0;
  std::string body;
  std::string problem;
};

/// On the thread only. `done` is called once, on the thread, later, at the latest some moments after the timeout;
/// never when the thread ends before.
void http(Io& io, const Endpoint& endpoint, Request request, std::function<void(Answer)> done);

/// On the thread only. After `closed` nothing is called any more, nor after cut().
class WebSocket {
 public:
  struct Handlers {
    std::function<void(std::string subprotocol)> opened;
    std::function<void(std::string_view bytes, bool text)> message;
    /// Refused (with the status of the answer), or ended.
    std::function<void(Answer)> closed;
  };
  struct Settings {
    std::string target, subprotocol;
    Headers headers;
    Milliseconds connect_timeout{};
    Milliseconds silence{};  // after which the line is lost; half of it after the last word a ping is sent
    std::uint64_t max_message = 0;
  };
  static std::shared_ptr<WebSocket> connect(Io& io, const Endpoint& endpoint, Settings settings, Handlers handlers);
  virtual ~WebSocket() = default;
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;
  /// Queued; a failure shows as `closed`.
  virtual void send(std::string bytes, bool text) = 0;
  virtual void cut() = 0;

 protected:
  WebSocket() = default;
};

}  // namespace gateway::net
