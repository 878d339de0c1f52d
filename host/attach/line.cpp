#include "attach/line.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <deque>
#include <optional>

#include "attach/client_stream.hpp"
#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "presence/endpoints.hpp"

namespace lectern::attach {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using Resolver = asio::ip::basic_resolver<tcp, asio::io_context::executor_type>;

constexpr std::chrono::milliseconds farewell{1'000};
constexpr const char* user_agent = "lectern";

Error unreachable(const Peer& peer, const std::string& why) {
  return {0, "unreachable", peer.endpoint.address + ": " + why, {}, {}};
}

std::string with_port(const asio::ip::address& address, unsigned short port) {
  const auto text = address.to_string();
  return (address.is_v6() ? "[" + text + "]" : text) + ":" + std::to_string(port);
}

/// Resolves, judges what was found, connects, and where the endpoint is wss proves the peer's key.
class Connecting : public std::enable_shared_from_this<Connecting> {
 public:
  using Done = std::function<void(Status)>;

  Connecting(Loop& loop, Peer to)
      : stream(loop.context()), peer(std::move(to)), resolver_(loop.context().get_executor()) {}

  void start(Done done) {
    done_ = std::move(done);
    if (peer.endpoint.scheme == "wss" && peer.pin.empty()) {
      return later(Error{401,
                         "not_paired",
                         peer.endpoint.address + ": its key is not known here, so nothing proves "
                                                 "which host answers",
                         "pair the two devices: lectern pair",
                         {}});
    }
    const auto colon = peer.endpoint.address.rfind(':');
    auto host = peer.endpoint.address.substr(0, colon);
    const auto port = peer.endpoint.address.substr(colon + 1);
    if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
    error_code error;
    const auto address = asio::ip::make_address(host, error);
    if (!error) return connect({tcp::endpoint(address, static_cast<unsigned short>(std::stoul(port)))});
    resolver_.async_resolve(host, port, [self = shared_from_this()](error_code failed, const auto& found) {
      if (self->over_) return;
      if (failed) return self->end(unreachable(self->peer, failed.message()));
      std::vector<tcp::endpoint> all;
      for (const auto& one : found) all.push_back(one.endpoint());
      self->connect(std::move(all));
    });
  }

  void cut() {
    over_ = true;
    done_ = {};
    resolver_.cancel();
    stream.close();
  }

  ClientStream stream;
  Peer peer;

 private:
  void later(Error error) {
    asio::post(stream.get_executor(), [self = shared_from_this(), error = std::move(error)] { self->end(error); });
  }

  [[nodiscard]] bool may_dial(const tcp::endpoint& where) const {
    auto judged = peer.endpoint;
    judged.address = with_port(where.address(), where.port());
    if (judged.scheme == "ws" && !where.address().is_loopback()) return false;
    return presence::may_dial(judged, peer.same_machine);
  }

  void connect(std::vector<tcp::endpoint> found) {
    std::erase_if(found, [this](const auto& where) { return !may_dial(where); });
    if (found.empty()) {
      return later({403,
                    "may_not_dial",
                    peer.endpoint.address + ": leads where this host does not dial",
                    "plain ws is for loopback on this machine; elsewhere hosts are reached by wss",
                    {}});
    }
    asio::async_connect(stream.socket(), found,
                        [self = shared_from_this()](error_code error, const tcp::endpoint& where) {
                          if (self->over_) return;
                          if (error) return self->end(unreachable(self->peer, error.message()));
                          self->connected(where);
                        });
  }

  void connected(const tcp::endpoint& where) {
    error_code ignored;
    stream.socket().set_option(tcp::no_delay(true), ignored);
    const auto published = std::exchange(peer.endpoint.address, with_port(where.address(), where.port()));
    if (peer.endpoint.scheme != "wss") return end(Status());
    auto tls = net::load_tls();
    if (!tls) return end(fail(tls.error()));
    auto secure = (*tls)->connect(stream.socket().native_handle(), published.substr(0, published.rfind(':')));
    if (!secure) return end(unreachable(peer, "TLS cannot be set up"));
    stream.secure(std::move(secure), [self = shared_from_this()](error_code error) {
      if (self->over_) return;
      if (error) return self->end(unreachable(self->peer, "the TLS handshake failed"));
      if (!crypto::equal(self->stream.peer_key(), self->peer.pin)) {
        return self->end(Error{401,
                               "wrong_key",
                               self->peer.endpoint.address + ": the host that answers has another key "
                                                             "than the device that was paired",
                               "pair the two devices anew if that is meant",
                               {}});
      }
      self->end(Status());
    });
  }

  void end(Error error) { end(Status(fail(std::move(error)))); }
  void end(Status status) {
    if (over_) return;
    if (!status) over_ = true;
    if (!status) stream.close();
    if (auto done = std::exchange(done_, {})) done(std::move(status));
  }

  Resolver resolver_;
  Done done_;
  bool over_ = false;
};

/// The error body of lectern's API, or what the status says.
Error error_of(const Peer& peer, int status, const std::string& body) {
  Error error{status, "refused", peer.endpoint.address + " answered " + std::to_string(status), {}, {}};
  const auto parsed = json::parse(body);
  const auto* inner = parsed ? parsed->find("error") : nullptr;
  if (inner == nullptr) return error;
  const auto text = [&](std::string_view key, std::size_t most) {
    const auto* value = inner->find(key);
    const auto* found = value == nullptr ? nullptr : value->as_string();
    return found == nullptr ? std::string() : text::label(*found, most);
  };
  if (auto code = text("code", 60); !code.empty()) error.code = std::move(code);
  if (auto message = text("message", 400); !message.empty()) error.message = std::move(message);
  error.hint = text("hint", 400);
  return error;
}

template <class Message>
void set_headers(Message& message, const Peer& peer, const Headers& headers) {
  message.set(beast::http::field::host, peer.endpoint.address);
  message.set(beast::http::field::user_agent, user_agent);
  if (!peer.token.empty()) message.set(beast::http::field::authorization, "Bearer " + peer.token);
  for (const auto& [name, value] : headers) message.set(name, value);
}

struct Exchange : std::enable_shared_from_this<Exchange> {
  Exchange(Loop& loop, const Peer& peer, HttpRequest what, std::function<void(Result<HttpAnswer>)> then)
      : connection(std::make_shared<Connecting>(loop, peer)),
        request(std::move(what)),
        done(std::move(then)),
        deadline(loop) {}

  void run() {
    deadline.start(std::chrono::milliseconds(request.timeout_ms),
                   [self = shared_from_this()] { self->finish(fail(self->lost("no answer in time"))); });
    connection->start([self = shared_from_this()](Status status) {
      if (!status) return self->finish(fail(status.error()));
      self->write();
    });
  }
  void write() {
    message.version(11);
    message.method_string(request.method);
    message.target(request.target);
    set_headers(message, connection->peer, request.headers);
    message.body() = std::move(request.body);
    message.prepare_payload();
    message.keep_alive(false);
    beast::http::async_write(connection->stream, message, [self = shared_from_this()](error_code error, std::size_t) {
      if (error) return self->finish(fail(self->lost(error.message())));
      self->read();
    });
  }
  // Beast does not hold an answer that says its length to body_limit (it does with requests), so that is looked at
  // first.
  void read() {
    parser.body_limit(request.max_body);
    beast::http::async_read_header(connection->stream, buffer, parser,
                                   [self = shared_from_this()](error_code error, std::size_t) {
                                     if (error) return self->finish(fail(self->lost(error.message())));
                                     const auto length = self->parser.content_length();
                                     if (length && *length > self->request.max_body) {
                                       return self->finish(fail(self->lost("its answer is too large")));
                                     }
                                     self->read_body();
                                   });
  }
  void read_body() {
    beast::http::async_read(connection->stream, buffer, parser,
                            [self = shared_from_this()](error_code error, std::size_t) {
                              if (error) return self->finish(fail(self->lost(error.message())));
                              auto& answer = self->parser.get();
                              HttpAnswer out;
                              out.status = static_cast<int>(answer.result_int());
                              for (const auto& field : answer)
                                out.headers.emplace_back(field.name_string(), field.value());
                              out.body = std::move(answer.body());
                              self->finish(std::move(out));
                            });
  }
  [[nodiscard]] Error lost(const std::string& why) const { return unreachable(connection->peer, why); }
  void finish(Result<HttpAnswer> result) {
    auto then = std::exchange(done, {});
    if (!then) return;
    deadline.cancel();
    connection->cut();
    then(std::move(result));
  }

  std::shared_ptr<Connecting> connection;
  HttpRequest request;
  std::function<void(Result<HttpAnswer>)> done;
  Timer deadline;
  beast::http::request<beast::http::string_body> message;
  beast::http::response_parser<beast::http::string_body> parser;
  beast::flat_buffer buffer;
};

class LineImpl final : public Line, public std::enable_shared_from_this<LineImpl> {
 public:
  LineImpl(Loop& loop, const Peer& peer, Settings settings, Handlers handlers)
      : connection_(std::make_shared<Connecting>(loop, peer)),
        settings_(std::move(settings)),
        handlers_(std::make_shared<Handlers>(std::move(handlers))),
        socket_(connection_->stream),
        goodbye_(loop) {}

  void run() {
    connection_->start([self = shared_from_this()](Status status) {
      if (!status) return self->failed(status.error());
      if (!self->settings_.target.empty()) return self->upgrade();
      const auto handlers = self->handlers_;
      handlers->opened();
    });
  }
  void send(std::string bytes) override {
    if (over_) return;
    queued_ += bytes.size();
    queue_.push_back(std::move(bytes));
    if (queue_.size() == 1) write();
  }
  [[nodiscard]] std::size_t queued_bytes() const override { return queued_; }
  [[nodiscard]] const Peer& peer() const override { return connection_->peer; }
  void cut() override {
    over_ = true;
    handlers_.reset();
    closing_ = {};
    connection_->cut();
  }
  void close(std::function<void()> done) override {
    const bool open = opened_ && !over_;
    over_ = true;
    handlers_.reset();
    const auto self = shared_from_this();
    auto once = std::make_shared<std::function<void()>>(std::move(done));
    closing_ = [self, once] {
      self->goodbye_.cancel();
      self->cut();
      if (auto then = std::exchange(*once, {})) then();
    };
    if (!open) return asio::post(connection_->stream.get_executor(), closing_);
    goodbye_.start(farewell, closing_);
    if (queue_.empty()) say_goodbye();
  }

 private:
  void say_goodbye() {
    socket_.async_close(websocket::close_code::normal, [end = closing_](error_code) { end(); });
  }
  void upgrade() {
    const websocket::stream_base::timeout limits{std::chrono::milliseconds(settings_.open_ms),
                                                 std::chrono::milliseconds(settings_.silence_ms), true};
    socket_.set_option(limits);
    socket_.read_message_max(settings_.max_message);
    socket_.write_buffer_bytes(64u << 10);
    socket_.auto_fragment(false);
    socket_.binary(true);
    socket_.set_option(websocket::stream_base::decorator([this](websocket::request_type& request) {
      request.set(beast::http::field::sec_websocket_protocol, settings_.subprotocol);
      set_headers(request, connection_->peer, settings_.headers);
    }));
    socket_.async_handshake(answer_, connection_->peer.endpoint.address, settings_.target,
                            [self = shared_from_this()](error_code error) { self->upgraded(error); });
  }
  void upgraded(error_code error) {
    if (over_) return;
    if (error == websocket::error::upgrade_declined) {
      return failed(error_of(connection_->peer, static_cast<int>(answer_.result_int()), answer_.body()));
    }
    if (error) return failed(unreachable(connection_->peer, error.message()));
    if (answer_[beast::http::field::sec_websocket_protocol] != settings_.subprotocol) {
      return failed({502,
                     "protocol_mismatch",
                     connection_->peer.endpoint.address + " does not speak " + settings_.subprotocol,
                     "use matching versions of the two hosts",
                     {}});
    }
    opened_ = true;
    const auto handlers = handlers_;  // they may cut us
    handlers->opened();
    if (!over_) read();
  }
  void read() {
    socket_.async_read(buffer_, [self = shared_from_this()](error_code error, std::size_t) {
      if (self->over_) return;
      if (error) return self->lost(error);
      const auto bytes = self->buffer_.cdata();
      const auto handlers = self->handlers_;
      handlers->message({static_cast<const char*>(bytes.data()), bytes.size()});
      self->buffer_.clear();
      if (!self->over_) self->read();
    });
  }
  void write() {
    socket_.async_write(asio::buffer(queue_.front()), [self = shared_from_this()](error_code error, std::size_t) {
      // A failed write is a connection that is gone: the reader tells.
      if (error || (self->over_ && !self->closing_)) {
        if (const auto end = self->closing_) end();
        return;
      }
      self->queued_ -= self->queue_.front().size();
      self->queue_.pop_front();
      if (!self->queue_.empty()) return self->write();
      if (self->closing_) self->say_goodbye();
    });
  }
  void lost(error_code error) {
    Closed how{0, error.message()};
    if (error == websocket::error::closed) {
      how.code = static_cast<int>(socket_.reason().code);
      how.reason = std::string(socket_.reason().reason.c_str());
    }
    const auto handlers = handlers_;
    cut();
    handlers->closed(std::move(how));
  }
  void failed(Error error) {
    if (over_) return;
    const auto handlers = handlers_;
    cut();
    handlers->failed(std::move(error));
  }

  std::shared_ptr<Connecting> connection_;
  Settings settings_;
  std::shared_ptr<Handlers> handlers_;
  websocket::stream<ClientStream&> socket_;
  websocket::response_type answer_;
  beast::flat_buffer buffer_;
  std::deque<std::string> queue_;
  std::size_t queued_ = 0;
  Timer goodbye_;
  std::function<void()> closing_;  // the end, once what is queued has left
  bool opened_ = false, over_ = false;
};

}  // namespace

void exchange(Loop& loop, const Peer& peer, HttpRequest request, std::function<void(Result<HttpAnswer>)> done) {
  std::make_shared<Exchange>(loop, peer, std::move(request), std::move(done))->run();
}

std::shared_ptr<Line> Line::dial(Loop& loop, const Peer& peer, Settings settings, Handlers handlers) {
  const auto line = std::make_shared<LineImpl>(loop, peer, std::move(settings), std::move(handlers));
  line->run();
  return line;
}

}  // namespace lectern::attach
