// One outgoing message: made once, encoded once per encoding, shared by every queue that sends it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.hpp"
#include "base/task.hpp"
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
  /// [reactor] The same for a transport that waits(): null until its answer is here; then `ready` is called, on `loop`,
  /// and encoded_frames() has them. An error when too much waits there: it is not sent then.
  static Result<const std::vector<FramePtr>*> frames_later(const std::shared_ptr<Message>& message,
                                                           plugin::Transport& transport, std::uint64_t encoding,
                                                           std::string_view stream, Loop& loop, Task ready);
  /// [reactor] What it gave, without asking again: null while it waits.
  [[nodiscard]] const std::vector<FramePtr>* encoded_frames(const plugin::Transport& transport, std::uint64_t encoding);
  [[nodiscard]] std::size_t bytes() const { return bytes_of(data.size(), payload.size()); }
  [[nodiscard]] static std::size_t bytes_of(std::size_t data, std::size_t payload) { return data + payload + 64; }

 private:
  struct Encoded {
    const plugin::Transport* transport;
    std::uint64_t encoding;
    std::vector<FramePtr> frames;
    std::shared_ptr<std::vector<Task>> waiting = {};  // who is told when the frames are here; null = they are
  };
  /// A copy of a message takes frames along, and asks for those itself that are not here yet.
  struct Encodings {
    Encodings() = default;
    ~Encodings() = default;
    Encodings(const Encodings& other) {
      for (const auto& one : other.all) {
        if (one.waiting == nullptr) all.push_back(one);
      }
    }
    Encodings& operator=(const Encodings&) = delete;
    std::vector<Encoded> all;
  };
  [[nodiscard]] plugin::Outbound outbound(std::string_view stream) const;
  [[nodiscard]] Encoded* find(const plugin::Transport& transport, std::uint64_t encoding);
  void take(const plugin::Transport* transport, std::uint64_t encoding,
            Result<std::vector<plugin::EncodedFrame>> frames);
  static void put(Encoded& entry, std::vector<plugin::EncodedFrame> frames);
  Encodings encoded_;
};
using MessagePtr = std::shared_ptr<Message>;  // shared: by the ring and by every consumer's queue

MessagePtr event_message(Op op, std::string data);

}  // namespace lectern::session
