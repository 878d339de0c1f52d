// Between a session and a socket. net/ owns sockets and frames RFC 6455 or HTTP; the session owns the transport codec
// and the consumer's queue. Everything here happens on the session's reactor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lectern::session {

/// One encoded frame, shared by every queue that sends it.
struct Frame {
  bool binary = false;
  std::string bytes;
};
using FramePtr = std::shared_ptr<const Frame>;  // shared: an event is encoded once and sent to a thousand consumers

/// A socket as the session sees it. Implemented in net/.
class Link {
 public:
  virtual ~Link() = default;
  /// [reactor] Queues a frame; frames leave in order, several in one write where possible. Never blocks, never fails:
  /// a dead socket is told by LinkEvents::on_closed, later.
  virtual void send(FramePtr frame) = 0;
  /// [reactor] Bytes queued and not yet taken by the kernel: what the session bounds.
  [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
  /// [reactor] Sends what is queued, then closes with the WebSocket code and reason (a byte stream just ends). If the
  /// peer takes nothing for 5 s the socket is cut. on_closed follows once, later in another turn.
  virtual void close(std::uint16_t code, std::string reason) = 0;
  /// [reactor] Ends the socket at once, without a word to the peer; on_closed(false) follows once, later in another
  /// turn.
  virtual void cut() = 0;
  /// [reactor] Asks for a sign of life, where the carrier has a way to ask.
  virtual void ping() = 0;
  /// [reactor] Whether the peer has shown a sign of life since `at_ms` (clock::now_ms()).
  [[nodiscard]] virtual bool alive_since(std::int64_t at_ms) const = 0;
};

/// What happens on a socket. Implemented in session/. Destroyed by net/ after on_closed.
class LinkEvents {
 public:
  virtual ~LinkEvents() = default;
  /// [reactor] A whole WebSocket message, or bytes of a stream. Valid during the call.
  virtual void on_frame(bool binary, std::string_view bytes) = 0;
  /// [reactor] The queue went from full to below half: the session may go on with a snapshot it had paused.
  virtual void on_drained() = 0;
  /// [reactor] The peer's credential has ended, and with it what it holds. on_closed follows in this turn.
  virtual void on_revoked() {}
  /// [reactor] The socket is gone. `clean` = the peer said goodbye: a close frame, the end of a stream. Bytes that just
  /// end are not clean. Last call.
  virtual void on_closed(bool clean) = 0;
};

/// What the front door found out about a connection before it reached the session.
struct ConnectRequest {
  std::string route;          // "connect" or "events": chooses the transport binding
  std::string subprotocol;    // as negotiated; empty for streams
  std::string media_type;     // of an event stream, as answered: chooses among the bindings of one route
  std::string query_json;     // decoded query string as a JSON object of strings
  std::string client_key;     // "id.secret" from the Lectern-Client header or a ticket; may be empty
  std::string last_event_id;  // "{stream}.{seq}" for event streams
  std::string principal;      // authenticated
  std::string device;         // the authenticated device's name; empty = this host's own
  std::uint32_t scope = 3;    // the most this connection may ever have: bits edit=1, interact=2
};

}  // namespace lectern::session
