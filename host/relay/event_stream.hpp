// A reader of an event stream here, of a session that is another host's: a viewer there like any, who speaks
// lectern.v1; what the session says is put into the stream's encoding by the transport plugin of this host.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.hpp"
#include "base/task.hpp"
#include "plugin/transport.hpp"
#include "relay/session_frames.hpp"
#include "session/link.hpp"

namespace lectern::relay {

/// To the socket who listens, to the viewer's side of the relay the link. All functions [reactor].
class EventStream final : public session::LinkEvents, public session::Link {
 public:
  /// The viewer on that link, or null when the link was closed instead.
  using Connect = UniqueFunction<std::unique_ptr<session::LinkEvents>(session::Link&)>;
  struct Options {
    plugin::TransportPtr transport;
    std::uint32_t binding = 0;  // of the transport
    std::string query_json;     // for the transport
    std::chrono::milliseconds keepalive{20'000};
  };

  /// Null when nothing came of it; `socket` is closed then. `socket` outlives what is returned.
  static std::unique_ptr<session::LinkEvents> open(Loop& loop, session::Link& socket, Options options, Connect connect);
  ~EventStream() override;

  // The socket's side.
  void on_frame(bool, std::string_view) override {}  // nobody is heard on a stream
  void on_drained() override;
  void on_closed(bool clean) override;

  // The viewer's side.
  void send(session::FramePtr frame) override;
  [[nodiscard]] std::size_t queued_bytes() const override { return waiting_bytes_ + socket_.queued_bytes(); }
  void close(std::uint16_t code, std::string reason) override;
  void cut() override;
  void ping() override { socket_.ping(); }
  [[nodiscard]] bool alive_since(std::int64_t at_ms) const override { return socket_.alive_since(at_ms); }

 private:
  EventStream(Loop& loop, session::Link& socket, Options options);
  bool begin();
  bool begin_later();
  void encode(const session::FramePtr& frame);
  void encode(const plugin::Outbound& message);
  void encode_later();
  void encoded(Result<std::vector<plugin::EncodedFrame>> frames);
  void tell_when_empty();
  void write(Result<std::vector<plugin::EncodedFrame>> frames);
  void keep_alive();
  void give_up(std::uint16_t code, std::string reason);
  /// On this reactor, unless the stream is gone by then.
  template <class Body>
  auto posting(Body body);

  Loop& loop_;
  session::Link& socket_;
  Options options_;
  const std::uint64_t connection_;  // its number at the transport
  std::uint64_t encoding_ = 0;
  bool open_ = false, over_ = false;
  SessionFrames frames_;
  std::unique_ptr<session::LinkEvents> viewer_;
  // Of a transport that waits(): what has yet to go to its process, and the sizes of what is there.
  std::deque<session::FramePtr> waiting_;
  std::deque<std::size_t> at_process_;
  std::size_t waiting_bytes_ = 0;                                     // of both
  std::optional<std::pair<std::uint16_t, std::string>> closes_with_;  // when they have left
  Timer keepalive_;
  const std::shared_ptr<bool> here_ = std::make_shared<bool>(true);  // gone with it: what was posted looks at it
};

}  // namespace lectern::relay
