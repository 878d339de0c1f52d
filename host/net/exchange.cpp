#include "net/exchange.hpp"

#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/StreamSocket.h>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "net/deferred.hpp"
#include "net/http_answer.hpp"
#include "net/http_body.hpp"
#include "net/upgrades.hpp"

namespace lectern::net {
namespace {

constexpr std::int64_t write_patience_ms = 5'000;
constexpr std::size_t body_rate = 256u << 10;  // bytes that buy another second

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <class... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

Error ended(Waited waited, std::string_view what) {
  if (waited == Waited::stopped) return {503, "draining", "the host is shutting down", "Try again shortly.", {}};
  if (waited == Waited::timeout) {
    return {408,
            "request_timeout",
            "the " + std::string(what) + " of the request did not arrive in time",
            "Send the whole request at once.",
            {}};
  }
  return {400, "bad_request", "the connection ended inside the " + std::string(what) + " of the request", {}, {}};
}

}  // namespace

Exchange::Exchange(const Poco::Net::StreamSocket& taken, Door& door)
    : TCPServerConnection(taken), door_(door), reader_(wire_, door.stop), identity_(taken.impl()) {
  ++door_.busy;
  try {
    const auto address = taken.peerAddress();
    peer_ = address.host().toString();
    loopback_ = address.host().isLoopback();
    wire_ = Wire(taken, door.tls);
  } catch (const std::exception& error) {
    log::debug("net", std::string("a connection was gone before it was served: ") + error.what());
  }
}

Exchange::~Exchange() {
  door_.peers.leave(identity_);
  --door_.busy;
}

void Exchange::run() {
  auto next = Next::keep_alive;
  try {
    for (bool first = true; next == Next::keep_alive && wire_.open(); first = false) next = one_request(first);
  } catch (const std::exception& error) {
    log::error("net", std::string("a connection was given up: ") + error.what());
    next = Next::close;
  }
  if (next == Next::linger && wire_.open()) door_.answers.linger(std::move(wire_));
  wire_.close();
}

Exchange::Next Exchange::one_request(bool first) {
  all_read_ = false;
  auto head = read_head(first);
  if (!head) return refuse(head.error());
  if (!*head) return Next::close;
  ++door_.requests;
  auto& request = (*head)->request;
  const bool head_only = request.method == "HEAD";
  request.peer = peer_;
  request.loopback_peer = loopback_;
  request.secure = wire_.secure();
  if (door_.draining) {
    return refuse({503, "draining", "the host is shutting down", "Try again shortly.", {}}, head_only);
  }
  try {
    const auto limits = door_.handler.admit(request);
    if (!limits) return refuse(limits.error(), head_only);
    auto body = read_body(**head, limits->max_body);
    if (!body) return refuse(body.error(), head_only);
    all_read_ = true;
    return handle(**head, std::move(*body));
  } catch (const std::exception& error) {
    log::error("net", request.method + " " + request.path + " threw: " + error.what());
    return refuse({500, "internal", "the host failed on this request", "See the host's log.", {}}, head_only);
  }
}

Exchange::Next Exchange::handle(const Head& head, std::string body) {
  const bool head_only = head.request.method == "HEAD";
  // Bytes after a chunked body are a favourite place to hide a second request in; nothing of ours sends any.
  // A connection that idles holds a worker: while more than half of them are taken, none is kept.
  const bool workers_free = door_.busy * 2 <= door_.options.limits.workers + 1;
  const bool keep_alive = head.keep_alive && head.body.kind != BodyPlan::Kind::chunked && !head.body.unsaid &&
                          workers_free && !door_.stop.raised();
  auto whole = head.request;
  whole.body = std::move(body);
  auto outcome = door_.handler.handle(std::move(whole));
  return std::visit(
      Overloaded{[&](api::Response& response) { return answer(std::move(response), head_only, keep_alive); },
                 [&](api::Deferred& deferred) { return answer_deferred(std::move(deferred), head_only, keep_alive); },
                 [&](std::unique_ptr<api::Upgrade>& upgrade) { return move(head, std::move(upgrade)); }},
      outcome);
}

Result<std::optional<Head>> Exchange::read_head(bool first) {
  const auto& limits = door_.options.limits;
  auto& buffer = reader_.buffer();
  // Before its first byte a connection is merely idle and ends without an answer.
  auto deadline = clock::now_ms() + (first ? limits.head : limits.keep_alive).count();
  bool begun = false;
  for (;;) {
    // Blank lines before the request line are to be ignored (RFC 7230 3.5).
    while (buffer.starts_with("\r\n")) buffer.erase(0, 2);
    if (!buffer.empty() && !begun) {
      begun = true;
      deadline = clock::now_ms() + limits.head.count();
    }
    LECTERN_TRY(const auto size, head_size(buffer, door_.head_limits));
    if (size) {
      LECTERN_TRY(auto head, parse_head(std::string_view(buffer).substr(0, *size), door_.head_limits));
      buffer.erase(0, *size);
      return std::optional<Head>(std::move(head));
    }
    const auto waited = reader_.fill(deadline);
    if (waited == Waited::ready) continue;
    if (!begun || waited == Waited::failed || waited == Waited::peer_closed) return std::optional<Head>();
    return fail(ended(waited, "head"));
  }
}

Result<std::string> Exchange::read_body(const Head& head, std::size_t limit) {
  // RFC 9112 6.3: without either header there is no body, and `curl -X POST` sends neither. But a body that was sent
  // all the same would be read as the next request: what follows is refused, and handle() keeps no such connection.
  if (head.body.unsaid && !reader_.buffer().empty()) {
    return fail(411, "length_required",
                "bytes follow a " + head.request.method + " without Content-Length or Transfer-Encoding",
                "Say how long the body is.");
  }
  if (head.body.kind == BodyPlan::Kind::none) return std::string();
  if (head.body.kind == BodyPlan::Kind::fixed && head.body.length > limit) {
    return fail(413, "too_large",
                "the body has " + std::to_string(head.body.length) + " bytes; " + head.request.path +
                    " takes at most " + std::to_string(limit));
  }
  if (head.body.expects_continue && reader_.buffer().empty()) {
    reader_.write("HTTP/1.1 100 Continue\r\n\r\n", clock::now_ms() + write_patience_ms);
  }
  return head.body.kind == BodyPlan::Kind::fixed ? read_fixed(head.body.length) : read_chunked(limit);
}

Status Exchange::more_body(std::int64_t started, std::size_t received) {
  const auto earned = static_cast<std::int64_t>(received / body_rate) * 1000;
  const auto waited = reader_.fill(started + door_.options.limits.body.count() + earned);
  if (waited != Waited::ready) return fail(ended(waited, "body"));
  return {};
}

Result<std::string> Exchange::read_fixed(std::uint64_t length) {
  const auto started = clock::now_ms();
  auto& buffer = reader_.buffer();
  while (buffer.size() < length) LECTERN_CHECK(more_body(started, buffer.size()));
  if (buffer.size() == length) return std::exchange(buffer, {});
  auto body = buffer.substr(0, length);
  buffer.erase(0, length);
  return body;
}

Result<std::string> Exchange::read_chunked(std::size_t limit) {
  const auto started = clock::now_ms();
  auto& buffer = reader_.buffer();
  ChunkedDecoder decoder(limit);
  std::size_t received = 0;
  for (;;) {
    LECTERN_TRY(const auto used, decoder.feed(buffer));
    buffer.erase(0, used);
    received += used;
    if (decoder.done()) return decoder.take();
    LECTERN_CHECK(more_body(started, received));
  }
}

Exchange::Next Exchange::answer(api::Response response, bool head_only, bool keep_alive) {
  const auto body = response.content();
  const bool bodiless = head_only || response.status == 204 || response.status == 304;
  if (!bodiless && response.source) {
    auto head = response_head(response, false);
    door_.answers.send(std::move(wire_), std::move(head), std::move(response.source));
    return Next::moved;
  }
  if (!bodiless && body.size() > door_.options.limits.inline_body) {
    auto shared = response.shared_body;
    auto head = response_head(response, false);
    if (!shared) shared = std::make_shared<const std::string>(std::move(response.body));
    door_.answers.send(std::move(wire_), std::move(head), std::move(shared));
    return Next::moved;
  }
  const auto kept = std::chrono::duration_cast<std::chrono::seconds>(door_.options.limits.keep_alive);
  auto bytes = response_head(response, keep_alive, kept - std::chrono::seconds(1));
  if (!bodiless) bytes += body;
  if (reader_.write(bytes, clock::now_ms() + write_patience_ms) != Waited::ready) return Next::close;
  if (keep_alive) return Next::keep_alive;
  if (!all_read_ || !reader_.buffer().empty() || wire_.secure()) return Next::linger;
  wire_.finish();
  return Next::close;
}

Exchange::Next Exchange::refuse(const Error& error, bool head_only) {
  auto response = api::error_response(error);
  if (error.status == 426) response.headers.emplace_back("Sec-WebSocket-Version", "13");
  return answer(std::move(response), head_only, false);
}

Exchange::Next Exchange::answer_deferred(api::Deferred deferred, bool head_only, bool keep_alive) {
  const auto pending = std::make_shared<DeferredAnswer>(door_.weak_from_this(), head_only);
  deferred.start(pending->respond());
  const auto patience = door_.options.limits.deferred_wait;
  if (auto response = pending->wait(patience)) return answer(std::move(*response), head_only, keep_alive);
  const auto left = std::chrono::milliseconds(deferred.deadline_ms) - patience;
  if (pending->detach(wire_, left)) return Next::moved;
  auto response = pending->wait(std::chrono::milliseconds(0));
  return answer(std::move(*response), head_only, keep_alive);
}

Exchange::Next Exchange::move(const Head& head, std::unique_ptr<api::Upgrade> upgrade) {
  const bool websocket = upgrade->kind == api::Upgrade::Kind::websocket;
  if (websocket) {
    if (const auto fine = check_websocket(head, upgrade->subprotocol); !fine) return refuse(fine.error());
  }
  if (!websocket && head.request.method == "HEAD") {
    // Who asks for the head alone joins nothing.
    reader_.write(stream_head(upgrade->content_type), clock::now_ms() + write_patience_ms);
    return Next::linger;
  }
  const auto& limits = door_.options.limits;
  Moving moving{std::move(wire_),
                std::string(std::string_view(reader_.buffer())),  // a copy of its size: the buffer's 8 KiB stay here
                websocket ? *head.request.header("Sec-WebSocket-Key") : std::string(),
                std::move(*upgrade),
                {limits.link_ping, limits.link_silence, limits.link_close},
                door_.links};
  if (websocket) {
    move_to_websocket(std::move(moving));
  } else {
    move_to_stream(std::move(moving));
  }
  return Next::moved;
}

}  // namespace lectern::net
