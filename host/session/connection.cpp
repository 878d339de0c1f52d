#include "session/connection.hpp"

#include <utility>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/number.hpp"
#include "base/text.hpp"
#include "session/attendance.hpp"
#include "session/inbound.hpp"
#include "session/live_session.hpp"
#include "session/snapshot.hpp"

namespace lectern::session {
namespace {

constexpr std::size_t link_full = 64u << 10;  // net's links tell when they have drained from here
constexpr std::size_t early_limit = 1u << 20;
constexpr std::size_t most_encoding = 32;        // messages of one connection at a transport's process
constexpr std::size_t most_reading = 64u << 20;  // bytes of one connection there, when more than one frame waits
constexpr auto resync_patience = std::chrono::seconds(10);

std::optional<ResumeToken> parse_resume(std::string_view token) {
  const auto dot = token.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto seq = text::number<decltype(ResumeToken::seq)>(token.substr(dot + 1));
  if (!seq) return std::nullopt;
  return ResumeToken{std::string(token.substr(0, dot)), *seq};
}

Result<bool> choice(const json::Value& query, std::string_view key, std::string_view no, std::string_view yes) {
  const auto value = json::string_or_empty(query, key);
  if (value.empty() || value == no) return false;
  if (value == yes) return true;
  return fail(400, "bad_request", "the query's " + std::string(key) + " is '" + text::label(value, 40) + "'",
              "use " + std::string(no) + " or " + std::string(yes));
}

Result<bool> flag(const json::Value& query, std::string_view key) {
  if (query.find(key) == nullptr) return false;
  const auto value = json::string_or_empty(query, key);
  if (value.empty() || value == "1" || value == "true") return true;
  if (value == "0" || value == "false") return false;
  return fail(400, "bad_request", "the query's " + std::string(key) + " is '" + text::label(value, 40) + "'",
              "use true or false");
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> items;
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (comma != 0) items.emplace_back(list.substr(0, comma));
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return items;
}

}  // namespace

Result<ConnectOptions> parse_options(const ConnectRequest& request) {
  json::Value query;
  if (!request.query_json.empty()) {
    LECTERN_TRY(query, json::parse(request.query_json));
  }
  ConnectOptions options;
  options.client_id = json::string_or_empty(query, "client_id");
  options.label = text::label(json::string_or_empty(query, "label"), 80);
  options.kind = text::label(json::string_or_empty(query, "kind"), 40);
  options.history_id = json::string_or_empty(query, "history_id");
  LECTERN_TRY(options.view_only, flag(query, "view_only"));
  LECTERN_TRY(options.document_changes, choice(query, "document", "events", "changes"));
  LECTERN_TRY(const bool notebook_json, choice(query, "notebook", "none", "json"));
  options.notebook = json::string_or_empty(query, "notebook").empty() ? !options.document_changes : notebook_json;
  LECTERN_TRY(options.models_document, choice(query, "models", "events", "document"));
  // The transport's to read; one that is no choice is refused here, while there still is an answer to refuse with.
  if (const auto buffers = choice(query, "buffers", "base64", "binary"); !buffers) return fail(buffers.error());
  if (query.find("models_heads") != nullptr) options.models_heads = split(json::string_or_empty(query, "models_heads"));
  options.models_history = json::string_or_empty(query, "models_history_id");
  if (query.find("heads") != nullptr) options.heads = split(json::string_or_empty(query, "heads"));
  const auto resume = request.last_event_id.empty() ? json::string_or_empty(query, "resume") : request.last_event_id;
  // A token nobody can read is as good as none: the client gets a snapshot.
  if (!resume.empty()) options.resume = parse_resume(resume);
  return options;
}

Connection::Connection(std::shared_ptr<LiveSession> session, Link& link, ConnectRequest request, ConnectOptions options,
                       Wiring wiring)
    : session_(std::move(session)),
      link_(link),
      request_(std::move(request)),
      options_(std::move(options)),
      wiring_(std::move(wiring)),
      timer_(session_->loop()),
      keepalive_(session_->loop()) {
  session_->connections().add(*this);
  if (wiring_.byte_stream) keep_alive();
}

Connection::~Connection() {
  if (!gone_) on_closed(false);
}

void Connection::keep_alive() {
  keepalive_.start(std::chrono::milliseconds(session_->settings().keepalive_ms), [this] {
    if (closing_) return;
    if (live_ && replay_.over() && queue_.empty() && link_.queued_bytes() == 0) {
      auto message = std::make_shared<Message>();
      message->kind = plugin::OutboundKind::keepalive;
      push(message);
    }
    keep_alive();
  });
}

void Connection::await_hello() {
  timer_.start(std::chrono::milliseconds(session_->settings().hello_ms), [this] { close(1008, "UNAUTHORIZED"); });
}

void Connection::on_frame(bool binary, std::string_view bytes) {
  if (closing_) {
    session_->counters().dropped += 1;
    return;
  }
  if (wiring_.transport->waits()) return receive_later(binary, bytes);
  if (client_ == nullptr || live_) return receive(binary, bytes);
  early_bytes_ += bytes.size();
  if (early_bytes_ > early_limit) return close(1009, "too much before kernel-ready");
  early_.push_back({binary, std::string(bytes), std::nullopt});
}

void Connection::handle_early_frames() {
  timer_.cancel();
  auto early = std::move(early_);
  early_.clear();
  early_bytes_ = 0;
  for (auto& one : early) {
    if (one.answer) {
      take(std::move(*one.answer), one.bytes.size());
    } else {
      on_frame(one.binary, one.bytes);
    }
  }
}

void Connection::start_again() {
  live_ = document_ready = models_ready = false;
  replay_.drop();
  secret.clear();
  sync.reset();
  models_sync.reset();
}

void Connection::receive(bool binary, std::string_view bytes) {
  const auto received = wiring_.transport->receive(wiring_.id, binary, bytes,
                                                   [this](const plugin::Inbound& message) { return inbound(message); });
  took(received);
}

void Connection::took(const Status& received) {
  if (received) return;
  const auto& error = received.error();
  // What the sender did wrong it is told; anything else is ours (lectern_transport.receive).
  if (error.status == 400) return close(1008, error.message);
  log::warning("session", "a connection is closed: " + error.message);
  close(1011, "INTERNAL");
}

Status Connection::inbound(const plugin::Inbound& message) {
  if (closing_) return {};
  handle_inbound(*session_, *this, message);
  return {};
}

void Connection::on_revoked() {
  if (gone_ || session_->ended() || client_ == nullptr || client_->connection != id()) return;
  session_->attendance().leave(client_->number);
}

void Connection::on_closed(bool clean) {
  if (gone_) return;
  gone_ = closing_ = true;
  live_ = false;
  timer_.cancel();
  keepalive_.cancel();
  replay_.drop();
  queue_.clear();
  encoding_.clear();
  closes_with_.reset();
  wiring_.transport->close(wiring_.id);
  session_->connections().remove(*this);
  session_->attendance().connection_gone(*this, clean);
}

void Connection::close(std::uint16_t code, std::string reason) {
  if (closing_) return;
  pump();
  closing_ = true;
  timer_.cancel();
  keepalive_.cancel();
  if (encoding_.empty()) return link_.close(code, std::move(reason));
  closes_with_.emplace(code, std::move(reason));
}

void Connection::send(const MessagePtr& message) {
  if (closing_) return;
  const bool for_it_alone =
      message->kind == plugin::OutboundKind::event && event_spec(message->op).audience == Audience::one;
  if (slow_ && !for_it_alone) return;
  push(message);
  if (counted_ > session_->settings().queue_bytes) become_slow();
}

void Connection::push(const MessagePtr& message) {
  if (message->kind == plugin::OutboundKind::event && event_spec(message->op).coalesces) {
    auto& newest = newest_[static_cast<std::size_t>(message->op)];
    if (newest > queue_base_) {
      auto& older = queue_[newest - 1 - queue_base_].message;
      if (older && older->counts) counted_ -= older->bytes();
      older.reset();
    }
    newest = queue_base_ + queue_.size() + 1;
  }
  queue_.push_back({message});
  if (message->counts) counted_ += message->bytes();
  pump();
}

void Connection::begin_replay(Replay replay) {
  replay_ = std::move(replay);
  pump();
}

/// What leaves next; null when nothing can.
MessagePtr Connection::next() {
  if (!replay_.over()) {
    auto message = replay_.next();
    if (message || !replay_.over()) return message;
  }
  while (!queue_.empty()) {
    auto message = std::move(queue_.front().message);
    queue_.pop_front();
    ++queue_base_;
    if (!message) continue;
    if (message->counts) counted_ -= message->bytes();
    return message;
  }
  return nullptr;
}

void Connection::pump() {
  if (pumping_ || closing_) return;
  if (wiring_.transport->waits()) return pump_later();
  pumping_ = true;
  while (link_.queued_bytes() < link_full) {
    const auto message = next();
    if (!message) break;
    for (const auto& frame : message->frames(*wiring_.transport, wiring_.encoding, session_->connections().stream())) {
      link_.send(frame);
    }
    if (message->op == Op::replay_complete && message->kind == plugin::OutboundKind::event) in_snapshot_ = false;
  }
  pumping_ = false;
  if (slow_ && replay_.over() && queue_.empty() && link_.queued_bytes() < link_full / 2) resync();
}

template <class Body>
auto Connection::posting(Body body) {
  return [this, here = std::weak_ptr(here_), &loop = session_->loop(), body = std::move(body)](auto&&... said) mutable {
    loop.post([this, here, body = std::move(body), ... said = std::move(said)]() mutable {
      if (!here.expired()) body(*this, std::move(said)...);
    });
  };
}

void Connection::open_later(std::uint32_t binding) {
  opened_ = false;
  const auto handed = wiring_.transport->open_later(
      wiring_.id, binding, request_.query_json.empty() ? "{}" : request_.query_json,
      posting([](Connection& self, plugin::TransportAnswer answer) { self.opened(answer); }),
      posting([](Connection& self) { self.lost(); }));
  if (!handed) close(1013, "TRANSPORT_BUSY");
}

void Connection::opened(const plugin::TransportAnswer& answer) {
  const auto encoding = plugin::Transport::opened(answer);
  if (!encoding) {
    log::warning("session", "a connection was refused: " + encoding.error().message);
    // A transport whose process rests is one to come back to.
    return encoding.error().status == 503 ? close(1013, "TRANSPORT_RESTS") : close(1011, "INTERNAL");
  }
  opened_ = true;
  wiring_.encoding = *encoding;
  pump();
}

void Connection::lost() {
  if (gone_ || (closing_ && !closes_with_)) return;
  closing_ = true;
  timer_.cancel();
  keepalive_.cancel();
  encoding_.clear();
  closes_with_.reset();
  link_.close(1012, "TRANSPORT_ENDED");
}

void Connection::receive_later(bool binary, std::string_view bytes) {
  if (reading_bytes_ != 0 && reading_bytes_ + bytes.size() > most_reading) return close(1013, "TOO_FAST");
  reading_bytes_ += bytes.size();
  const auto handed = wiring_.transport->receive_later(
      wiring_.id, binary, bytes, posting([size = bytes.size()](Connection& self, plugin::TransportAnswer answer) {
        self.reading_bytes_ -= size;
        self.take(std::move(answer), size);
      }));
  if (!handed) close(1013, "TRANSPORT_BUSY");
}

/// What came in, read by the transport's process; before the connection is live it waits here as frames would.
void Connection::take(plugin::TransportAnswer answer, std::size_t bytes) {
  if (closing_) {
    session_->counters().dropped += 1;
    return;
  }
  if (client_ == nullptr || live_) {
    return took(
        plugin::Transport::received(answer, [this](const plugin::Inbound& message) { return inbound(message); }));
  }
  early_bytes_ += bytes;
  if (early_bytes_ > early_limit) return close(1009, "too much before kernel-ready");
  early_.push_back({false, std::string(bytes, '\0'), std::move(answer)});
}

/// Several messages are at the process at once, and leave in their order as its answers come.
void Connection::pump_later() {
  if (!opened_) return;
  pumping_ = true;
  send_encoded();
  while (link_.queued_bytes() < link_full && encoding_.size() < most_encoding) {
    auto message = next();
    if (!message) break;
    encoding_bytes_ += message->counts ? message->bytes() : 0;
    encoding_.push_back(message);
    const auto frames =
        Message::frames_later(message, *wiring_.transport, wiring_.encoding, session_->connections().stream(),
                              session_->loop(), [this, here = std::weak_ptr(here_)] {
                                if (here.expired()) return;
                                if (closing_) return finish_closing();
                                pump();
                              });
    if (!frames) {
      encoding_.pop_back();
      log::warning("session", "a connection is closed: " + frames.error().message);
      close(1013, "TRANSPORT_BUSY");
      break;
    }
    if (*frames != nullptr) send_encoded();
  }
  pumping_ = false;
  const bool idle = replay_.over() && queue_.empty() && encoding_.empty();
  if (slow_ && idle && link_.queued_bytes() < link_full / 2) resync();
}

void Connection::send_encoded() {
  while (!encoding_.empty()) {
    const auto& message = encoding_.front();
    const auto* frames = message->encoded_frames(*wiring_.transport, wiring_.encoding);
    if (frames == nullptr) return;
    for (const auto& frame : *frames) link_.send(frame);
    if (message->op == Op::replay_complete && message->kind == plugin::OutboundKind::event) in_snapshot_ = false;
    encoding_bytes_ -= message->counts ? message->bytes() : 0;
    encoding_.pop_front();
  }
}

void Connection::finish_closing() {
  if (!closes_with_) return;
  send_encoded();
  if (!encoding_.empty()) return;
  link_.close(closes_with_->first, std::move(closes_with_->second));
  closes_with_.reset();
}

void Connection::become_slow() {
  if (in_snapshot_ || slow_) {
    session_->counters().too_slow += 1;
    return close(1013, "TOO_SLOW");
  }
  slow_ = true;
  replay_.drop();
  std::deque<Slot> kept;
  for (auto& slot : queue_) {
    const bool alone = slot.message && slot.message->kind == plugin::OutboundKind::event &&
                       event_spec(slot.message->op).audience == Audience::one;
    if (alone) kept.push_back(std::move(slot));
  }
  queue_ = std::move(kept);
  counted_ = 0;
  for (const auto& slot : queue_) counted_ += slot.message->counts ? slot.message->bytes() : 0;
  newest_.fill(0);
  document_ready = models_ready = false;
  timer_.start(resync_patience, [this] {
    session_->counters().too_slow += 1;
    close(1013, "TOO_SLOW");
  });
  pump();
}

void Connection::resync() {
  if (std::exchange(resync_asked_, true)) return;
  send_resync(*session_, *this);
}

void Connection::resync_begins() {
  slow_ = resync_asked_ = false;
  in_snapshot_ = true;
  timer_.cancel();
  session_->counters().resyncs += 1;
}

}  // namespace lectern::session
