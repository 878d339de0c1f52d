// The only translation unit that sees Asio, Beast and OpenSSL.
#include "net.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <deque>
#include <optional>
#include <thread>

namespace lectern::client::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace ssl = boost::asio::ssl;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using Plain = beast::tcp_stream;
using Tls = beast::ssl_stream<beast::tcp_stream>;

constexpr Milliseconds silence{45'000};  // the host pings every 20 s (docs/protocol.md, section 3)
constexpr Milliseconds farewell{1'000};
constexpr const char* user_agent = "lectern-client-cpp";

Error unreachable(const Endpoint& endpoint, const std::string& why) {
  return {0, "unreachable", "the host at " + endpoint.authority() + " cannot be reached: " + why, {}, {}};
}

Plain& tcp_of(Plain& stream) {
  return stream;
}
Plain& tcp_of(Tls& stream) {
  return stream.next_layer();
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
Loop::~Loop() {
  impl_->io.stop();
  if (here()) {
    impl_->thread.detach();  // exit() was called in a callback: the process is over
  } else {
    impl_->thread.join();
  }
}
Loop& Loop::get() {
  static Loop loop;
  return loop;
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

/// A connected stream: name looked up, TCP open, TLS shaken. One object per connection; it is told once how that went.
template <class Stream>
struct Dial;

template <>
struct Dial<Plain> {
  explicit Dial(const Endpoint&) {}
  Plain make(asio::io_context& io) { return Plain(io); }
  template <class Done>
  void handshake(Plain&, Done done) {
    done(error_code());
  }
  error_code error;
};

template <>
struct Dial<Tls> {
  explicit Dial(const Endpoint& endpoint) {
    if (endpoint.ca_file.empty()) {
      context.set_default_verify_paths(error);
    } else {
      context.load_verify_file(endpoint.ca_file, error);
    }
    error_code ignored;
    context.set_verify_mode(endpoint.verify_tls ? ssl::verify_peer : ssl::verify_none, ignored);
    if (endpoint.verify_tls) context.set_verify_callback(ssl::host_name_verification(endpoint.host), ignored);
    host = endpoint.host;
  }
  Tls make(asio::io_context& io) { return Tls(io, context); }
  template <class Done>
  void handshake(Tls& stream, Done done) {
    error_code ignored;
    const bool is_address = (asio::ip::make_address(host, ignored), !ignored);
    if (!is_address) SSL_set_tlsext_host_name(stream.native_handle(), host.c_str());
    stream.async_handshake(ssl::stream_base::client, std::move(done));
  }
  ssl::context context{ssl::context::tls_client};
  std::string host;
  error_code error;
};

/// Name, TCP, TLS; then `ready`. The stream's own timer bounds each of them.
template <class Self, class Stream>
void dial(std::shared_ptr<Self> self, Stream& stream, Milliseconds timeout, std::function<void(error_code)> ready) {
  // A name server that keeps silent is bounded as the rest is.
  auto expired = std::make_shared<Timer>();
  expired->start(timeout, [self] { self->resolver.cancel(); });
  self->resolver.async_resolve(
      self->endpoint.host, self->endpoint.port,
      [self, &stream, timeout, ready = std::move(ready), expired](error_code error, tcp::resolver::results_type found) {
        expired->cancel();
        if (error || self->over) return ready(error);
        tcp_of(stream).expires_after(timeout);
        tcp_of(stream).async_connect(found, [self, &stream, ready](error_code failed, const tcp::endpoint&) {
          if (failed || self->over) return ready(failed);
          error_code ignored;
          tcp_of(stream).socket().set_option(tcp::no_delay(true), ignored);
          self->dialing.handshake(stream, [self, ready](error_code shaken) { ready(shaken); });
        });
      });
}

template <class Stream>
struct Exchange : std::enable_shared_from_this<Exchange<Stream>> {
  Exchange(const Endpoint& to, HttpRequest what, std::function<void(Result<HttpAnswer>)> then)
      : endpoint(to), request(std::move(what)), done(std::move(then)), dialing(endpoint) {}

  void run() {
    if (dialing.error) return end(dialing.error);
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
    tcp_of(stream).expires_after(request.timeout);
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
    tcp_of(stream).close();
    std::exchange(done, {})(std::move(result));
  }

  Endpoint endpoint;
  HttpRequest request;
  std::function<void(Result<HttpAnswer>)> done;
  Dial<Stream> dialing;
  Stream stream = dialing.make(Loop::get().impl().io);
  tcp::resolver resolver{Loop::get().impl().io};
  beast::http::request<beast::http::string_body> message;
  beast::http::response_parser<beast::http::string_body> parser;
  beast::flat_buffer buffer;
  bool over = false;
};

template <class Stream>
class Socket final : public WebSocket, public std::enable_shared_from_this<Socket<Stream>> {
 public:
  Socket(const Endpoint& to, Settings settings, Handlers handlers)
      : endpoint(to),
        dialing(endpoint),
        settings_(std::move(settings)),
        handlers_(std::make_shared<Handlers>(std::move(handlers))) {}

  void run() {
    const auto self = this->shared_from_this();
    if (dialing.error) return Loop::get().post([self] { self->lost(self->dialing.error); });
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
    tcp_of(socket_.next_layer()).close();
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
  Dial<Stream> dialing;
  tcp::resolver resolver{Loop::get().impl().io};
  bool over = false;

 private:
  void upgrade() {
    tcp_of(socket_.next_layer()).expires_never();
    websocket::stream_base::timeout limits{settings_.connect_timeout, silence, false};
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
  websocket::stream<Stream> socket_{dialing.make(Loop::get().impl().io)};
  websocket::response_type answer_;
  beast::flat_buffer buffer_;
  std::deque<std::string> queue_;
  Timer goodbye_;
};

}  // namespace

void http(const Endpoint& endpoint, HttpRequest request, std::function<void(Result<HttpAnswer>)> done) {
  const auto start = [&](auto exchange) { Loop::get().post([exchange] { exchange->run(); }); };
  if (endpoint.tls) {
    start(std::make_shared<Exchange<Tls>>(endpoint, std::move(request), std::move(done)));
  } else {
    start(std::make_shared<Exchange<Plain>>(endpoint, std::move(request), std::move(done)));
  }
}

std::shared_ptr<WebSocket> WebSocket::connect(const Endpoint& endpoint, Settings settings, Handlers handlers) {
  const auto start = [](auto socket) -> std::shared_ptr<WebSocket> {
    socket->run();
    return socket;
  };
  if (endpoint.tls) return start(std::make_shared<Socket<Tls>>(endpoint, std::move(settings), std::move(handlers)));
  return start(std::make_shared<Socket<Plain>>(endpoint, std::move(settings), std::move(handlers)));
}

}  // namespace lectern::client::net
