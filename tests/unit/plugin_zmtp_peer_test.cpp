// A line of runtime-jupyter against libzmq's sockets, which every kernel that counts has behind its ports, and against
// listeners that are none.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "../../plugins/jupyter-messages/clock.hpp"
#include "../../plugins/runtime-jupyter/watcher.hpp"
#include "../../plugins/runtime-jupyter/zmtp_peer.hpp"
#include "lectern/sdk/failure.hpp"

namespace jupyter::zmtp {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using Parts = std::vector<std::string>;

std::string message(const Parts& parts) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) append_part(out, parts[i], i + 1 < parts.size());
  return out;
}

/// A port of 127.0.0.1 below those that the system gives to outgoing connections, where nobody listens.
class Port {
 public:
  Port() {
    static int next = 20'000 + ::getpid() % 5'000;
    do {
      number = ++next;
    } while (!free());
  }
  int number = 0;
  [[nodiscard]] std::string address() const { return "tcp://127.0.0.1:" + std::to_string(number); }
  [[nodiscard]] int listen() const {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(number));
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && ::listen(fd, 8) == 0) return fd;
    ::close(fd);
    return -1;
  }

 private:
  [[nodiscard]] bool free() const {
    const int fd = listen();
    if (fd >= 0) ::close(fd);
    return fd >= 0;
  }
};

/// A peer, and who watches it.
class Line {
 public:
  explicit Line(int port, SocketType type = SocketType::dealer, std::string identity = {})
      : peer(watcher_, 1, 0, {port, type, std::move(identity)}) {}

  /// False when it does not become so within a minute.
  bool until(const std::function<bool()>& so) {
    for (const auto end = now_ms() + 60'000; now_ms() < end;) {
      if (so()) return true;
      turn(5);
    }
    return false;
  }
  void turn(int at_most_ms) {
    const auto left = peer.due_ms() == never ? at_most_ms : peer.due_ms() - now_ms();
    const bool ready = !watcher_.wait(static_cast<int>(std::clamp<std::int64_t>(left, 0, at_most_ms))).empty();
    if (ready || now_ms() >= peer.due_ms()) peer.serve(now_ms());
    while (const auto got = peer.next()) {
      auto& parts = heard.emplace_back();
      for (std::size_t i = 0; i < got->size(); ++i) parts.emplace_back(got->at(i));
    }
  }
  bool hears(std::size_t messages) {
    return until([&] { return heard.size() >= messages; });
  }

  std::vector<Parts> heard;

 private:
  Watcher watcher_;

 public:
  Peer peer;
};

/// A socket that listens. A thread of libzmq's closes its port some time; it is gone when this is.
class Bound {
 public:
  Bound(zmq::context_t& context, zmq::socket_type type, std::string address)
      : socket_(context, type), closed_(context, zmq::socket_type::pair), address_(std::move(address)) {
    static int monitors = 0;
    const auto monitor = "inproc://closed-" + std::to_string(++monitors);
    zmq_socket_monitor(socket_.handle(), monitor.c_str(), ZMQ_EVENT_CLOSED);
    closed_.set(zmq::sockopt::rcvtimeo, 60'000);
    closed_.connect(monitor);
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::sndhwm, 0);
    socket_.set(zmq::sockopt::rcvtimeo, 60'000);
    socket_.bind(address_);
  }
  ~Bound() {
    socket_.unbind(address_);
    zmq::message_t event;
    EXPECT_TRUE(closed_.recv(event)) << "the port was not closed";
    zmq_socket_monitor(socket_.handle(), nullptr, 0);
  }
  Bound(const Bound&) = delete;
  Bound& operator=(const Bound&) = delete;
  operator zmq::socket_t&() { return socket_; }

 private:
  zmq::socket_t socket_, closed_;
  std::string address_;
};

class ZmtpPeer : public ::testing::Test {
 protected:
  Bound bound(zmq::socket_type type) { return {context_, type, port_.address()}; }
  static Parts received(zmq::socket_t& socket) {
    Parts parts;
    for (zmq::message_t part;;) {
      if (!socket.recv(part)) return {"nothing came"};
      parts.push_back(part.to_string());
      if (!part.more()) return parts;
    }
  }
  static void say(zmq::socket_t& socket, const Parts& parts) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      socket.send(zmq::buffer(parts[i]), i + 1 < parts.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
    }
  }
  /// Something can be read from it, while the line goes on.
  static bool has(zmq::socket_t& socket, Line& line) {
    return line.until([&] {
      zmq::pollitem_t item{socket.handle(), 0, ZMQ_POLLIN, 0};
      return zmq::poll(&item, 1, std::chrono::milliseconds(0)) > 0;
    });
  }

  Port port_;
  zmq::context_t context_{1};
};

TEST_F(ZmtpPeer, WhatIsSaidBeforeAKernelListensReachesItInOrderUnderItsIdentity) {
  Line line(port_.number, SocketType::dealer, "session-1");
  for (int i = 0; i < 3; ++i) line.turn(20);  // refused meanwhile
  line.peer.send(message({"first", "", std::string(300, 'x')}));
  line.peer.send(message({"second"}));
  auto router = bound(zmq::socket_type::router);
  ASSERT_TRUE(has(router, line));
  EXPECT_THAT(received(router), ElementsAre("session-1", "first", "", std::string(300, 'x')));
  EXPECT_THAT(received(router), ElementsAre("session-1", "second"));
  line.peer.send(message({"at once"}));  // nobody turns: it is written here
  EXPECT_THAT(received(router), ElementsAre("session-1", "at once"));
  say(router, {"session-1", "answer", ""});
  ASSERT_TRUE(line.hears(1));
  EXPECT_THAT(line.heard[0], ElementsAre("answer", ""));
}

TEST_F(ZmtpPeer, ASubscriberHearsEverything) {
  auto publisher = bound(zmq::socket_type::xpub);
  Line line(port_.number, SocketType::sub);
  ASSERT_TRUE(has(publisher, line));
  EXPECT_THAT(received(publisher), ElementsAre("\x01"));
  for (int i = 0; i < 5'000; ++i) say(publisher, {"stream", std::to_string(i)});
  ASSERT_TRUE(line.hears(5'000));
  for (std::size_t i = 0; i < 5'000; ++i) ASSERT_THAT(line.heard[i], ElementsAre("stream", std::to_string(i)));
}

// A kernel drops what it publishes past its own buffers: ours are all there is while this side gets no processor.
TEST_F(ZmtpPeer, WhatIsPublishedWhileASubscriberDoesNotReadWaitsForIt) {
  std::size_t most = 0;
  std::ifstream("/proc/sys/net/core/rmem_max") >> most;
  zmq::socket_t publisher(context_, zmq::socket_type::xpub);
  publisher.set(zmq::sockopt::linger, 0);
  publisher.set(zmq::sockopt::sndhwm, 1);
  publisher.set(zmq::sockopt::sndbuf, 4'096);
  publisher.set(zmq::sockopt::xpub_nodrop, true);
  publisher.set(zmq::sockopt::rcvtimeo, 60'000);
  publisher.set(zmq::sockopt::sndtimeo, 1'000);
  publisher.bind(port_.address());
  Line line(port_.number, SocketType::sub);
  ASSERT_TRUE(has(publisher, line));
  EXPECT_THAT(received(publisher), ElementsAre("\x01"));
  const std::string print(1'000, '.');
  const auto enough = std::min<std::size_t>(most, std::size_t{4} << 20) * 3 / 4 / print.size();
  std::size_t taken = 0;
  while (taken < enough && publisher.send(zmq::buffer(print), zmq::send_flags::none)) ++taken;
  EXPECT_EQ(taken, enough) << "the system allows " << most << " bytes";
  EXPECT_TRUE(line.hears(taken));
}

TEST_F(ZmtpPeer, AHeartbeatIsEchoed) {
  auto echo = bound(zmq::socket_type::rep);
  Line line(port_.number);
  line.peer.send(message({"", "ping"}));
  ASSERT_TRUE(has(echo, line));
  say(echo, received(echo));
  ASSERT_TRUE(line.hears(1));
  EXPECT_THAT(line.heard[0], ElementsAre("", "ping"));
}

TEST_F(ZmtpPeer, LongMessagesGoBothWays) {
  auto router = bound(zmq::socket_type::router);
  Line line(port_.number, SocketType::dealer, "me");
  const std::string text(9u << 20, 'l');
  for (int i = 0; i < 3; ++i) line.peer.send(message({text, std::to_string(i)}));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(has(router, line));
    const auto got = received(router);
    ASSERT_THAT(got, SizeIs(3));
    EXPECT_TRUE(got[1] == text);
    EXPECT_EQ(got[2], std::to_string(i));
  }
  say(router, {"me", text, "end"});
  ASSERT_TRUE(line.hears(1));
  EXPECT_TRUE(line.heard[0][0] == text);
  EXPECT_EQ(line.heard[0][1], "end");
}

TEST_F(ZmtpPeer, AConnectionThatIsLostIsMadeAgainAndSubscribesAgain) {
  Line line(port_.number, SocketType::sub);
  for (int life = 0; life < 3; ++life) {
    auto publisher = bound(zmq::socket_type::xpub);
    ASSERT_TRUE(has(publisher, line));
    EXPECT_THAT(received(publisher), ElementsAre("\x01"));
    say(publisher, {"life", std::to_string(life)});
    ASSERT_TRUE(line.hears(static_cast<std::size_t>(life) + 1));
    EXPECT_THAT(line.heard.back(), ElementsAre("life", std::to_string(life)));
  }
}

TEST_F(ZmtpPeer, LibzmqsOwnPingsAreAnswered) {
  zmq::socket_t router(context_, zmq::socket_type::router);
  router.set(zmq::sockopt::linger, 0);
  router.set(zmq::sockopt::heartbeat_ivl, 20);
  router.set(zmq::sockopt::heartbeat_timeout, 20'000);
  zmq::socket_t events(context_, zmq::socket_type::pair);
  zmq_socket_monitor(router.handle(), "inproc://lost", ZMQ_EVENT_DISCONNECTED);
  events.connect("inproc://lost");
  router.bind(port_.address());
  Line line(port_.number, SocketType::dealer, "me");
  line.peer.send(message({"hello"}));
  ASSERT_TRUE(has(router, line));
  for (const auto end = now_ms() + 200; now_ms() < end;) line.turn(20);
  zmq::message_t lost;
  EXPECT_FALSE(events.recv(lost, zmq::recv_flags::dontwait)) << "who answers pings is kept";
  zmq_socket_monitor(router.handle(), nullptr, 0);
}

TEST_F(ZmtpPeer, WhoIsNoKernelIsLeftAndTriedAgain) {
  const int listener = port_.listen();
  ASSERT_GE(listener, 0);
  Line line(port_.number, SocketType::dealer, "me");
  line.peer.send(message({"kept"}));
  pollfd comes{listener, POLLIN, 0};
  ASSERT_EQ(::poll(&comes, 1, 30'000), 1);
  const int stranger = ::accept(listener, nullptr, nullptr);
  ASSERT_GE(stranger, 0);
  const std::string words = "HTTP/1.1 400 Bad Request\r\n\r\n";
  ASSERT_EQ(::send(stranger, words.data(), words.size(), MSG_NOSIGNAL), static_cast<ssize_t>(words.size()));
  // It is told nothing but our greeting.
  std::string got;
  ASSERT_TRUE(line.until([&] {
    std::array<char, 256> bytes{};
    const auto count = ::recv(stranger, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count > 0) got.append(bytes.data(), static_cast<std::size_t>(count));
    return count == 0 || (count < 0 && errno == ECONNRESET);
  }));
  EXPECT_TRUE(greeting().starts_with(got)) << got;
  ::close(stranger);
  ::close(listener);
  auto router = bound(zmq::socket_type::router);
  ASSERT_TRUE(has(router, line));
  EXPECT_THAT(received(router), ElementsAre("me", "kept"));
}

TEST_F(ZmtpPeer, WhatWaitsIsBounded) {
  Line line(port_.number);
  const auto half = message({std::string(Peer::most_waiting_bytes / 2 + 1, 'x')});
  line.peer.send(half);
  EXPECT_THROW(line.peer.send(half), lectern::sdk::Failure);
  line.peer.send(message({"small"}));
}

}  // namespace
}  // namespace jupyter::zmtp
