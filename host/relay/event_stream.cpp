#include "relay/event_stream.hpp"

#include <atomic>

#include "base/log.hpp"

namespace lectern::relay {
namespace {

constexpr std::size_t socket_full = 64u << 10;  // net's links tell when they have drained from here
constexpr std::size_t most_at_process = 32;     // messages of one stream

// Connection numbers of a transport must be its host's own: sessions count up from 1, the host-wide stream down from
// the last.
std::uint64_t next_connection() {
  static std::atomic<std::uint64_t> last{std::uint64_t{1} << 63};
  return ++last;
}

}  // namespace

template <class Body>
auto EventStream::posting(Body body) {
  return [this, here = std::weak_ptr(here_), &loop = loop_, body = std::move(body)](auto&&... said) mutable {
    loop.post([this, here, body = std::move(body), ... said = std::move(said)]() mutable {
      if (!here.expired()) body(*this, std::move(said)...);
    });
  };
}

EventStream::EventStream(Loop& loop, session::Link& socket, Options options)
    : loop_(loop), socket_(socket), options_(std::move(options)), connection_(next_connection()), keepalive_(loop) {}

EventStream::~EventStream() {
  on_closed(false);
  if (open_ || options_.transport->waits()) options_.transport->close(connection_);
}

std::unique_ptr<session::LinkEvents> EventStream::open(Loop& loop, session::Link& socket, Options options,
                                                       Connect connect) {
  std::unique_ptr<EventStream> stream(new EventStream(loop, socket, std::move(options)));
  if (!stream->begin()) return nullptr;
  stream->viewer_ = connect(*stream);
  if (!stream->viewer_) return nullptr;
  stream->keep_alive();
  return stream;
}

bool EventStream::begin() {
  if (options_.transport->waits()) return begin_later();
  const auto encoding = options_.transport->open(connection_, options_.binding, options_.query_json);
  if (encoding) {
    encoding_ = *encoding;
    return open_ = true;
  }
  log::warning("relay", "an event stream was refused: " + encoding.error().message);
  close(1011, "INTERNAL");
  return false;
}

bool EventStream::begin_later() {
  const auto handed = options_.transport->open_later(
      connection_, options_.binding, options_.query_json,
      posting([](EventStream& self, const plugin::TransportAnswer& answer) {
        if (self.over_) return;
        const auto encoding = plugin::Transport::opened(answer);
        if (!encoding) {
          log::warning("relay", "an event stream was refused: " + encoding.error().message);
          return self.give_up(1011, "INTERNAL");
        }
        self.encoding_ = *encoding;
        self.open_ = true;
        const bool waited = !self.waiting_.empty();
        self.encode_later();
        if (waited) self.tell_when_empty();
      }),
      posting([](EventStream& self) { self.give_up(1012, "TRANSPORT_ENDED"); }));
  if (!handed) close(1013, "TRANSPORT_BUSY");
  return handed.has_value();
}

void EventStream::send(session::FramePtr frame) {
  if (over_ || closes_with_) return;
  if (!options_.transport->waits()) return encode(frame);
  waiting_bytes_ += frame->bytes.size();
  waiting_.push_back(std::move(frame));
  encode_later();
}

void EventStream::encode(const session::FramePtr& frame) {
  const auto read = frames_.read(*frame, [this](const plugin::Outbound& message) { encode(message); });
  if (read || over_) return;
  log::warning("relay", "an event stream is cut: " + read.error().message);
  cut();
}

void EventStream::encode(const plugin::Outbound& message) {
  if (!options_.transport->waits()) return write(options_.transport->encode(encoding_, message));
  const auto bytes = message.data.size() + message.payload.size();
  const auto handed = options_.transport->encode_later(
      encoding_, message, posting([](EventStream& self, const plugin::TransportAnswer& answer) {
        self.encoded(plugin::Transport::encoded(answer));
      }));
  if (!handed) return give_up(1013, "TRANSPORT_BUSY");
  waiting_bytes_ += bytes;
  at_process_.push_back(bytes);
}

void EventStream::encode_later() {
  while (open_ && !over_ && !waiting_.empty() && at_process_.size() < most_at_process) {
    const auto frame = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_bytes_ -= frame->bytes.size();
    encode(frame);
  }
}

/// Answers come in the order of the calls.
void EventStream::encoded(Result<std::vector<plugin::EncodedFrame>> frames) {
  if (over_) return;
  waiting_bytes_ -= at_process_.front();
  at_process_.pop_front();
  write(std::move(frames));
  encode_later();
  tell_when_empty();
}

/// After an answer, or after what waited came to nothing: then no answer follows.
void EventStream::tell_when_empty() {
  if (over_ || !waiting_.empty() || !at_process_.empty()) return;
  if (closes_with_) {
    auto [code, reason] = *std::exchange(closes_with_, std::nullopt);
    return close(code, std::move(reason));
  }
  if (socket_.queued_bytes() < socket_full) on_drained();
}

void EventStream::write(Result<std::vector<plugin::EncodedFrame>> frames) {
  if (!frames) return log::warning("relay", "a message is not sent: " + frames.error().message);
  for (auto& frame : *frames) {
    socket_.send(std::make_shared<const session::Frame>(session::Frame{frame.binary, std::move(frame.bytes)}));
  }
}

void EventStream::keep_alive() {
  keepalive_.start(options_.keepalive, [this] {
    if (over_) return;
    plugin::Outbound message;
    message.kind = plugin::OutboundKind::keepalive;
    if (open_ && queued_bytes() == 0 && at_process_.empty()) encode(message);
    if (!over_) keep_alive();
  });
}

/// What waits here is told when it has left, and the session there is told to go on.
void EventStream::on_drained() {
  if (viewer_ && waiting_.empty() && at_process_.empty()) viewer_->on_drained();
}

void EventStream::on_closed(bool clean) {
  over_ = true;
  keepalive_.cancel();
  if (const auto viewer = std::exchange(viewer_, nullptr)) viewer->on_closed(clean);
}

void EventStream::close(std::uint16_t code, std::string reason) {
  if (over_ || closes_with_) return;
  if (!waiting_.empty() || !at_process_.empty()) {
    closes_with_.emplace(code, std::move(reason));
    return;
  }
  over_ = true;
  keepalive_.cancel();
  socket_.close(code, std::move(reason));
}

void EventStream::cut() {
  over_ = true;
  keepalive_.cancel();
  socket_.cut();
}

/// What waits is not sent any more: the reader comes back for it.
void EventStream::give_up(std::uint16_t code, std::string reason) {
  waiting_.clear();
  at_process_.clear();
  waiting_bytes_ = 0;
  closes_with_.reset();
  close(code, std::move(reason));
}

}  // namespace lectern::relay
