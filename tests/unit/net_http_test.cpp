// HTTP on real sockets: what is answered, what is refused before its body, and that a refusal is always an answer.
#include <gmock/gmock.h>

#include <algorithm>

#include "net_support.hpp"

namespace lectern::net::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Http : public DoorTest {};

TEST_F(Http, AnswersARequestAndKeepsTheConnection) {
  open_door();
  RawClient client(port);
  client.send("GET /a%20b?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  auto answer = read_answer(client);
  EXPECT_EQ(200, answer.status);
  EXPECT_EQ("GET /a b?x=1 ", answer.body);
  EXPECT_THAT(answer.head, HasSubstr("Connection: keep-alive"));
  client.send("POST /second HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ("POST /second? hello", read_answer(client).body);
}

TEST_F(Http, AnswersPipelinedRequestsInOrder) {
  open_door();
  RawClient client(port);
  client.send(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /3 "
      "HTTP/1.1\r\nHost: "
      "a\r\nConnection: close\r\n\r\n");
  EXPECT_EQ("GET /1? ", read_answer(client).body);
  EXPECT_EQ("POST /2? hi", read_answer(client).body);
  EXPECT_EQ("GET /3? ", read_answer(client).body);
  RawClient::Got ended{};
  EXPECT_EQ("", client.take_all(&ended));
  EXPECT_EQ(RawClient::Got::end, ended);
}

TEST_F(Http, HeadHasTheLengthAndNoBody) {
  open_door();
  RawClient client(port);
  client.send("HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const auto all = client.take_all();
  EXPECT_THAT(all, HasSubstr("Content-Length: 9\r\n"));
  EXPECT_TRUE(all.ends_with("\r\n\r\n"));
}

TEST_F(Http, HeadOfAnEventStreamIsItsHeadAndJoinsNothing) {
  open_door();
  RawClient client(port);
  client.send("HEAD /events HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto all = client.take_all();
  EXPECT_THAT(all, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"));
  EXPECT_TRUE(all.ends_with("\r\n\r\n"));
  EXPECT_EQ(0, door->figures().links);
}

// RFC 9112 6.3: without either header there is no body. `curl -X POST` sends neither. What comes after it may be a body
// all the same, so none of that is taken for a request.
TEST_F(Http, APostThatSaysNoLengthHasNoBodyAndNothingAfterIt) {
  open_door();
  for (const std::string method : {"POST", "PUT", "PATCH"}) {
    RawClient client(port);
    client.send(method + " /first HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto all = client.take_all();  // so the connection is closed
    EXPECT_TRUE(all.ends_with("\r\n\r\n" + method + " /first? ")) << all;
    EXPECT_EQ(411, ask(method + " /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n").status);
  }
}

TEST_F(Http, ATargetInTheAbsoluteFormSaysWhoseItIs) {
  const auto say_host = [](const api::Request& request) -> api::Outcome {
    api::Response response;
    response.body = *request.header("Host");
    return response;
  };
  api.routes["/"] = api.routes["/x"] = say_host;
  open_door();
  for (const std::string target : {"http://evil.example:1/x?y=1", "http://evil.example:1", "http://evil.example:1?y"}) {
    EXPECT_EQ("evil.example:1", ask("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n").body);
    EXPECT_EQ("evil.example:1", ask("GET " + target + " HTTP/1.0\r\n\r\n").body);
  }
}

TEST_F(Http, ReadsAChunkedBody) {
  open_door();
  const auto answer = ask(
      "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nWiki\r\n6\r\npedia \r\n0\r\nTrailer: "
      "x\r\n\r\n");
  EXPECT_EQ("POST /c? Wikipedia ", answer.body);
  EXPECT_THAT(answer.head, HasSubstr("Connection: close"));
}

TEST_F(Http, SendsContinueOnlyWhenTheBodyIsWanted) {
  open_door();
  RawClient wanted(port);
  wanted.send("POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ("HTTP/1.1 100 Continue\r\n\r\n", wanted.take_until("\r\n\r\n"));
  wanted.send("abc");
  EXPECT_EQ("POST /e? abc", read_answer(wanted).body);

  RawClient unwanted(port);
  unwanted.send("POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(413, read_answer(unwanted).status);
  EXPECT_EQ(417, ask("POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: the-unexpected\r\n\r\nabc").status);
}

struct Refused {
  const char* name;
  std::string request;
  int status;
  const char* code;
};
void PrintTo(const Refused& refused, std::ostream* out) {
  *out << refused.name;
}

class Refuses : public DoorTest, public ::testing::WithParamInterface<Refused> {};

TEST_P(Refuses, WithTheOneErrorBodyAndAFin) {
  open_door();
  RawClient client(port);
  client.send(GetParam().request);
  const auto answer = read_answer(client);
  EXPECT_EQ(GetParam().status, answer.status) << answer.head << answer.body;
  EXPECT_THAT(answer.body, StartsWith("{\"error\":{\"code\":\"" + std::string(GetParam().code) + "\",\"message\":\""));
  EXPECT_THAT(answer.head, HasSubstr("Connection: close\r\n"));
  RawClient::Got ended{};
  EXPECT_EQ("", client.take_all(&ended));
  EXPECT_EQ(RawClient::Got::end, ended) << "never a reset";
  EXPECT_EQ(0, api.handled);
}

std::string with(std::string_view headers, std::string_view body = "abcde",
                 std::string_view line = "POST /x HTTP/1.1") {
  return std::string(line) + "\r\nHost: a\r\n" + std::string(headers) + "\r\n" + std::string(body);
}

INSTANTIATE_TEST_SUITE_P(
    Http, Refuses,
    ::testing::Values(
        Refused{"LengthAndChunked", with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400,
                "bad_request"},
        Refused{"TwoLengths", with("Content-Length: 5\r\nContent-Length: 6\r\n"), 400, "bad_request"},
        Refused{"TwoEqualLengths", with("Content-Length: 5\r\ncontent-length: 5\r\n"), 400, "bad_request"},
        Refused{"NegativeLength", with("Content-Length: -5\r\n"), 400, "bad_request"},
        Refused{"SignedLength", with("Content-Length: +5\r\n"), 400, "bad_request"},
        Refused{"WordLength", with("Content-Length: five\r\n"), 400, "bad_request"},
        Refused{"ListLength", with("Content-Length: 5, 5\r\n"), 400, "bad_request"},
        Refused{"HugeLength", with("Content-Length: 99999999999999999999999\r\n"), 400, "bad_request"},
        Refused{"EmptyLength", with("Content-Length:\r\n"), 400, "bad_request"},
        Refused{"NoLength", with("", "{}"), 411, "length_required"},
        Refused{"PutNoLength", with("", "{}", "PUT /x HTTP/1.1"), 411, "length_required"},
        Refused{"TooLarge", with("Content-Length: 65537\r\n"), 413, "too_large"},
        Refused{"UnknownCoding", with("Transfer-Encoding: gzip, chunked\r\n"), 501, "unsupported_transfer_encoding"},
        Refused{"TwoCodings", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), 400,
                "bad_request"},
        Refused{"OldChunked", with("Transfer-Encoding: chunked\r\n", "0\r\n\r\n", "POST /x HTTP/1.0"), 400,
                "bad_request"},
        Refused{"BlankBeforeColon", with("Content-Length : 5\r\n"), 400, "bad_request"},
        Refused{"FoldedLine", with("X: 1\r\n Content-Length: 5\r\n"), 400, "bad_request"},
        Refused{"NoColon", with("Nonsense\r\n"), 400, "bad_request"},
        Refused{"BareLineFeeds", "GET /x HTTP/1.1\nHost: a\n\n", 400, "bad_request"},
        Refused{"OneBareLineFeed", "GET /x HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400, "bad_request"},
        Refused{"NoHost", "GET /x HTTP/1.1\r\n\r\n", 400, "bad_request"},
        Refused{"TwoHosts", with("Host: b\r\nContent-Length: 5\r\n"), 400, "bad_request"},
        Refused{"Version", with("", "", "GET /x HTTP/2.0"), 505, "http_version"},
        Refused{"NoVersion", "GET /x\r\nHost: a\r\n\r\n", 505, "http_version"},
        Refused{"NotHttp", "\x16\x03\x01\x02hello\r\n\r\n", 400, "bad_request"},
        Refused{"BadEscape", with("", "", "GET /%zz HTTP/1.1"), 400, "bad_request"},
        Refused{"NulEscape", with("", "", "GET /%00 HTTP/1.1"), 400, "bad_request"},
        Refused{"BadUtf8", with("", "", "GET /%ff HTTP/1.1"), 400, "bad_request"},
        Refused{"LongUri", with("", "", "GET /" + std::string(17000, 'x') + " HTTP/1.1"), 414, "uri_too_long"},
        Refused{"EndlessUri", "GET /" + std::string(70000, 'x'), 414, "uri_too_long"},
        Refused{"LongHeader", with("X: " + std::string(9000, 'x') + "\r\n", "", "GET /x HTTP/1.1"), 431,
                "headers_too_large"},
        Refused{"ManyHeaders",
                with(
                    [] {
                      std::string many;
                      for (int i = 0; i < 101; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
                      return many;
                    }(),
                    "", "GET /x HTTP/1.1"),
                431, "headers_too_large"},
        Refused{"EndlessHeaders",
                "GET /x HTTP/1.1\r\n" +
                    [] {
                      std::string many;
                      for (int i = 0; i < 20; ++i) many += "X: " + std::string(8000, 'y') + "\r\n";
                      return many;
                    }(),
                431, "headers_too_large"},
        Refused{"BadChunkSize", with("Transfer-Encoding: chunked\r\n", "zz\r\n"), 400, "bad_chunk"},
        Refused{"NegativeChunkSize", with("Transfer-Encoding: chunked\r\n", "-1\r\n"), 400, "bad_chunk"},
        Refused{"LongChunk", with("Transfer-Encoding: chunked\r\n", "2\r\nabc\r\n0\r\n\r\n"), 400, "bad_chunk"},
        Refused{"EndlessChunkLine", with("Transfer-Encoding: chunked\r\n", "1;" + std::string(5000, 'x')), 400,
                "bad_chunk"},
        Refused{"HugeChunk", with("Transfer-Encoding: chunked\r\n", "ffffffffffffffff\r\n"), 413, "too_large"},
        Refused{
            "ManyChunks",
            with("Transfer-Encoding: chunked\r\n", "ffff\r\n" + std::string(0xffff, 'x') + "\r\n2\r\nab\r\n0\r\n\r\n"),
            413, "too_large"}),
    [](const auto& param) { return std::string(param.param.name); });

TEST_F(Http, AdmissionRefusesBeforeTheBodyIsRead) {
  api.on_admit = [](const api::Request& head) -> Result<api::RouteLimits> {
    EXPECT_EQ("", head.body);
    EXPECT_EQ("127.0.0.1", head.peer);
    EXPECT_TRUE(head.loopback_peer);
    EXPECT_FALSE(head.secure);
    return fail(401, "unauthorized", "no token");
  };
  open_door();
  const auto answer = ask("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
  EXPECT_EQ(401, answer.status);
  EXPECT_EQ(0, api.handled);
}

TEST_F(Http, ARefusedUploadStillSeesItsAnswer) {
  open_door();
  RawClient client(port);
  client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n");
  client.send(std::string(1000000, 'x'));
  EXPECT_EQ(413, read_answer(client).status);
}

TEST_F(Http, ATruncatedHeadIsNotARequest) {
  open_door();
  RawClient client(port);
  client.send("DELETE /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bea");
  client.half_close();
  EXPECT_EQ("", client.take_all());
  EXPECT_EQ(0, api.handled);
}

TEST_F(Http, ATruncatedChunkedBodyIsNotARequest) {
  open_door();
  RawClient client(port);
  client.send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWi");
  client.half_close();
  EXPECT_EQ(400, read_answer(client).status);
  EXPECT_EQ(0, api.handled);
}

TEST_F(Http, AHalfClosedClientGetsItsAnswer) {
  open_door();
  RawClient client(port);
  client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  client.half_close();
  EXPECT_EQ(200, read_answer(client).status);
}

TEST_F(Http, ASlowHeadGets408HoweverItDrips) {
  options.limits.head = 300ms;
  open_door();
  RawClient client(port);
  std::atomic<bool> done{false};
  std::thread drip([&] {
    for (const char c :
         std::string("GET /slow HTTP/1.1\r\nHost: a\r\nX-Slow: 1234567890123456789012345678901234567890")) {
      if (done || !client.send(std::string(1, c))) break;
      ::poll(nullptr, 0, 20);
    }
  });
  EXPECT_EQ(408, read_answer(client).status);
  done = true;
  drip.join();
}

TEST_F(Http, ASlowBodyGets408) {
  options.limits.body = 200ms;
  open_door();
  EXPECT_EQ(408, ask("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").status);
}

TEST_F(Http, AnIdleConnectionEndsWithoutAWord) {
  options.limits.keep_alive = 50ms;
  open_door();
  RawClient client(port);
  client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(200, read_answer(client).status);
  RawClient::Got ended{};
  EXPECT_EQ("", client.take_all(&ended));
  EXPECT_EQ(RawClient::Got::end, ended);
}

TEST_F(Http, SaysHowLongAnIdleConnectionMayBeUsedAgain) {
  options.limits.keep_alive = 4s;
  options.limits.workers = 2;
  open_door();
  RawClient first(port);
  first.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(read_answer(first).head, HasSubstr("Keep-Alive: timeout=3\r\n")) << "less than the host waits";
  RawClient second(port);  // the last worker: it is not given away to a connection that may be silent
  second.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto answer = read_answer(second);
  EXPECT_THAT(answer.head, HasSubstr("Connection: close"));
  EXPECT_THAT(answer.head, Not(HasSubstr("Keep-Alive:")));
}

TEST_F(Http, ALargeBodyIsSharedAndArrivesWhole) {
  const auto blob = std::make_shared<const std::string>(20u << 20, 'b');
  api.routes["/blob"] = [&](api::Request) -> api::Outcome {
    api::Response response;
    response.shared_body = blob;
    return response;
  };
  open_door();
  const auto answer = ask("GET /blob HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(200, answer.status);
  EXPECT_TRUE(answer.body == *blob);
  EXPECT_TRUE(eventually([&] { return door->figures().detached_answers == 0; }));
}

TEST_F(Http, AHandlersHeadersCannotSplitTheResponse) {
  api.routes["/split"] = [](api::Request) -> api::Outcome {
    api::Response response;
    response.headers = {{"X-Bad", "1\r\nSet-Cookie: evil=1"}, {"Content-Length", "999"}, {"X-Good", "yes"}};
    return response;
  };
  open_door();
  const auto answer = ask("GET /split HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(answer.head, HasSubstr("X-Good: yes"));
  EXPECT_THAT(answer.head, Not(HasSubstr("evil")));
  EXPECT_THAT(answer.head, Not(HasSubstr("999")));
}

TEST_F(Http, AHandlerThatThrowsIsA500) {
  api.routes["/throw"] = [](api::Request) -> api::Outcome { throw std::runtime_error("on purpose"); };
  open_door();
  const auto answer = ask("GET /throw HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(500, answer.status);
  EXPECT_THAT(answer.body, HasSubstr("\"internal\""));
  EXPECT_EQ(200, ask("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").status);
}

TEST_F(Http, DrainingAnswers503WithRetryAfter) {
  open_door();
  RawClient open(port);
  open.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(200, read_answer(open).status);
  door->drain();
  open.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(503, read_answer(open).status);
  const auto answer = ask("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(503, answer.status);
  EXPECT_THAT(answer.head, HasSubstr("Retry-After: "));
  EXPECT_THAT(answer.body, HasSubstr("\"draining\""));
}

TEST_F(Http, AFullHouseAnswers503NotAReset) {
  options.limits.workers = 1;
  options.limits.waiting = 2;
  open_door();
  std::mutex gate;
  gate.lock();
  api.routes["/block"] = [&](api::Request) -> api::Outcome {
    const std::lock_guard wait(gate);
    return api::Response{};
  };
  std::vector<RawClient> clients;
  clients.emplace_back(port);
  clients.back().send("GET /block HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return api.handled == 1; }));
  for (int i = 0; i < 2; ++i) clients.emplace_back(port);
  ASSERT_TRUE(eventually([&] { return door->figures().waiting == 2; }));
  RawClient refused(port);
  refused.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto answer = read_answer(refused);
  EXPECT_EQ(503, answer.status);
  EXPECT_THAT(answer.body, HasSubstr("\"busy\""));
  RawClient::Got ended{};
  EXPECT_EQ("", refused.take_all(&ended));
  EXPECT_EQ(RawClient::Got::end, ended);
  gate.unlock();
  EXPECT_EQ(200, read_answer(clients[0]).status);
}

TEST_F(Http, AGreedyAddressGets429) {
  options.limits.workers = 1;
  options.limits.per_local_peer = 2;
  open_door();
  RawClient first(port), second(port);
  ASSERT_TRUE(eventually([&] { return door->figures().workers_busy + door->figures().waiting == 2; }));
  RawClient third(port);
  third.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(429, read_answer(third).status);
  EXPECT_EQ(1u, door->figures().refused);
  first.close();
  second.close();
  ASSERT_TRUE(eventually([&] { return door->figures().workers_busy + door->figures().waiting == 0; }));
  EXPECT_EQ(200, ask("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").status);
}

TEST_F(Http, ManyConnectionsAtOnceAreAllAnswered) {
  open_door();
  std::vector<RawClient> clients;
  for (int i = 0; i < 300; ++i) clients.emplace_back(port);
  for (auto& client : clients) client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  for (auto& client : clients) EXPECT_EQ(200, read_answer(client, 20s).status);
}

TEST_F(Http, StopWakesEveryWaitingWorker) {
  options.limits.head = 60s;
  options.limits.keep_alive = 60s;
  open_door();
  RawClient silent(port), half(port);
  half.send("GET /x HT");
  ASSERT_TRUE(eventually([&] { return door->figures().workers_busy == 2; }));
  const auto before = clock::now_ms();
  door->stop();
  EXPECT_LT(clock::now_ms() - before, 30'000);
  EXPECT_EQ("", silent.take_all());
  EXPECT_THAT(half.take_all(), StartsWith("HTTP/1.1 503 "));
}

TEST_F(Http, ATakenPortIsPassedOverUnlessItWasAskedFor) {
  open_door();
  FrontDoorOptions second;
  second.port = port;
  FrontDoor other(second, api);
  const auto bound = other.start();
  ASSERT_TRUE(bound) << bound.error().message;
  EXPECT_GT(*bound, port);
  EXPECT_LE(*bound, port + 49);
  second.exact_port = true;
  FrontDoor exact(second, api);
  const auto refused = exact.start();
  ASSERT_FALSE(refused);
  EXPECT_EQ("port_taken", refused.error().code);
  EXPECT_THAT(refused.error().message, HasSubstr(std::to_string(port)));
}

TEST_F(Http, ABadAddressOrCertificateSaysSo) {
  FrontDoorOptions bad;
  bad.bind = "nowhere";
  EXPECT_EQ("bad_bind", FrontDoor(bad, api).start().error().code);
  FrontDoorOptions tls;
  tls.port = 0;
  tls.tls_certificate = tls.tls_key = "/nonexistent.pem";
  EXPECT_EQ("bad_tls", FrontDoor(tls, api).start().error().code);
}

}  // namespace
}  // namespace lectern::net::testing
