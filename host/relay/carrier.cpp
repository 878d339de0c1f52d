#include "relay/carrier.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "base/loop.hpp"
#include "relay/outbox.hpp"
#include "session/connection.hpp"

namespace lectern::relay {
namespace {

using session::ConnectRequest;
using session::FramePtr;

constexpr std::size_t link_full = 64u << 10;  // net's links tell when they have drained from here
constexpr std::chrono::milliseconds between_looks{10};
constexpr std::uint16_t cut_code = 1006;  // as a WebSocket calls an end without a word

Header about(Op op, Channel channel) {
  Header header;
  header.op = op;
  header.channels = {channel};
  return header;
}

}  // namespace

/// The channels of one carrier. Everything [reactor].
class Channels : public std::enable_shared_from_this<Channels> {
 public:
  Channels(std::shared_ptr<session::Session> session, session::Link& link, Carrier::Options options)
      : session_(std::move(session)),
        loop_(session_->loop()),
        link_(link),
        options_(std::move(options)),
        lease_(loop_),
        again_(loop_) {}
  ~Channels() { drop_all(); }
  Channels(const Channels&) = delete;
  Channels& operator=(const Channels&) = delete;

  void begin();
  void take(bool binary, std::string_view bytes);
  void drained();
  void drop_all();

 private:
  /// One channel as the session sees it.
  struct Line final : session::Link {
    Line(Channels& all_, Channel channel_) : all(all_), channel(channel_) {}
    void send(FramePtr frame) override {
      if (open) all.send(*this, std::move(frame));
    }
    [[nodiscard]] std::size_t queued_bytes() const override { return all.queued(*this); }
    void close(std::uint16_t code, std::string reason) override {
      if (open) all.say_closed(*this, code, std::move(reason), true);
    }
    void cut() override {
      if (open) all.say_closed(*this, cut_code, {}, false);
    }
    void ping() override { all.link_.ping(); }
    [[nodiscard]] bool alive_since(std::int64_t at_ms) const override { return all.link_.alive_since(at_ms); }

    Channels& all;
    Channel channel;
    Outbox::Place place;
    bool open = true;
    bool full = false;  // its viewers take nothing, says the host that has them
    std::unique_ptr<session::LinkEvents> events;
  };
  using LinePtr = std::shared_ptr<Line>;  // shared: held while its events are told something

  void handle(const Message& message);
  void open(const Header& header);
  void refuse(Channel channel, Error error);
  LinePtr line_of(Channel channel);
  void finish(Channel channel, bool clean);

  void send(Line& line, FramePtr frame);
  std::size_t queued(const Line& line);
  void say_closed(Line& line, std::uint16_t code, std::string reason, bool clean);

  void flush_later();
  void flush();
  void settle();
  void tell_drained();

  void look();
  void end(std::uint16_t code, std::string reason);
  template <class Body>
  void post(Body body) {
    loop_.post([weak = weak_from_this(), body = std::move(body)]() mutable {
      if (const auto self = weak.lock()) body(*self);
    });
  }

  std::shared_ptr<session::Session> session_;  // shared: it lives until its last socket is gone
  Loop& loop_;
  session::Link& link_;
  Carrier::Options options_;
  std::unordered_map<Channel, LinePtr> lines_;
  Channel last_opened_ = 0;
  Outbox outbox_;
  Timer lease_, again_;
  bool flushing_ = false;
  bool wanting_ = false;  // a line was told that it has to wait
  bool over_ = false;
};

void Channels::begin() {
  lease_.start(options_.look_every, [this] {
    look();
    if (!over_) begin();
  });
}

void Channels::look() {
  if (over_ || !options_.ended) return;
  if (auto ended = options_.ended()) end(ended->code, std::move(ended->reason));
}

/// The connection is over: what waits leaves first, and no channel hears of it in this turn.
void Channels::end(std::uint16_t code, std::string reason) {
  if (over_) return;
  flush();
  over_ = true;
  lease_.cancel();
  again_.cancel();
  link_.close(code, std::move(reason));
  post([](Channels& self) { self.drop_all(); });
}

void Channels::drop_all() {
  over_ = true;
  lease_.cancel();
  again_.cancel();
  auto lines = std::exchange(lines_, {});
  for (const auto& [channel, line] : lines) line->open = false;
  for (const auto& [channel, line] : lines) {
    if (auto events = std::move(line->events)) events->on_closed(false);
  }
}

void Channels::take(bool binary, std::string_view bytes) {
  if (over_) return;
  if (!binary) return end(1007, "a message of a relay is binary");
  const auto message = decode(bytes, From::viewers);
  if (!message) {
    log::warning("relay", "a relay's connection is closed: " + message.error().message);
    return end(close_code(message.error()), message.error().message);
  }
  const auto& header = message->header;
  if (header.op == Op::open) return open(header);
  const auto highest = *std::max_element(header.channels.begin(), header.channels.end());
  if (highest > last_opened_) return end(1008, "channel " + std::to_string(highest) + " was never opened");
  handle(*message);
}

/// What is said to a channel that has ended crossed with its end.
void Channels::handle(const Message& message) {
  for (const auto channel : message.header.channels) {
    const auto line = line_of(channel);
    if (!line || !line->open || !line->events) continue;
    switch (message.header.op) {
      case Op::frame:
        line->events->on_frame(!message.header.text, message.payload);
        break;
      case Op::close:
        line->open = false;
        if (message.header.revoked && line->events) line->events->on_revoked();
        finish(channel, message.header.clean);
        break;
      case Op::full:
        line->full = true;
        break;
      case Op::drained:
        line->full = false;
        line->events->on_drained();
        break;
      default:
        break;
    }
  }
}

void Channels::open(const Header& header) {
  const auto channel = header.channels.front();
  if (channel <= last_opened_) {
    return end(1008, "channel " + std::to_string(channel) + " is not greater than those opened before it");
  }
  last_opened_ = channel;
  look();
  if (over_) return;
  if (lines_.size() >= options_.most_channels) {
    return refuse(channel, {429, "too_many_channels",
                            "this relay has " + std::to_string(options_.most_channels) + " viewers and takes no more",
                            "try again when some have left", ""});
  }
  ConnectRequest request;
  request.route = "connect";
  request.subprotocol = "lectern.v1";
  request.query_json = header.query_json;
  request.client_key = header.client_key;
  request.last_event_id = header.last;
  request.principal = options_.principal;
  request.device = options_.device;
  request.scope = options_.scope & header.scope;
  if (const auto options = session::parse_options(request); !options) return refuse(channel, options.error());
  if (const auto known = session_->check_key(request.client_key); !known) return refuse(channel, known.error());
  const auto line = std::make_shared<Line>(*this, channel);
  lines_[channel] = line;
  line->events = session_->connect(std::move(request), *line);
  if (!line->events) line->close(1011, "INTERNAL");  // does nothing when the session has closed it with its own reason
}

void Channels::refuse(Channel channel, Error error) {
  auto header = about(Op::refused, channel);
  header.error = std::move(error);
  Outbox::Place place;
  outbox_.add(place, std::move(header));
  flush_later();
}

Channels::LinePtr Channels::line_of(Channel channel) {
  const auto it = lines_.find(channel);
  return it == lines_.end() ? nullptr : it->second;
}

void Channels::finish(Channel channel, bool clean) {
  const auto line = line_of(channel);
  if (!line) return;
  lines_.erase(channel);
  if (auto events = std::move(line->events)) events->on_closed(clean);
}

void Channels::send(Line& line, FramePtr frame) {
  if (over_) return;
  if (frame->bytes.size() > max_session_payload)
    return say_closed(line, 1009, "a frame is too large for a relay", true);
  outbox_.add(line.channel, line.place, std::move(frame));
  flush_later();
}

std::size_t Channels::queued(const Line& line) {
  const auto bytes = outbox_.bytes(line.place) + link_.queued_bytes();
  if (line.full) return std::max(bytes, link_full);
  // Whoever is told to wait is told when it may go on; the link tells that only when it was full itself.
  if (bytes >= link_full / 2 && !std::exchange(wanting_, true)) flush_later();
  return bytes;
}

void Channels::say_closed(Line& line, std::uint16_t code, std::string reason, bool clean) {
  line.open = false;
  auto header = about(Op::closed, line.channel);
  header.code = code;
  header.reason = reason;
  outbox_.add(line.place, std::move(header));
  flush_later();
  post([channel = line.channel, clean](Channels& self) { self.finish(channel, clean); });
  // 1000 is the end of the whole session, and 1008 may be the end of the credential.
  if (code == 1000) {
    post([reason = std::move(reason)](Channels& self) mutable { self.end(1000, std::move(reason)); });
  } else if (code == 1008) {
    post([](Channels& self) { self.look(); });
  }
}

void Channels::flush_later() {
  if (over_ || std::exchange(flushing_, true)) return;
  loop_.at_turn_end([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->flush();
  });
}

void Channels::flush() {
  flushing_ = false;
  if (over_) return;
  for (auto& entry : outbox_.take()) {
    auto bytes = encode(entry.header, From::session, entry.frame ? std::string_view(entry.frame->bytes) : "");
    if (!bytes) {
      log::error("relay", "a message was not sent: " + bytes.error().message);
      continue;
    }
    link_.send(std::make_shared<const session::Frame>(session::Frame{true, std::move(*bytes)}));
  }
  settle();
}

/// Sees to it that those who wait hear when they may go on.
void Channels::settle() {
  if (over_ || !wanting_) return;
  const auto queued = link_.queued_bytes();
  if (queued >= link_full) return;  // on_drained comes
  if (queued >= link_full / 2) return again_.start(between_looks, [this] { settle(); });
  wanting_ = false;
  post([](Channels& self) { self.tell_drained(); });
}

void Channels::drained() {
  wanting_ = false;
  tell_drained();
}

void Channels::tell_drained() {
  std::vector<LinePtr> lines;
  lines.reserve(lines_.size());
  for (const auto& [channel, line] : lines_) lines.push_back(line);
  for (const auto& line : lines) {
    if (line->open && !line->full && line->events) line->events->on_drained();
  }
}

Carrier::Carrier(std::shared_ptr<session::Session> session, session::Link& link, Options options)
    : channels_(std::make_shared<Channels>(std::move(session), link, std::move(options))) {
  channels_->begin();
}

Carrier::~Carrier() = default;

void Carrier::on_frame(bool binary, std::string_view bytes) {
  channels_->take(binary, bytes);
}

void Carrier::on_drained() {
  channels_->drained();
}

void Carrier::on_closed(bool) {
  channels_->drop_all();
}

}  // namespace lectern::relay
