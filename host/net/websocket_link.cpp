// RFC 6455 on a reactor. The only translation unit that includes Beast's WebSocket.
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "net/poco_stream.hpp"
#include "net/upgrades.hpp"

namespace lectern::net {
namespace {

namespace beast = boost::beast;
namespace websocket = beast::websocket;
using boost::system::error_code;

constexpr std::size_t control_backlog = 16u << 10;
constexpr std::size_t kept_input = 16u << 10;  // input buffer an idle connection may keep
constexpr std::size_t max_reason = 123;        // RFC 6455 5.5: control frames hold 125 bytes, two are the code

enum Opcode : unsigned char { op_text = 0x81, op_binary = 0x82, op_close = 0x88, op_ping = 0x89 };

std::string frame_head(unsigned char first, std::uint64_t size) {
  std::string head(1, static_cast<char>(first));
  int bytes = 0;
  if (size < 126) {
    head.push_back(static_cast<char>(size));
  } else if (size <= 0xffff) {
    head.push_back(126);
    bytes = 2;
  } else {
    head.push_back(127);
    bytes = 8;
  }
  while (bytes-- > 0) head.push_back(static_cast<char>(size >> (8 * bytes)));
  return head;
}

/// `reason` cut to what fits, at a character.
std::string cut_reason(std::string reason) {
  if (reason.size() <= max_reason) return reason;
  auto size = max_reason;
  while (size > 0 && (static_cast<unsigned char>(reason[size]) & 0xc0) == 0x80) --size;
  reason.resize(size);
  return reason;
}

session::FramePtr bytes_frame(std::string bytes) {
  return std::make_shared<const session::Frame>(session::Frame{true, std::move(bytes)});
}

class WebSocketLink final : public SocketLink, private PocoStream::Host {
 public:
  WebSocketLink(Loop& loop, Moving moving)
      : SocketLink(loop, std::move(moving.wire), moving.times, std::move(moving.links)),
        upgrade_(std::move(moving.upgrade)),
        stream_(wire(), static_cast<PocoStream::Host&>(*this), std::move(moving.leftover)),
        heartbeat_(loop) {
    stream_.read_message_max(upgrade_.max_message);
    stream_.auto_fragment(false);
    stream_.set_option(websocket::stream_base::decorator([protocol = upgrade_.subprotocol](auto& response) {
      if (!protocol.empty()) response.set(beast::http::field::sec_websocket_protocol, protocol);
    }));
    heard_ms_ = clock::now_ms();
  }

  void start(const std::string& key) {
    handshake_.version(11);
    handshake_.method(beast::http::verb::get);
    handshake_.target("/");
    handshake_.set(beast::http::field::host, "-");
    handshake_.set(beast::http::field::upgrade, "websocket");
    handshake_.set(beast::http::field::connection, "upgrade");
    handshake_.set(beast::http::field::sec_websocket_key, key);
    handshake_.set(beast::http::field::sec_websocket_version, "13");
    stream_.async_accept(handshake_, [self = shared()](error_code error) {
      self->handshake_ = {};
      if (error) return self->cut();
      self->begin();
    });
  }

  void send(session::FramePtr frame) override {
    if (stage() != Stage::open || close_sent_) return;
    const auto head = frame_head(frame->binary ? op_binary : op_text, frame->bytes.size());
    enqueue(head, std::move(frame));
  }

  void close(std::uint16_t code, std::string reason) override {
    if (stage() != Stage::open) return;
    become_closing();
    if (close_sent_) return;
    close_sent_ = true;
    reason = cut_reason(std::move(reason));
    std::string bytes = frame_head(op_close, 2 + reason.size());
    bytes.push_back(static_cast<char>(code >> 8));
    bytes.push_back(static_cast<char>(code & 0xff));
    enqueue({}, bytes_frame(bytes + reason));
  }

 private:
  std::shared_ptr<WebSocketLink> shared() { return std::static_pointer_cast<WebSocketLink>(shared_from_this()); }

  void begin() {
    if (stage() != Stage::open) return;
    accepted_ = true;
    beat();
    auto events = upgrade_.connected(*this);
    upgrade_.connected = {};
    if (events && stage() != Stage::over) listen(std::move(events));
    if (!this->events()) close(1011, "INTERNAL");  // does nothing when the callee has closed it with its own reason
    read();
  }

  void read() {
    stream_.async_read(input_, [self = shared()](error_code error, std::size_t) {
      if (error) return self->on_read_error(error);
      self->on_message();
    });
  }

  void on_message() {
    if (stage() == Stage::open && !close_sent_ && events() != nullptr) {
      const auto data = input_.cdata();
      events()->on_frame(stream_.got_binary(), {static_cast<const char*>(data.data()), data.size()});
    }
    input_.clear();
    if (input_.capacity() > kept_input) input_.shrink_to_fit();
    read();
  }

  void on_read_error(const error_code& error) {
    heartbeat_.cancel();
    // The end of the bytes without a close frame is a cut line, whichever way TCP says it: the tab may come back.
    bool clean = false;
    if (error == websocket::error::closed) {
      const auto code = stream_.reason().code;
      clean = stage() == Stage::closing || code == websocket::close_code::normal ||
              code == websocket::close_code::going_away || code == websocket::close_code::none;
    }
    end(clean);
  }

  /// Ping every 20 s; silent for 45 s is lost. One timer serves both.
  void beat() {
    const auto silent_at = heard_ms_ + times().silence.count();
    const auto now = clock::now_ms();
    if (now >= silent_at) return cut();
    if (now >= next_ping_ms_) {
      if (next_ping_ms_ != 0 && !close_sent_) enqueue({}, ping_frame());
      next_ping_ms_ = now + times().ping.count();
    }
    const auto delay = std::max<std::int64_t>(std::min(silent_at, next_ping_ms_) - now, 1);
    heartbeat_.start(std::chrono::milliseconds(delay), [weak = weak_from_this()] {
      if (auto self = weak.lock()) static_cast<WebSocketLink&>(*self).beat();
    });
  }

  static session::FramePtr ping_frame() {
    static const auto frame = bytes_frame(frame_head(op_ping, 0));
    return frame;
  }

  void on_control_bytes(std::string bytes) override {
    const bool is_close = accepted_ && !bytes.empty() && static_cast<unsigned char>(bytes[0]) == op_close;
    if (is_close && close_sent_) return;  // Beast answers a close that answers ours
    if (is_close) close_sent_ = true;
    enqueue({}, bytes_frame(std::move(bytes)));
  }

  void on_heard() override { heard_ms_ = clock::now_ms(); }

  void ping() override {
    if (stage() == Stage::open && !close_sent_) enqueue({}, ping_frame());
  }
  [[nodiscard]] bool alive_since(std::int64_t at_ms) const override { return heard_ms_ >= at_ms; }

  void when_writable(Task resume) override {
    if (queued_bytes() <= control_backlog || !wire().open()) return loop().post(std::move(resume));
    resume_ = std::move(resume);
  }

  void on_flushed() override { resume_writing(); }
  void on_dropped() override { resume_writing(); }

  void resume_writing() {
    if (resume_) loop().post(std::exchange(resume_, Task()));
  }

  api::Upgrade upgrade_;
  websocket::stream<PocoStream, false>
      stream_;  // false: no permessage-deflate, 64 KiB a connection (docs of the peers)
  Timer heartbeat_;
  beast::flat_buffer input_;
  beast::http::request<beast::http::empty_body> handshake_;
  Task resume_;
  std::int64_t heard_ms_ = 0;
  std::int64_t next_ping_ms_ = 0;
  bool accepted_ = false;
  bool close_sent_ = false;
};

}  // namespace

void move_to_websocket(Moving moving) {
  auto& loop = *moving.upgrade.loop;
  loop.post([&loop, moving = std::move(moving)]() mutable {
    const auto key = std::move(moving.websocket_key);
    try {
      auto link = std::make_shared<WebSocketLink>(loop, std::move(moving));
      link->enlist();
      link->start(key);
    } catch (const std::exception& error) {
      log::error("net", std::string("a WebSocket could not be taken over: ") + error.what());
    }
  });
}

}  // namespace lectern::net
