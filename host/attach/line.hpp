// What this host does on the network to another one: one WebSocket, or one HTTP exchange. Asio, Beast and TLS stay
// behind line.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attach/peer.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"

namespace lectern::attach {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method, target;
  Headers headers;
  std::string body;
  int timeout_ms = 30'000;  // from the first byte that is sent to the last that is read; connecting is part of it
  std::uint64_t max_body = 256u << 20;
};
struct HttpAnswer {
  int status = 0;
  Headers headers;
  std::string body;
};

/// [reactor] `done` is called once, later, on `loop`. Errors have status 0 and code `unreachable`, or what judging the
/// peer says: 403 `may_not_dial`, 401 `wrong_key`.
void exchange(Loop& loop, const Peer& peer, HttpRequest request, std::function<void(Result<HttpAnswer>)> done);

/// A WebSocket of binary messages. Everything [reactor]. After `failed` or `closed` nothing is called any more, nor
/// after cut() or close().
class Line {
 public:
  /// How it ended: the close frame's code and reason, or code 0 and what cut it.
  struct Closed {
    int code = 0;
    std::string reason;
  };
  struct Handlers {
    std::function<void()> opened;
    /// It never was: errors of exchange(), or what the host answered instead with its status and code.
    std::function<void(Error)> failed;
    std::function<void(std::string_view)> message;  // valid during the call
    std::function<void(Closed)> closed;
  };
  struct Settings {
    std::string target, subprotocol;  // without a target it is open when the host is there and has proved itself
    Headers headers;
    int open_ms = 3'000;      // of the handshakes, each
    int silence_ms = 45'000;  // then the line is lost
    std::uint64_t max_message = 256u << 20;
  };
  static std::shared_ptr<Line> dial(Loop& loop, const Peer& peer, Settings settings, Handlers handlers);
  virtual ~Line() = default;
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  /// Queued; a failure shows as `closed`.
  virtual void send(std::string bytes) = 0;
  [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
  /// The peer with the address that was found.
  [[nodiscard]] virtual const Peer& peer() const = 0;
  /// Without a farewell.
  virtual void cut() = 0;
  /// With one; `done` comes when it was answered, or after a second.
  virtual void close(std::function<void()> done) = 0;

 protected:
  Line() = default;
};

}  // namespace lectern::attach
