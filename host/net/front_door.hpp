// The public face of net/: where the host listens. Poco accepts, speaks TLS and parses; what outlives a request leaves
// its worker thread for a reactor.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "api/http.hpp"
#include "base/result.hpp"

namespace lectern::net {

struct FrontDoorLimits {
  unsigned workers = 64;             // threads, made on demand
  std::size_t connections = 20'000;  // sockets of all kinds; 503 above. Never more than the system's limit of files
  std::size_t waiting = 1'024;       // accepted, but no worker is free; 503 above
  std::size_t per_peer = 256;        // sockets of one address with workers or waiting; 429 above
  std::size_t per_local_peer = 0;    // the same for this machine's own, where a proxy may speak for many; 0 = no limit
  std::chrono::milliseconds head{5'000};         // for the whole head, TLS handshake included
  std::chrono::milliseconds body{5'000};         // for the body, plus a second per 256 KiB received
  std::chrono::milliseconds keep_alive{6'000};   // for the next request of a connection; a second less is promised
  std::chrono::milliseconds deferred_wait{250};  // how long a worker waits for a Deferred
  std::size_t inline_body = 256u << 10;          // a larger response body is sent from a reactor
  std::chrono::milliseconds link_ping{20'000};   // protocol 3
  std::chrono::milliseconds link_silence{45'000};
  std::chrono::milliseconds link_close{5'000};
};

struct FrontDoorOptions {
  std::string bind = "127.0.0.1";  // an address, not a name
  std::uint16_t port = 8899;       // 0: any free one
  bool exact_port = false;         // false: when taken, the next free one is tried, up to 50
  std::string tls_certificate;     // PEM file with the chain; both or neither
  std::string tls_key;             // PEM file
  FrontDoorLimits limits;
};

struct FrontDoorFigures {
  std::uint64_t requests = 0;  // parsed
  std::uint64_t refused = 0;   // answered 429 or 503 at the door
  std::size_t workers_busy = 0;
  std::size_t waiting = 0;
  std::size_t links = 0;  // WebSockets and event streams
  std::size_t detached_answers = 0;
};

class FrontDoor {
 public:
  /// [control] `handler` and every Loop it upgrades to outlive stop().
  FrontDoor(FrontDoorOptions options, api::Handler& handler);
  /// [control] stop().
  ~FrontDoor();
  FrontDoor(const FrontDoor&) = delete;
  FrontDoor& operator=(const FrontDoor&) = delete;

  /// [control] Listens; the bound port. Ignores SIGPIPE for the process if nobody handles it: OpenSSL writes without
  /// MSG_NOSIGNAL. Errors: `port_taken`, `bad_bind`, `bad_tls`.
  Result<std::uint16_t> start();
  /// [any] From now on new requests get 503 `draining` with Retry-After; links and running requests go on.
  void drain();
  /// [control] Stops listening, closes every link with 1000 SHUTDOWN (flushed, at most link_close, then cut), lets
  /// running requests end, joins all threads. Deferred answers still open are cut. Never call it on a Loop.
  void stop();

  /// [any]
  [[nodiscard]] FrontDoorFigures figures() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lectern::net
