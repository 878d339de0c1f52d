// One outgoing message: made once, encoded once per encoding, shared by every queue that sends it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/transport.hpp"
#include "session/events.hpp"
#include "session/link.hpp"

namespace lectern::session {

struct Message {
  plugin::OutboundKind kind = plugin::OutboundKind::event;
  plugin::DocumentKind document = plugin::DocumentKind::none;
  Op op = Op::reply;
  std::optional<std::uint64_t> seq;
  std::string data;                  // event: JSON text; changes, document: JSON header
  std::string payload;               // changes, sync, document; buffers of an event
  std::vector<std::uint64_t> sizes;  // how payload is cut
  std::string origin;                // client id of the author; may be empty
  bool counts = true;                // against the receiver's bound; a snapshot does not

  /// [reactor] The frames in one encoding; encoded at the first call. Empty when the transport has nothing to send.
  const std::vector<FramePtr>& frames(plugin::Transport& transport, std::uint64_t encoding, std::string_view stream);
  [[nodiscard]] std::size_t bytes() const { return data.size() + payload.size() + 64; }

 private:
  struct Encoded {
    const plugin::Transport* transport;
    std::uint64_t encoding;
    std::vector<FramePtr> frames;
  };
  std::vector<Encoded> encoded_;
};
using MessagePtr = std::shared_ptr<Message>;  // shared: by the ring and by every consumer's queue

MessagePtr event_message(Op op, std::string data);

}  // namespace lectern::session
