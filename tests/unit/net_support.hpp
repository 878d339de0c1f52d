// Real sockets for the tests of net/: a raw client that writes exactly what it is told, and a small API behind the
// door.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "api/http.hpp"
#include "api/upgrade.hpp"
#include "base/clock.hpp"
#include "base/loop.hpp"
#include "net/front_door.hpp"

namespace lectern::net::testing {

using namespace std::chrono_literals;

/// Waits for a condition instead of sleeping for a guess.
inline bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds patience = 5s) {
  const auto deadline = clock::now_ms() + patience.count();
  while (!condition()) {
    if (clock::now_ms() > deadline) return false;
    std::this_thread::yield();
    ::poll(nullptr, 0, 1);
  }
  return true;
}

class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(0, ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address)) << strerror(errno);
    const int yes = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }
  ~RawClient() { close(); }
  RawClient(RawClient&& other) noexcept : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
  RawClient& operator=(RawClient&&) = delete;

  [[nodiscard]] int fd() const { return fd_; }

  /// False when the peer is gone; EPIPE and ECONNRESET are what several tests provoke.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  enum class Got { bytes, end, reset, timeout };
  Got receive(std::chrono::milliseconds patience = 5s) {
    pollfd set{fd_, POLLIN, 0};
    if (::poll(&set, 1, static_cast<int>(patience.count())) <= 0) return Got::timeout;
    char chunk[65536];
    const auto count = ::recv(fd_, chunk, sizeof chunk, 0);
    if (count > 0) buffer_.append(chunk, static_cast<std::size_t>(count));
    if (count > 0) return Got::bytes;
    return count == 0 ? Got::end : Got::reset;
  }

  /// Reads until the buffer holds `count` bytes; what is there when time is up.
  std::string take(std::size_t count, std::chrono::milliseconds patience = 5s) {
    while (buffer_.size() < count && receive(patience) == Got::bytes) {
    }
    auto taken = buffer_.substr(0, count);
    buffer_.erase(0, taken.size());
    return taken;
  }
  std::string take_until(std::string_view mark, std::chrono::milliseconds patience = 5s) {
    std::size_t at;
    while ((at = buffer_.find(mark)) == std::string::npos) {
      if (receive(patience) != Got::bytes) return std::exchange(buffer_, {});
    }
    return take(at + mark.size());
  }
  /// Everything up to the peer's FIN. `ended` says how it ended.
  std::string take_all(Got* ended = nullptr, std::chrono::milliseconds patience = 10s) {
    Got got;
    while ((got = receive(patience)) == Got::bytes) {
    }
    if (ended != nullptr) *ended = got;
    return std::exchange(buffer_, {});
  }

  void half_close() { ::shutdown(fd_, SHUT_WR); }
  void reset() {
    const linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
  std::string buffer_;
};

struct HttpAnswer {
  int status = 0;
  std::string head, body;
};

/// Reads one response with a Content-Length.
inline HttpAnswer read_answer(RawClient& client, std::chrono::milliseconds patience = 5s) {
  HttpAnswer answer;
  answer.head = client.take_until("\r\n\r\n", patience);
  if (answer.head.size() > 12) answer.status = std::atoi(answer.head.c_str() + 9);
  const auto length = answer.head.find("Content-Length: ");
  if (length != std::string::npos) {
    answer.body = client.take(static_cast<std::size_t>(std::atoll(answer.head.c_str() + length + 16)), patience);
  }
  return answer;
}

/// A RFC 6455 client that can also break every rule.
struct Frame {
  int opcode = -1;  // -1: the connection ended
  bool fin = false;
  std::string payload;
  [[nodiscard]] int close_code() const {
    if (opcode != 8 || payload.size() < 2) return 0;
    return (static_cast<unsigned char>(payload[0]) << 8) | static_cast<unsigned char>(payload[1]);
  }
};

inline std::string client_frame(int opcode, std::string_view payload, bool fin = true, bool masked = true,
                                int rsv = 0) {
  std::string bytes(1, static_cast<char>((fin ? 0x80 : 0) | (rsv << 4) | opcode));
  const char mask_bit = static_cast<char>(masked ? 0x80 : 0);
  if (payload.size() < 126) {
    bytes.push_back(static_cast<char>(mask_bit | static_cast<char>(payload.size())));
  } else if (payload.size() <= 0xffff) {
    bytes.push_back(static_cast<char>(mask_bit | 126));
    for (int i = 1; i >= 0; --i) bytes.push_back(static_cast<char>(payload.size() >> (8 * i)));
  } else {
    bytes.push_back(static_cast<char>(mask_bit | 127));
    for (int i = 7; i >= 0; --i) bytes.push_back(static_cast<char>(payload.size() >> (8 * i)));
  }
  if (!masked) return bytes.append(payload);
  const char mask[4] = {0x12, 0x34, 0x56, 0x78};
  bytes.append(mask, 4);
  for (std::size_t i = 0; i < payload.size(); ++i) bytes.push_back(static_cast<char>(payload[i] ^ mask[i % 4]));
  return bytes;
}

inline std::string close_payload(int code, std::string_view reason = {}) {
  std::string bytes{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  return bytes.append(reason);
}

/// Anything with take(count): a RawClient or a TLS one.
template <class Client>
Frame read_frame(Client& client, std::chrono::milliseconds patience = 5s) {
  Frame frame;
  const auto head = client.take(2, patience);
  if (head.size() < 2) return frame;
  frame.fin = (head[0] & 0x80) != 0;
  EXPECT_EQ(0, head[1] & 0x80) << "a server frame must not be masked";
  std::uint64_t size = head[1] & 0x7f;
  if (size >= 126) {
    const auto extended = client.take(size == 126 ? 2 : 8, patience);
    size = 0;
    for (const char c : extended) size = (size << 8) | static_cast<unsigned char>(c);
  }
  frame.payload = client.take(size, patience);
  if (frame.payload.size() == size) frame.opcode = head[0] & 0x0f;
  return frame;
}

inline std::string upgrade_request(std::string_view path = "/ws", std::string_view extra = {}) {
  return "GET " + std::string(path) +
         " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Protocol: other, lectern.v1\r\n" +
         std::string(extra) + "\r\n";
}

/// What the listener of a link saw.
struct Seen {
  std::mutex mutex;
  std::vector<std::pair<bool, std::string>> frames;
  session::Link* link = nullptr;  // use on the loop only
  int drained = 0, closed = 0, destroyed = 0;
  bool clean = false;
  template <class T>
  T read(T Seen::*member) {
    const std::lock_guard lock(mutex);
    return this->*member;
  }
  std::size_t frame_count() {
    const std::lock_guard lock(mutex);
    return frames.size();
  }
};

class Listener final : public session::LinkEvents {
 public:
  Listener(std::shared_ptr<Seen> seen, session::Link& link, bool echo)
      : seen_(std::move(seen)), link_(link), echo_(echo) {
    const std::lock_guard lock(seen_->mutex);
    seen_->link = &link;
  }
  ~Listener() override {
    const std::lock_guard lock(seen_->mutex);
    seen_->link = nullptr;
    ++seen_->destroyed;
  }
  void on_frame(bool binary, std::string_view bytes) override {
    {
      const std::lock_guard lock(seen_->mutex);
      seen_->frames.emplace_back(binary, bytes);
    }
    if (echo_) link_.send(std::make_shared<const session::Frame>(session::Frame{binary, std::string(bytes)}));
  }
  void on_drained() override {
    const std::lock_guard lock(seen_->mutex);
    ++seen_->drained;
  }
  void on_closed(bool clean) override {
    const std::lock_guard lock(seen_->mutex);
    ++seen_->closed;
    seen_->clean = clean;
  }

 private:
  std::shared_ptr<Seen> seen_;
  session::Link& link_;
  bool echo_;
};

/// Routes: any path answers its own request as text, except those a test puts into `routes`.
class TestApi final : public api::Handler {
 public:
  std::function<Result<api::RouteLimits>(const api::Request&)> on_admit;
  std::map<std::string, std::function<api::Outcome(api::Request)>> routes;
  std::atomic<int> handled{0};

  Result<api::RouteLimits> admit(const api::Request& head) override {
    if (on_admit) return on_admit(head);
    return api::RouteLimits{64u << 10};
  }
  api::Outcome handle(api::Request request) override {
    ++handled;
    const auto route = routes.find(request.path);
    if (route != routes.end()) return route->second(std::move(request));
    api::Response response;
    response.headers = {{"Content-Type", "text/plain"}};
    response.body = request.method + " " + request.path + "?" + request.query + " " + request.body;
    return response;
  }
};

/// A door on a free port with WebSockets at /ws (echo) and a stream at /events.
class DoorTest : public ::testing::Test {
 protected:
  FrontDoorOptions options;
  TestApi api;
  Loop loop{"reactor"};
  std::unique_ptr<FrontDoor> door;
  std::uint16_t port = 0;
  std::shared_ptr<Seen> seen = std::make_shared<Seen>();
  bool echo = true;
  std::size_t max_message = 1u << 20;

  DoorTest() {
    options.port = 0;
    api.routes["/ws"] = [this](api::Request) { return upgrade(api::Upgrade::Kind::websocket); };
    api.routes["/events"] = [this](api::Request) { return upgrade(api::Upgrade::Kind::stream); };
  }
  ~DoorTest() override {
    if (door) door->stop();
    door.reset();
    loop.stop();
  }

  api::Outcome upgrade(api::Upgrade::Kind kind) {
    auto upgrade = std::make_unique<api::Upgrade>();
    upgrade->kind = kind;
    upgrade->loop = &loop;
    upgrade->subprotocol = kind == api::Upgrade::Kind::websocket ? "lectern.v1" : "";
    upgrade->content_type = "text/event-stream";
    upgrade->max_message = max_message;
    upgrade->connected = [this](session::Link& link) -> std::unique_ptr<session::LinkEvents> {
      return std::make_unique<Listener>(seen, link, echo);
    };
    return upgrade;
  }

  void open_door() {
    door = std::make_unique<FrontDoor>(options, api);
    const auto bound = door->start();
    ASSERT_TRUE(bound) << bound.error().message;
    port = *bound;
  }

  /// One request on a connection of its own, answered and closed.
  HttpAnswer ask(std::string_view request) {
    RawClient client(port);
    client.send(request);
    return read_answer(client);
  }

  RawClient open_websocket(std::string_view extra = {}) {
    RawClient client(port);
    client.send(upgrade_request("/ws", extra));
    const auto head = client.take_until("\r\n\r\n");
    EXPECT_TRUE(head.starts_with("HTTP/1.1 101 ")) << head;
    return client;
  }

  /// Runs on the reactor with the link of the only connection.
  void with_link(std::function<void(session::Link&)> work) {
    ASSERT_TRUE(eventually([&] { return seen->read(&Seen::link) != nullptr; }));
    loop.post([this, work = std::move(work)] {
      if (auto* link = seen->read(&Seen::link)) work(*link);
    });
  }
};

}  // namespace lectern::net::testing
