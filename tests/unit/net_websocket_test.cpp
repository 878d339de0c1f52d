// WebSockets on real sockets: the handshake, RFC 6455 and those who break it, queues, heartbeats, the ends of
// connections.
#include <gmock/gmock.h>

#include "net_support.hpp"

namespace lectern::net::testing {
namespace {

using ::testing::HasSubstr;

session::FramePtr text_frame(std::string text) {
  return std::make_shared<const session::Frame>(session::Frame{false, std::move(text)});
}

class WebSocket : public DoorTest {};

TEST_F(WebSocket, AnswersTheHandshakeOfTheRfc) {
  open_door();
  RawClient client(port);
  client.send(upgrade_request());
  const auto head = client.take_until("\r\n\r\n");
  EXPECT_THAT(head, HasSubstr("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_THAT(head, HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  EXPECT_THAT(head, HasSubstr("Sec-WebSocket-Protocol: lectern.v1\r\n"));
}

TEST_F(WebSocket, EchoesTextAndBinaryOfEveryLengthForm) {
  open_door();
  auto client = open_websocket();
  for (const std::size_t size : {0, 1, 125, 126, 65535, 65536, 1000000}) {
    for (const int opcode : {1, 2}) {
      client.send(client_frame(opcode, std::string(size, 'x')));
      const auto frame = read_frame(client);
      EXPECT_EQ(opcode, frame.opcode);
      EXPECT_TRUE(frame.fin);
      EXPECT_TRUE(frame.payload == std::string(size, 'x')) << size;
    }
  }
}

TEST_F(WebSocket, BytesSentWithTheHandshakeAreNotLost) {
  open_door();
  RawClient client(port);
  client.send(upgrade_request() + client_frame(1, "early") + client_frame(1, std::string(5000, 'e')).substr(0, 2000));
  client.take_until("\r\n\r\n");
  EXPECT_EQ("early", read_frame(client).payload);
  client.send(client_frame(1, std::string(5000, 'e')).substr(2000));
  EXPECT_EQ(5000u, read_frame(client).payload.size());
}

TEST_F(WebSocket, FramesMayArriveByteByByte) {
  open_door();
  auto client = open_websocket();
  for (const char c : client_frame(1, "drip") + client_frame(9, "p")) client.send(std::string(1, c));
  EXPECT_EQ("drip", read_frame(client).payload);
  const auto pong = read_frame(client);
  EXPECT_EQ(10, pong.opcode);
  EXPECT_EQ("p", pong.payload);
}

TEST_F(WebSocket, FragmentsBecomeOneMessageWithControlFramesBetween) {
  open_door();
  auto client = open_websocket();
  client.send(client_frame(1, "Hel", false) + client_frame(9, "ping") + client_frame(0, "l", false) +
              client_frame(0, "o"));
  EXPECT_EQ(10, read_frame(client).opcode);
  EXPECT_EQ("Hello", read_frame(client).payload);
}

struct Handshake {
  const char* name;
  std::string request;
  int status;
};
void PrintTo(const Handshake& handshake, std::ostream* out) {
  *out << handshake.name;
}
class RefusesHandshake : public DoorTest, public ::testing::WithParamInterface<Handshake> {};

TEST_P(RefusesHandshake, WithAnHttpError) {
  open_door();
  RawClient client(port);
  client.send(GetParam().request);
  const auto answer = read_answer(client);
  EXPECT_EQ(GetParam().status, answer.status) << answer.head;
  EXPECT_THAT(answer.body, HasSubstr("\"error\""));
  if (answer.status == 426) {
    EXPECT_THAT(answer.head, HasSubstr("Sec-WebSocket-Version: 13"));
  }
  EXPECT_EQ(nullptr, seen->read(&Seen::link));
}

std::string changed(std::string_view from, std::string_view to) {
  auto request = upgrade_request();
  const auto at = request.find(from);
  return at == std::string::npos ? request : request.replace(at, from.size(), to);
}

INSTANTIATE_TEST_SUITE_P(
    WebSocket, RefusesHandshake,
    ::testing::Values(
        Handshake{"Post", changed("GET /ws HTTP/1.1\r\n", "POST /ws HTTP/1.1\r\nContent-Length: 0\r\n"), 405},
        Handshake{"Http10", changed("HTTP/1.1", "HTTP/1.0"), 400},
        Handshake{"NoUpgrade", changed("Upgrade: websocket\r\n", ""), 400},
        Handshake{"OtherUpgrade", changed("websocket", "h2c"), 400},
        Handshake{"NoConnection", changed("keep-alive, Upgrade", "keep-alive"), 400},
        Handshake{"OldVersion", changed("Version: 13", "Version: 8"), 426},
        Handshake{"NoVersion", changed("Sec-WebSocket-Version: 13\r\n", ""), 426},
        Handshake{"ShortKey", changed("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), 400},
        Handshake{"BadKey", changed("dGhlIHNhbXBsZSBub25jZQ==", "!!!"), 400},
        Handshake{"TwoKeys",
                  changed("Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nUpgrade: websocket"),
                  400},
        Handshake{"NotOffered", changed("lectern.v1", "lectern.v9"), 400},
        Handshake{"Body", changed("Upgrade: websocket", "Content-Length: 2\r\nUpgrade: websocket") + "hi", 400}),
    [](const auto& param) { return std::string(param.param.name); });

struct Violation {
  const char* name;
  std::string bytes;
  int code;
};
void PrintTo(const Violation& violation, std::ostream* out) {
  *out << violation.name;
}
class Violates : public DoorTest, public ::testing::WithParamInterface<Violation> {};

TEST_P(Violates, GetsACloseFrameWithTheReasonAndAFin) {
  open_door();
  auto client = open_websocket();
  // Unread bytes behind the violation are what would turn the close into a reset.
  client.send(GetParam().bytes + std::string(3000, 'z'));
  Frame frame;
  do {
    frame = read_frame(client);
  } while (frame.opcode == 1 || frame.opcode == 2);
  EXPECT_EQ(8, frame.opcode);
  EXPECT_EQ(GetParam().code, frame.close_code());
  RawClient::Got ended{};
  EXPECT_EQ("", client.take_all(&ended));
  EXPECT_EQ(RawClient::Got::end, ended);
  ASSERT_TRUE(eventually([&] { return seen->read(&Seen::destroyed) == 1; }));
  EXPECT_EQ(1, seen->read(&Seen::closed));
  EXPECT_FALSE(seen->read(&Seen::clean));
}

INSTANTIATE_TEST_SUITE_P(
    WebSocket, Violates,
    ::testing::Values(
        Violation{"Unmasked", client_frame(1, "hi", true, false), 1002},
        Violation{"ReservedBit1", client_frame(1, "hi", true, true, 4), 1002},
        Violation{"ReservedBit3", client_frame(1, "hi", true, true, 1), 1002},
        Violation{"ReservedOpcode", client_frame(3, "hi"), 1002},
        Violation{"ReservedControlOpcode", client_frame(11, "hi"), 1002},
        Violation{"FragmentedPing", client_frame(9, "hi", false), 1002},
        Violation{"LongPing", client_frame(9, std::string(126, 'p')), 1002},
        Violation{"ContinuationOfNothing", client_frame(0, "hi"), 1002},
        Violation{"MessageInsideMessage", client_frame(1, "a", false) + client_frame(1, "b"), 1002},
        Violation{"BadUtf8", client_frame(1, "\xc3\x28"), 1007},
        Violation{"Surrogate", client_frame(1, "\xed\xa0\x80"), 1007},
        Violation{"CutUtf8", client_frame(1, "\xe2\x82"), 1007},
        Violation{"BadUtf8AcrossFragments", client_frame(1, "\xe2\x82", false) + client_frame(0, "x"), 1007},
        Violation{"TooLarge", client_frame(2, std::string((1u << 20) + 1, 'x')), 1009},
        Violation{"TooLargeInFragments",
                  client_frame(2, std::string(600000, 'x'), false) + client_frame(0, std::string(600000, 'x')), 1009},
        Violation{"HugeLength", std::string("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", 14), 1009},
        Violation{"CloseOfOneByte", client_frame(8, "x"), 1002},
        Violation{"ReservedCloseCode", client_frame(8, close_payload(1005)), 1002},
        Violation{"CloseCodeOutOfRange", client_frame(8, close_payload(999)), 1002},
        Violation{"BadUtf8InClose", client_frame(8, close_payload(1000, "\xff")), 1002}),
    [](const auto& param) { return std::string(param.param.name); });

TEST_F(WebSocket, ACloseOfThePeerIsEchoedAndClean) {
  open_door();
  auto client = open_websocket();
  client.send(client_frame(8, close_payload(1001)));
  const auto frame = read_frame(client);
  EXPECT_EQ(8, frame.opcode);
  EXPECT_EQ(1001, frame.close_code());
  RawClient::Got ended{};
  client.take_all(&ended);
  EXPECT_EQ(RawClient::Got::end, ended);
  ASSERT_TRUE(eventually([&] { return seen->read(&Seen::destroyed) == 1; }));
  EXPECT_EQ(1, seen->read(&Seen::closed));
  EXPECT_TRUE(seen->read(&Seen::clean));
  EXPECT_TRUE(eventually([&] { return door->figures().links == 0; }));
}

TEST_F(WebSocket, NeitherAFinNorAResetIsClean) {
  open_door();
  {
    auto client = open_websocket();
    client.close();
    ASSERT_TRUE(eventually([&] { return seen->read(&Seen::closed) == 1; }));
    EXPECT_FALSE(seen->read(&Seen::clean)) << "no close frame came";
  }
  auto client = open_websocket();
  client.reset();
  ASSERT_TRUE(eventually([&] { return seen->read(&Seen::closed) == 2; }));
  EXPECT_FALSE(seen->read(&Seen::clean));
  EXPECT_TRUE(eventually([&] { return seen->read(&Seen::destroyed) == 2; }));
}

TEST_F(WebSocket, ClosingSendsWhatIsQueuedFirst) {
  open_door();
  auto client = open_websocket();
  with_link([](session::Link& link) {
    for (int i = 0; i < 100; ++i) link.send(text_frame(std::string(10000, 'q')));
    EXPECT_GE(link.queued_bytes(), 1000000u);
    link.close(4001, "REPLACED");
    link.send(text_frame("too late"));
  });
  for (int i = 0; i < 100; ++i) EXPECT_EQ(10000u, read_frame(client).payload.size());
  const auto frame = read_frame(client);
  EXPECT_EQ(8, frame.opcode);
  EXPECT_EQ(4001, frame.close_code());
  EXPECT_EQ("REPLACED", frame.payload.substr(2));
  EXPECT_EQ(0, seen->read(&Seen::closed)) << "the peer has not answered yet";
  client.send(client_frame(8, close_payload(4001)));
  RawClient::Got ended{};
  EXPECT_EQ("", client.take_all(&ended)) << "one close frame only";
  EXPECT_EQ(RawClient::Got::end, ended);
  ASSERT_TRUE(eventually([&] { return seen->read(&Seen::closed) == 1; }));
  EXPECT_TRUE(seen->read(&Seen::clean));
}

TEST_F(WebSocket, APeerThatNeverAnswersACloseIsCut) {
  options.limits.link_close = 100ms;
  open_door();
  auto client = open_websocket();
  with_link([](session::Link& link) { link.close(1000, "EXPIRED"); });
  EXPECT_EQ(8, read_frame(client).opcode);
  ASSERT_TRUE(eventually([&] { return seen->read(&Seen::destroyed) == 1; }));
  EXPECT_FALSE(seen->read(&Seen::clean));
}

TEST_F(WebSocket, APeerThatTakesNothingIsCut) {
  options.limits.link_close = 200ms;
  open_door();
  auto client = open_websocket();
  with_link([](session::Link& link) {
    for (int i = 0; i < 40; ++i) link.send(text_frame(std::string(1u << 20, 'q')));
    link.close(1013, "TOO_SLOW");
  });
  ASSERT_TRUE(eventually([&] { return seen->read(&Seen::destroyed) == 1; }));
  EXPECT_TRUE(eventually([&] { return door->figures().links == 0; }));
}

TEST_F(WebSocket, ALongReasonIsCutAtACharacter) {
  open_door();
  auto client = open_websocket();
  with_link([](session::Link& link) {
    std::string reason(122, 'r');
    link.close(1000, reason + "\xc3\xa9");
  });
  const auto frame = read_frame(client);
  EXPECT_EQ(8, frame.opcode);
  EXPECT_EQ(2 + 122u, frame.payload.size());
}

TEST_F(WebSocket, DrainedIsToldAfterAFullQueueHasEmptied) {
  open_door();
  auto client = open_websocket();
  std::atomic<std::size_t> queued{0};
  with_link([&](session::Link& link) {
    link.send(text_frame("small"));
    for (int i = 0; i < 20; ++i) link.send(text_frame(std::string(1u << 20, 'd')));
    queued = link.queued_bytes();
  });
  ASSERT_TRUE(eventually([&] { return queued > (20u << 20); }));
  EXPECT_EQ(0, seen->read(&Seen::drained));
  EXPECT_EQ("small", read_frame(client).payload);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(1u << 20, read_frame(client).payload.size());
  EXPECT_TRUE(eventually([&] { return seen->read(&Seen::drained) == 1; }));
}

TEST_F(WebSocket, PingsAQuietPeerAndLosesASilentOne) {
  options.limits.link_ping = 300ms;
  options.limits.link_silence = 3000ms;
  open_door();
  auto client = open_websocket();
  for (int i = 0; i < 12; ++i) {  // answered, so it lives past the silence allowed
    const auto frame = read_frame(client);
    ASSERT_EQ(9, frame.opcode);
    client.send(client_frame(10, frame.payload));
  }
  EXPECT_EQ(0, seen->read(&Seen::closed));
  ASSERT_TRUE(eventually([&] { return seen->read(&Seen::closed) == 1; }));
  EXPECT_FALSE(seen->read(&Seen::clean));
  EXPECT_TRUE(eventually([&] { return seen->read(&Seen::destroyed) == 1; }));
}

TEST_F(WebSocket, AFloodOfPingsWithoutReadingIsNotBufferedForEver) {
  open_door();
  auto client = open_websocket();
  const auto flood = [] {
    std::string pings;
    for (int i = 0; i < 500; ++i) pings += client_frame(9, std::string(125, 'p'));
    return pings;
  }();
  // The pongs fill our socket, then the link stops reading, then the client's own socket is full.
  const timeval impatient{0, 300000};
  ::setsockopt(client.fd(), SOL_SOCKET, SO_SNDTIMEO, &impatient, sizeof impatient);
  std::size_t sent = 0;
  while (sent < (64u << 20) && client.send(flood)) sent += flood.size();
  EXPECT_LT(sent, 64u << 20);
  std::atomic<std::size_t> queued{1u << 30};
  with_link([&](session::Link& link) { queued = link.queued_bytes(); });
  ASSERT_TRUE(eventually([&] { return queued != 1u << 30; }));
  EXPECT_LT(queued, 64u << 10);
  client.reset();
  EXPECT_TRUE(eventually([&] { return door->figures().links == 0; }));
}

TEST_F(WebSocket, AListenerThatIsRefusedClosesTheLink) {
  api.routes["/ws"] = [this](api::Request) {
    auto outcome = upgrade(api::Upgrade::Kind::websocket);
    std::get<std::unique_ptr<api::Upgrade>>(outcome)->connected = [](session::Link& link) {
      link.close(1008, "UNAUTHORIZED");
      return std::unique_ptr<session::LinkEvents>();
    };
    return outcome;
  };
  open_door();
  auto client = open_websocket();
  const auto frame = read_frame(client);
  EXPECT_EQ(1008, frame.close_code());
  client.send(client_frame(8, close_payload(1008)));
  EXPECT_EQ("", client.take_all());
  EXPECT_TRUE(eventually([&] { return door->figures().links == 0; }));
}

TEST_F(WebSocket, StopClosesEveryLinkWithShutdown) {
  open_door();
  std::vector<RawClient> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(open_websocket());
  std::thread stopping([&] { door->stop(); });
  for (auto& client : clients) {
    const auto frame = read_frame(client);
    EXPECT_EQ(1000, frame.close_code());
    EXPECT_EQ("SHUTDOWN", frame.payload.substr(2));
    client.send(client_frame(8, close_payload(1000)));
  }
  stopping.join();
  EXPECT_EQ(0u, door->figures().links);
  EXPECT_EQ(20, seen->read(&Seen::destroyed));
  EXPECT_TRUE(seen->read(&Seen::clean));
}

TEST_F(WebSocket, OneFrameReachesAThousand) {
  echo = false;
  std::mutex mutex;
  std::vector<session::Link*> links;
  api.routes["/ws"] = [&](api::Request) {
    auto outcome = upgrade(api::Upgrade::Kind::websocket);
    std::get<std::unique_ptr<api::Upgrade>>(outcome)->connected = [&](session::Link& link) {
      const std::lock_guard lock(mutex);
      links.push_back(&link);
      return std::make_unique<Listener>(seen, link, false);
    };
    return outcome;
  };
  open_door();
  std::vector<RawClient> clients;
  for (int i = 0; i < 1000; ++i) {
    clients.emplace_back(port);
    clients.back().send(upgrade_request());
  }
  for (auto& client : clients) ASSERT_THAT(client.take_until("\r\n\r\n"), HasSubstr(" 101 "));
  ASSERT_TRUE(eventually([&] { return door->figures().links == 1000; }));
  loop.post([&] {
    const std::lock_guard lock(mutex);
    for (int event = 0; event < 3; ++event) {
      const auto frame = text_frame("event " + std::to_string(event));
      for (auto* link : links) link->send(frame);
    }
  });
  for (auto& client : clients) {
    for (int event = 0; event < 3; ++event) EXPECT_EQ("event " + std::to_string(event), read_frame(client).payload);
  }
  clients.clear();
  EXPECT_TRUE(eventually([&] { return door->figures().links == 0; }));
  EXPECT_EQ(1000, seen->read(&Seen::destroyed));
}

class Stream : public DoorTest {};

TEST_F(Stream, SendsTheHeadThenFramesAsTheyAre) {
  open_door();
  RawClient client(port);
  client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto head = client.take_until("\r\n\r\n");
  EXPECT_THAT(head, HasSubstr("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(head, HasSubstr("Content-Type: text/event-stream\r\n"));
  EXPECT_THAT(head, HasSubstr("Cache-Control: no-store\r\n"));
  EXPECT_EQ(std::string::npos, head.find("Content-Length"));
  with_link([](session::Link& link) {
    link.send(text_frame("data: 1\n\n"));
    link.send(text_frame("data: 2\n\n"));
  });
  EXPECT_EQ("data: 1\n\ndata: 2\n\n", client.take(18));
  with_link([](session::Link& link) {
    link.send(text_frame("data: last\n\n"));
    link.close(1000, "SESSION_ENDED");
  });
  RawClient::Got ended{};
  EXPECT_EQ("data: last\n\n", client.take_all(&ended));
  EXPECT_EQ(RawClient::Got::end, ended);
  ASSERT_TRUE(eventually([&] { return seen->read(&Seen::closed) == 1; }));
}

TEST_F(Stream, AClientThatLeavesIsNoticed) {
  open_door();
  RawClient client(port);
  client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
  client.take_until("\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return seen->read(&Seen::link) != nullptr; }));
  client.close();
  ASSERT_TRUE(eventually([&] { return seen->read(&Seen::destroyed) == 1; }));
  EXPECT_TRUE(seen->read(&Seen::clean));
  EXPECT_TRUE(eventually([&] { return door->figures().links == 0; }));
}

}  // namespace
}  // namespace lectern::net::testing
