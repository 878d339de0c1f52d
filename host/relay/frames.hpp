// lectern-relay.v1: the messages two hosts exchange so that any number of viewers here share one connection there. Each
// is binary: u32 little-endian length of a JSON header, the header, the payload. Depends on base/ alone: both ends of a
// relay use it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace lectern::relay {

inline constexpr std::string_view subprotocol = "lectern-relay.v1";

inline constexpr std::size_t max_header = 64u << 10;
/// Open at a time, and named by one message.
inline constexpr std::size_t max_channels = 4096;
/// A frame of a viewer: what a session's own WebSocket takes.
inline constexpr std::size_t max_payload = 16u << 20;
inline constexpr std::size_t max_message = 4 + max_header + max_payload;
/// A frame of the session: a whole document may be one.
inline constexpr std::size_t max_session_payload = 256u << 20;

/// A conversation of one viewer with the session: 1 to 2^32-1, each greater than those opened before it on this
/// connection, so that none is used twice.
using Channel = std::uint32_t;

enum class Op {
  open,     // viewer's side: query, client_key, scope, last. Answered by frames, or by refused
  frame,    // both: payload. From the session's side for every channel of `channels`, in their order
  close,    // viewer's side: the viewer is gone; clean = it said goodbye, revoked = it may not be there any more
  full,     // viewer's side: the viewers of `channels` take nothing for now; the session paces them as it would its own
  drained,  // viewer's side: they take again
  refused,  // session's side, instead of opening: error. The channel never was
  closed,   // session's side: code, reason; nothing follows on that channel
};

struct Header {
  Op op = Op::frame;
  std::vector<Channel> channels;  // exactly one for open, close, refused, closed, and for a viewer's frame
  bool text = true;               // frame: whether the payload is a text frame
  bool clean = false;             // close
  bool revoked = false;           // close: its credential has ended, and with it what it holds
  std::uint16_t code = 0;         // closed: as on a WebSocket; 1006 = cut, without a word to the viewer
  std::string reason;             // closed: at most 123 bytes are sent
  // open:
  std::string query_json;   // the query of GET …/connect as a JSON object of strings
  std::string client_key;   // "id.secret"; empty for one to be issued
  std::uint32_t scope = 3;  // asked: bits edit=1, interact=2. On the wire view, interact or edit
  std::string last;         // resume token "{stream}.{seq}"; empty
  Error error;              // refused: status, code, message, hint
};

struct Message {
  Header header;
  std::string_view payload;  // of the bytes it was read from
};

/// Who sent the message, which decides what it may be.
enum class From { viewers, session };

/// [any] Reads one message. 400 `bad_relay_frame` for what is none, 413 `too_large` for what exceeds a bound. Unknown
/// keys are ignored, unknown ops are not: two hosts that speak one subprotocol know the same ones.
Result<Message> decode(std::string_view bytes, From from);

/// [any] The bytes of one message. 413 `too_large` when its header or payload exceeds a bound.
Result<std::string> encode(const Header& header, From from, std::string_view payload = {});

/// [any] The WebSocket code that answers an error of decode(): 1007 for what is none, 1009 for too large.
std::uint16_t close_code(const Error& error);

}  // namespace lectern::relay
