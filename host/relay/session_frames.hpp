// What a session says in lectern.v1, read back into its messages: for a viewer here who is told them in another
// encoding. The session is another host's: what it sent is a stranger's.
#pragma once

#include <functional>
#include <string>

#include "base/result.hpp"
#include "plugin/transport.hpp"
#include "session/link.hpp"

namespace lectern::relay {

/// One conversation that was opened with base64 buffers. All functions [reactor].
class SessionFrames {
 public:
  /// Calls `out` for the message that the frame is; its views are valid during the call. Nothing is told of frames of a
  /// later protocol, nor of sync messages, which only who answers them can use. 400 `bad_frame` for what is no frame of
  /// lectern.v1.
  Status read(const session::Frame& frame, const std::function<void(const plugin::Outbound&)>& out);

 private:
  Status read_event(std::string_view text, const std::function<void(const plugin::Outbound&)>& out);
  std::string stream_;  // as kernel-ready names it
};

}  // namespace lectern::relay
