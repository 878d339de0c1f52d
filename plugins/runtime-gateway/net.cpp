// The only translation unit that sees Asio, Beast and OpenSSL.
#include "net.hpp"

#include <pthread.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <deque>
#include <exception>
#include <thread>

#include "any_stream.hpp"
#include "lectern/sdk/plugin.hpp"

namespace gateway::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;
using tcp = asio::ip::tcp;

namespace {
constexpr const char* user_agent = "lectern-runtime-gateway";
constexpr std::uint64_t max_body = 16u << 20;
}  // namespace

struct Io::Impl {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> busy = asio::make_work_guard(io);
  std::thread thread;

  void run() {
    ::pthread_setname_np(::pthread_self(), "gateway-io");
    while (!io.stopped()) {
      try {
        io.run();
      } catch (const std::exception& problem) {
        lectern::sdk::log_error(std::string("work for a gateway failed: ") + problem.what());
      }
    }
  }
};

Io::Io() : impl_(std::make_unique<Impl>()) {
  impl_->thread = std::thread([this] { impl_->run(); });
}
Io::~Io() {
  stop();
}
void Io::stop() {
  impl_->io.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}
void Io::post(std::function<void()> work) {
  asio::post(impl_->io, std::move(work));
}

struct Timer::Impl {
  explicit Impl(asio::io_context& io) : timer(io) {}
  asio::steady_timer timer;
  std::function<void()> work;
  std::uint64_t round = 0;
};

Timer::Timer(Io& io) : impl_(std::make_shared<Impl>(io.impl().io)) {}
Timer::~Timer() {
  cancel();
}
void Timer::start(Milliseconds delay, std::function<void()> work) {
  cancel();
  impl_->work = std::move(work);
  impl_->timer.expires_after(delay);
  impl_->timer.async_wait([impl = impl_, round = impl_->round](const error_code& error) {
    if (error || impl->round != round) return;
    ++impl->round;
    const auto due = std::exchange(impl->work, {});
    due();
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
  auto expired = std::make_shared<Timer>(self->io);
  expired->start(timeout, [waiting] {
    if (*waiting) std::exchange(*waiting, {})(asio::error::timed_out);
  });
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
  Exchange(Io& on, const Endpoint& to, Request what, std::function<void(Answer)> then)
      : io(on), endpoint(to), request(std::move(what)), done(std::move(then)) {}

  void run() {
    if (stream.error()) return end(stream.error());
    dial(this->shared_from_this(), stream, request.timeout, [self = this->shared_from_this()](error_code error) {
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
    if (!request.body.empty()) message.set(beast::http::field::content_type, "application/json");
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
    parser.body_limit(max_body);
    beast::http::async_read(stream, buffer, parser, [self = this->shared_from_this()](error_code error, std::size_t) {
      if (error) return self->end(error);
      auto& answer = self->parser.get();
      self->finish({static_cast<int>(answer.result_int()), std::move(answer.body()), {}});
    });
  }
  void end(error_code error) { finish({0, {}, error.message()}); }
  void finish(Answer answer) {
    if (std::exchange(over, true)) return;
    stream.tcp().close();
    std::exchange(done, {})(std::move(answer));
  }

  Io& io;
  const Endpoint endpoint;
  Request request;
  std::function<void(Answer)> done;
  AnyStream stream{io.impl().io, endpoint};
  tcp::resolver resolver{io.impl().io};
  beast::http::request<beast::http::string_body> message;
  beast::http::response_parser<beast::http::string_body> parser;
  beast::flat_buffer buffer;
  bool over = false;
};

class Socket final : public WebSocket, public std::enable_shared_from_this<Socket> {
 public:
  Socket(Io& on, const Endpoint& to, Settings settings, Handlers handlers)
      : io(on),
        endpoint(to),
        settings_(std::move(settings)),
        handlers_(std::make_shared<Handlers>(std::move(handlers))) {}

  void run() {
    const auto self = this->shared_from_this();
    if (const auto error = socket_.next_layer().error()) return io.post([self, error] { self->lost(error); });
    dial(self, socket_.next_layer(), settings_.connect_timeout, [self](error_code error) {
      if (error) return self->lost(error);
      if (!self->over) self->upgrade();
    });
  }
  void send(std::string bytes, bool text) override {
    if (over) return;
    queue_.emplace_back(std::move(bytes), text);
    if (queue_.size() == 1) write();
  }
  void cut() override {
    over = true;
    handlers_.reset();
    resolver.cancel();
    socket_.next_layer().tcp().close();
  }

  Io& io;
  const Endpoint endpoint;
  tcp::resolver resolver{io.impl().io};
  bool over = false;

 private:
  void upgrade() {
    socket_.next_layer().tcp().expires_never();
    socket_.set_option(websocket::stream_base::timeout{settings_.connect_timeout, settings_.silence, true});
    socket_.read_message_max(settings_.max_message);
    socket_.set_option(websocket::stream_base::decorator([this](websocket::request_type& request) {
      request.set(beast::http::field::user_agent, user_agent);
      if (!settings_.subprotocol.empty()) {
        request.set(beast::http::field::sec_websocket_protocol, settings_.subprotocol);
      }
      for (const auto& [name, value] : settings_.headers) request.set(name, value);
    }));
    socket_.async_handshake(answer_, endpoint.authority(), settings_.target,
                            [self = this->shared_from_this()](error_code error) { self->upgraded(error); });
  }
  void upgraded(error_code error) {
    if (over) return;
    if (error == websocket::error::upgrade_declined) {
      return tell({static_cast<int>(answer_.result_int()), std::move(answer_.body()), {}});
    }
    if (error) return lost(error);
    const auto handlers = handlers_;  // they may cut us
    handlers->opened(std::string(answer_[beast::http::field::sec_websocket_protocol]));
    if (!over) read();
  }
  void read() {
    socket_.async_read(buffer_, [self = this->shared_from_this()](error_code error, std::size_t) {
      if (self->over) return;
      if (error) return self->lost(error);
      const auto bytes = self->buffer_.cdata();
      const auto handlers = self->handlers_;
      handlers->message({static_cast<const char*>(bytes.data()), bytes.size()}, self->socket_.got_text());
      self->buffer_.clear();
      if (self->buffer_.capacity() > large) self->buffer_.shrink_to_fit();
      if (!self->over) self->read();
    });
  }
  void write() {
    socket_.text(queue_.front().second);
    socket_.async_write(asio::buffer(queue_.front().first),
                        [self = this->shared_from_this()](error_code error, std::size_t) {
                          // A failed write is a line that is gone: the reader tells.
                          if (error || self->over) return;
                          self->queue_.pop_front();
                          if (!self->queue_.empty()) self->write();
                        });
  }
  void lost(error_code error) {
    if (over) return;
    if (error == websocket::error::closed) {
      const auto& reason = socket_.reason();
      return tell({0, {}, "it closed the connection (" + std::to_string(reason.code) + ")"});
    }
    tell({0, {}, error.message()});
  }
  void tell(Answer how) {
    const auto handlers = handlers_;
    cut();
    handlers->closed(std::move(how));
  }

  static constexpr std::size_t large = 1u << 20;
  Settings settings_;
  std::shared_ptr<Handlers> handlers_;
  websocket::stream<AnyStream> socket_{io.impl().io, endpoint};
  websocket::response_type answer_;
  beast::flat_buffer buffer_;
  std::deque<std::pair<std::string, bool>> queue_;
};

}  // namespace

void http(Io& io, const Endpoint& endpoint, Request request, std::function<void(Answer)> done) {
  const auto exchange = std::make_shared<Exchange>(io, endpoint, std::move(request), std::move(done));
  io.post([exchange] { exchange->run(); });
}

std::shared_ptr<WebSocket> WebSocket::connect(Io& io, const Endpoint& endpoint, Settings settings, Handlers handlers) {
  const auto socket = std::make_shared<Socket>(io, endpoint, std::move(settings), std::move(handlers));
  socket->run();
  return socket;
}

}  // namespace gateway::net
