// A request that stops being HTTP: its socket leaves the Poco worker and moves to a reactor.
#pragma once

#include <memory>
#include <string>

#include "base/loop.hpp"
#include "base/task.hpp"
#include "session/link.hpp"

namespace lectern::api {

struct Upgrade {
  enum class Kind { websocket, stream };
  Kind kind = Kind::websocket;
  Loop* loop = nullptr;      // where the socket goes; the session's reactor. Outlives the server.
  std::string subprotocol;   // websocket: what to answer in Sec-WebSocket-Protocol
  std::string content_type;  // stream: what to answer
  std::size_t max_message = 16u << 20;
  /// Called on `loop` with the link of the moved socket; returns who listens to it, or null to close it at once (the
  /// callee has called link.close() with the reason). The link outlives the events by contract of net/.
  UniqueFunction<std::unique_ptr<session::LinkEvents>(session::Link&)> connected;
};

}  // namespace lectern::api
