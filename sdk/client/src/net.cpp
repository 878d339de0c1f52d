// The only translation unit that sees Asio, Beast and OpenSSL.
#include "net.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <deque>
#include <optional>
#include <thread>

#include "any_stream.hpp"

namespace lectern::client::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr Milliseconds farewell{1'000};
constexpr const char* user_agent = "lectern-client-cpp";

Error unreachable(const Endpoint& endpoint, const std::string& why) {
  return {0, "unreachable", "the host at " + endpoint.authority() + " cannot be reached: " + why, {}, {}};
}

}  // namespace

struct Loop::Impl {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> busy = asio::make_work_guard(io);
  std::thread thread;
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {
  // Callbacks that throw end the process, as any thread's do.
  impl_->thread = std::thread([this]() noexcept { impl_->io.run(); });
}
Loop::~Loop() = default;
Loop& Loop::get() {
  // Never destroyed: a session that is a global ends after everything that was made at its first use. The thread ends
  // with the process.
  static auto* const loop = std::make_unique<Loop>().release();
  return *loop;
}
void Loop::post(std::function<void()> work) {
  asio::post(impl_->io, std::move(work));
}
bool Loop::here() const {
  return std::this_thread::get_id() == impl_->thread.get_id();
}

struct Timer::Impl {
  asio::steady_timer timer{Loop::get().impl().io};
  std::function<void()> work;
  std::uint64_t round = 0;
};

Timer::Timer() : impl_(std::make_shared<Impl>()) {}
Timer::~Timer() {
  if (impl_) cancel();
}
Timer::Timer(Timer&&) noexcept = default;
Timer& Timer::operator=(Timer&& other) noexcept {
  if (impl_) cancel();
  impl_ = std::move(other.impl_);
  return *this;
}
void Timer::start(Milliseconds delay, std::function<void()> work) {
  cancel();
  impl_->work = std::move(work);
  impl_->timer.expires_after(delay);
  impl_->timer.async_wait([impl = impl_, round = impl_->round](const error_code& error) {
    if (error || impl->round != round) return;
    ++impl->round;
    std::exchange(impl->work, {})();
  });
}
void Timer::cancel() {
  ++impl_->round;
  impl_->work = {};
  impl_->timer.cancel();
}

namespace {

/// Name, TCP, TLS; then `ready`. The stream's own timer bounds each of them.
template <class Self>
void dial(std::shared_ptr<Self> self, AnyStream& stream, Milliseconds timeout, std::function<void(error_code)> ready) {
  // A name server that keeps silent is bounded as the rest is. Its question cannot be interrupted: what comes of it
  // after the time is for nobody.
  auto waiting = std::make_shared<std::function<void(error_code)>>(std::move(ready));
  auto expired = std::make_shared<Timer>();
  expired->start(timeout, [waiting] { std::exchange(*waiting, {})(asio::error::timed_out); });
  self->resolver.async_resolve(
      self->endpoint.host, self->endpoint.port,
      [self, &stream, timeout, waiting, expired](error_code error, const tcp::resolver::results_type& found) {
        if (!*waiting) return;
        expired->cancel();
        const auto then = std::exchange(*waiting, {});
        if (error || self->over) return then(error);
        stream.tcp().expires_after(timeout);
        stream.tcp().async_connect(found, [self, &stream, then](error_code failed, const tcp::endpoint&) {
          if (failed || self->over) return then(failed);
          error_code ignored;
          stream.tcp().socket().set_option(tcp::no_delay(true), ignored);
          stream.handshake([self, then](error_code shaken) { then(shaken); });
        });
      });
}

struct Exchange : std::enable_shared_from_this<Exchange> {
  Exchange(const Endpoint& to, HttpRequest what, std::function<void(Result<HttpAnswer>)> then)
      : endpoint(to), request(std::move(what)), done(std::move(then)) {}

  void run() {
    if (stream.error()) return end(stream.error());
    const auto self = this->shared_from_this();
    dial(self, stream, request.timeout, [self](error_code error) {
      if (error) return self->end(error);
      self->write();
    });
  }
  void write() {
    message.method_string(request.method);
    message.target(request.target);
    message.set(beast::http::field::host, endpoint.authority());
    message.set(beast::http::field::user_agent, user_agent);
    for (const auto& [name, value] : request.headers) message.set(name, value);
    message.body() = std::move(request.body);
    message.prepare_payload();
    message.keep_alive(false);
    stream.tcp().expires_after(request.timeout);
    beast::http::async_write(stream, message, [self = this->shared_from_this()](error_code error, std::size_t) {
      if (error) return self->end(error);
      self->read();
    });
  }
  void read() {
    parser.body_limit(request.max_body);
    beast::http::async_read(stream, buffer, parser, [self = this->shared_from_this()](error_code error, std::size_t) {
      if (error) return self->end(error);
      auto& answer = self->parser.get();
      self->finish(HttpAnswer{static_cast<int>(answer.result_int()), std::move(answer.body())});
    });
  }
  void end(error_code error) { finish(unreachable(endpoint, error.message())); }
  void finish(Result<HttpAnswer> result) {
    over = true;
    stream.tcp().close();
    std::exchange(done, {})(std::move(result));
  }

  Endpoint endpoint;
  HttpRequest request;
  std::function<void(Result<HttpAnswer>)> done;
  AnyStream stream{Loop::get().impl().io, endpoint};
  tcp::resolver resolver{Loop::get().impl().io};
  beast::http::request<beast::http::string_body> message;
  beast::http::response_parser<beast::http::string_body> parser;
  beast::flat_buffer buffer;
  bool over = false;
};

class Socket final : public WebSocket, public std::enable_shared_from_this<Socket> {
 public:
  Socket(const Endpoint& to, Settings settings, Handlers handlers)
      : endpoint(to), settings_(std::move(settings)), handlers_(std::make_shared<Handlers>(std::move(handlers))) {}

  void run() {
    const auto self = this->shared_from_this();
    if (const auto error = socket_.next_layer().error()) return Loop::get().post([self, error] { self->lost(error); });
    dial(self, socket_.next_layer(), settings_.connect_timeout, [self](error_code error) {
      if (error) return self->lost(error);
      if (!self->over) self->upgrade();
    });
  }
  void send(std::string text) override {
    if (over) return;
    queue_.push_back(std::move(text));
    if (queue_.size() == 1) write();
  }
  void cut() override {
    over = true;
    handlers_.reset();
    resolver.cancel();
    socket_.next_layer().tcp().close();
  }
  void close(std::function<void()> done) override {
    const bool open = socket_.is_open() && !over;
    over = true;
    handlers_.reset();
    if (!open) {
      cut();
      return Loop::get().post(std::move(done));
    }
    const auto self = this->shared_from_this();
    goodbye_.start(farewell, [self] { self->cut(); });
    socket_.async_close(websocket::close_code::normal, [self, done = std::move(done)](error_code) {
      self->goodbye_.cancel();
      self->cut();
      done();
    });
  }

  const Endpoint endpoint;
  tcp::resolver resolver{Loop::get().impl().io};
  bool over = false;

 private:
  void upgrade() {
    socket_.next_layer().tcp().expires_never();
    // Pings of our own, because without them Beast counts from the last message: those of the host would not keep us.
    const websocket::stream_base::timeout limits{settings_.connect_timeout, settings_.silence, true};
    socket_.set_option(limits);
    socket_.read_message_max(settings_.max_message);
    socket_.set_option(websocket::stream_base::decorator([this](websocket::request_type& request) {
      request.set(beast::http::field::user_agent, user_agent);
      request.set(beast::http::field::sec_websocket_protocol, settings_.subprotocol);
      for (const auto& [name, value] : settings_.headers) request.set(name, value);
    }));
    socket_.async_handshake(answer_, endpoint.authority(), settings_.target,
                            [self = this->shared_from_this()](error_code error) { self->upgraded(error); });
  }
  void upgraded(error_code error) {
    if (over) return;
    if (error == websocket::error::upgrade_declined) {
      const auto handlers = handlers_;
      cut();
      return handlers->refused(HttpAnswer{static_cast<int>(answer_.result_int()), std::move(answer_.body())});
    }
    if (error) return lost(error);
    const auto spoken = answer_[beast::http::field::sec_websocket_protocol];
    if (spoken != settings_.subprotocol) {
      return lost(Error{0,
                        "protocol_mismatch",
                        "the host speaks " + (spoken.empty() ? "no subprotocol" : "'" + std::string(spoken) + "'") +
                            ", this library '" + settings_.subprotocol + "'",
                        "use matching versions of the two",
                        {}});
    }
    const auto handlers = handlers_;  // they may cut us
    handlers->opened();
    if (!over) read();
  }
  void read() {
    socket_.async_read(buffer_, [self = this->shared_from_this()](error_code error, std::size_t) {
      if (self->over) return;
      if (error) return self->lost(error);
      if (self->socket_.got_text()) {
        const auto bytes = self->buffer_.cdata();
        const auto handlers = self->handlers_;
        handlers->text({static_cast<const char*>(bytes.data()), bytes.size()});
      }
      self->buffer_.clear();
      if (!self->over) self->read();
    });
  }
  void write() {
    socket_.text(true);
    socket_.async_write(asio::buffer(queue_.front()), [self = this->shared_from_this()](error_code error, std::size_t) {
      // A failed write is a connection that is gone: the reader tells.
      if (error || self->over) return;
      self->queue_.pop_front();
      if (!self->queue_.empty()) self->write();
    });
  }
  void lost(error_code error) {
    if (over) return;
    if (error == websocket::error::closed) {
      const auto& reason = socket_.reason();
      const auto handlers = handlers_;
      cut();
      return handlers->closed({static_cast<int>(reason.code), std::string(reason.reason.c_str()), {}});
    }
    static const auto& broken = error_code(websocket::error::closed).category();
    if (error.category() == broken) {
      return lost(Error{0, "bad_answer", "the host broke the rules of WebSockets: " + error.message(), {}, {}});
    }
    lost(unreachable(endpoint, error.message()));
  }
  void lost(Error error) {
    if (over) return;
    const auto handlers = handlers_;
    cut();
    handlers->closed({0, {}, std::move(error)});
  }

  Settings settings_;
  std::shared_ptr<Handlers> handlers_;
  websocket::stream<AnyStream> socket_{Loop::get().impl().io, endpoint};
  websocket::response_type answer_;
  beast::flat_buffer buffer_;
  std::deque<std::string> queue_;
  Timer goodbye_;
};

}  // namespace

void http(const Endpoint& endpoint, HttpRequest request, std::function<void(Result<HttpAnswer>)> done) {
  const auto exchange = std::make_shared<Exchange>(endpoint, std::move(request), std::move(done));
  Loop::get().post([exchange] { exchange->run(); });
}

std::shared_ptr<WebSocket> WebSocket::connect(const Endpoint& endpoint, Settings settings, Handlers handlers) {
  const auto socket = std::make_shared<Socket>(endpoint, std::move(settings), std::move(handlers));
  socket->run();
  return socket;
}

}  // namespace lectern::client::net
