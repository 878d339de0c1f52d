// A relay at the host that has the session: one WebSocket of another host, and every viewer there a link of the session
// here. To the session a channel is a connection like any other; who may edit is its policy's to say.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "relay/frames.hpp"
#include "session/link.hpp"
#include "session/session.hpp"

namespace lectern::relay {

class Channels;

class Carrier final : public session::LinkEvents {
 public:
  /// Why the connection may not go on: a WebSocket code and reason.
  struct Ending {
    std::uint16_t code = 1008;
    std::string reason;
  };
  /// As authenticated. Nothing that comes in frames can widen it or name another device.
  struct Options {
    std::string principal, device;
    std::uint32_t scope = 0;  // bits edit=1, interact=2; a channel may ask for less
    /// [reactor] Set when the credential has ended or the session is gone. Asked before each channel is opened, when
    /// the session turned one away, and every `look_every`.
    std::function<std::optional<Ending>()> ended;
    std::chrono::milliseconds look_every{5'000};
    std::size_t most_channels = max_channels;
  };

  /// [reactor] `link` is of the session's reactor and outlives the carrier.
  Carrier(std::shared_ptr<session::Session> session, session::Link& link, Options options);
  ~Carrier() override;

  void on_frame(bool binary, std::string_view bytes) override;
  void on_drained() override;
  /// Every channel counts as lost, and may come back within its reservation.
  void on_closed(bool clean) override;

 private:
  std::shared_ptr<Channels> channels_;  // shared: what was posted looks whether it is still there
};

}  // namespace lectern::relay
