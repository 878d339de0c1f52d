// Messages of kernels as a Jupyter server carries them on a WebSocket, in its two ways:
// "v1.kernel.websocket.jupyter.org" and, without a subprotocol, JSON text with a binary form for buffers.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../jupyter-messages/conversation.hpp"

namespace gateway {

inline constexpr std::string_view v1_protocol = "v1.kernel.websocket.jupyter.org";

struct Outgoing {
  std::string channel;  // "shell", "control", "stdin"
  std::string header, parent, metadata, content;
  std::vector<std::string> buffers;
};

struct Frame {
  std::string bytes;
  bool text = false;
};
Frame encode(const Outgoing& message, bool v1);

struct Incoming {
  std::string channel;
  jupyter::KernelMessage message;  // views into the frame
};
/// Nothing for a frame that is none of that form; every offset is checked.
std::optional<Incoming> decode(std::string_view bytes, bool text, bool v1);

/// A header of ours.
std::string header(std::string_view type, std::string_view id, std::string_view session);
/// A new session's name: 128 random bits.
std::string new_session();

}  // namespace gateway
