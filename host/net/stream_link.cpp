// A response without an end: the head, then bytes as they come. The peer says nothing; when it does, it is read past.
#include <array>

#include "base/log.hpp"
#include "net/http_answer.hpp"
#include "net/upgrades.hpp"

namespace lectern::net {
namespace {

using boost::system::error_code;

class StreamLink final : public SocketLink {
 public:
  StreamLink(Loop& loop, Moving moving)
      : SocketLink(loop, std::move(moving.wire), moving.times, std::move(moving.links)),
        upgrade_(std::move(moving.upgrade)) {}

  void start() {
    enqueue({}, std::make_shared<const session::Frame>(session::Frame{true, stream_head(upgrade_.content_type)}));
    auto events = upgrade_.connected(*this);
    upgrade_.connected = {};
    if (events && stage() != Stage::over) listen(std::move(events));
    read();
  }

  void send(session::FramePtr frame) override {
    if (stage() == Stage::open) enqueue({}, std::move(frame));
  }

  void close(std::uint16_t, std::string) override {
    if (stage() != Stage::open) return;
    become_closing();
    end(true);
  }

  void ping() override {}
  /// Nothing comes back on a stream; a peer that takes what it is sent has to do.
  [[nodiscard]] bool alive_since(std::int64_t) const override { return queued_bytes() == 0; }

 private:
  void read() {
    if (stage() != Stage::open || !wire().open()) return;
    std::array<char, 512> waste;
    for (int rounds = 0; rounds < 16; ++rounds) {
      const auto io = wire().wire().read(waste.data(), waste.size());
      if (io.end) return end(true);
      if (io.failed) return cut();
      if (io.want != Want::nothing) break;
    }
    wire().wait(Want::read, [self = shared_from_this()](error_code error) {
      if (!error) static_cast<StreamLink&>(*self).read();
    });
  }

  api::Upgrade upgrade_;
};

}  // namespace

// Connection: close and no length: the body ends with the connection (RFC 7230 3.3.3), which EventSource expects.
std::string stream_head(const std::string& content_type) {
  return "HTTP/1.1 200 OK\r\nContent-Type: " + content_type +
         "\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\n"
         "Connection: close\r\n\r\n";
}

void move_to_stream(Moving moving) {
  auto& loop = *moving.upgrade.loop;
  loop.post([&loop, moving = std::move(moving)]() mutable {
    try {
      auto link = std::make_shared<StreamLink>(loop, std::move(moving));
      link->enlist();
      link->start();
    } catch (const std::exception& error) {
      log::error("net", std::string("an event stream could not be taken over: ") + error.what());
    }
  });
}

}  // namespace lectern::net
