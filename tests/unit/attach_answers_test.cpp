// What a failed dial says, what viewers are told of the other host's answers, and where this host does not dial.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <string>

#include "attach/answers.hpp"
#include "attach/dial.hpp"
#include "base/json.hpp"

namespace lectern::attach {
namespace {

Error why(int status, std::string code) {
  return {status, std::move(code), "it said so", "", ""};
}

TEST(DialError, WhoWasReachedIsHeardBeforeWhoWasNot) {
  const Tried silent{"10.0.0.1:1", {0, "unreachable", "10.0.0.1:1: no answer", "", ""}};
  const auto none = dial_error("Desk", {silent});
  EXPECT_EQ(none.status, 504);
  EXPECT_EQ(none.code, "remote_unreachable");
  EXPECT_NE(none.message.find("10.0.0.1:1: no answer"), std::string::npos);
  const auto refused = dial_error("Desk", {silent, {"10.0.0.2:1", why(401, "unauthorized")}});
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.code, "not_paired");
  const auto details = json::parse(refused.details);
  ASSERT_TRUE(details);
  EXPECT_EQ(details->find("endpoints")->as_array()->size(), 2U) << "each endpoint is named, whoever decided";
  EXPECT_EQ(dial_error("Desk", {{"a", why(403, "scope")}}).code, "scope");
  EXPECT_EQ(dial_error("Desk", {{"a", why(403, "may_not_dial")}}).code, "remote_unreachable") << "nobody was asked";
  EXPECT_EQ(dial_error("Desk", {{"a", why(404, "session_not_found")}}).code, "remote_session_not_found");
  EXPECT_EQ(dial_error("Desk", {{"a", why(401, "wrong_key")}}).code, "not_paired");
  EXPECT_EQ(dial_error("Desk", {{"a", why(500, "internal")}}).status, 502);
}

TEST(AnsweredJson, TellsWhatTheOtherHostSaidInItsWords) {
  const auto said = [](int status, std::string body) {
    return answered_json("Desk", HttpAnswer{status, {}, std::move(body)});
  };
  const auto made = said(201, R"({"session_id":"s"})");
  ASSERT_TRUE(made);
  EXPECT_EQ(*made->find("session_id")->as_string(), "s");
  const auto taken =
      said(409, R"({"error":{"code":"exists","message":"a.ipynb\u001b[31m is there","hint":"another name"}})");
  EXPECT_EQ(taken.error().status, 409);
  EXPECT_EQ(taken.error().code, "exists");
  EXPECT_EQ(taken.error().message, "'Desk' said: a.ipynb[31m is there");
  EXPECT_EQ(taken.error().hint, "another name");
  EXPECT_EQ(said(401, R"({"error":{"code":"unauthorized"}})").error().code, "not_paired");
  for (const auto& [status, body] : {std::pair(200, "<html>"), std::pair(302, "{}"), std::pair(999, "{}")}) {
    EXPECT_EQ(said(status, body).error().status, 502) << status;
    EXPECT_EQ(said(status, body).error().code, "remote_answer");
  }
  EXPECT_EQ(said(500, std::string(100'000, 'x')).error().status, 500);
  EXPECT_LE(said(500, R"({"error":{"message":")" + std::string(9'000, 'x') + "\"}}").error().message.size(), 500U);
  const auto silent = answered_json("Desk", fail(0, "unreachable", "no answer in time"));
  EXPECT_EQ(silent.error().code, "remote_unreachable");
  EXPECT_EQ(silent.error().hint.find("same id"), std::string::npos) << "a creation has none: " << silent.error().hint;
}

TEST(ForwardedResponse, HasWhatDescribesItsBodyAndNothingThatProvesOrSets) {
  HttpAnswer answer{200,
                    {{"content-type", "image/png"},
                     {"ETag", "\"x\""},
                     {"Set-Cookie", "a=b"},
                     {"Server", "s"},
                     {"x-content-type-options", "none"},
                     {"content-security-policy", "script-src *"}},
                    "body"};
  const auto out = forwarded_response("Desk", answer);
  EXPECT_EQ(out.status, 200);
  ASSERT_EQ(out.headers.size(), 4U);
  EXPECT_EQ(out.headers[2], (std::pair<std::string, std::string>{"X-Content-Type-Options", "nosniff"}));
  EXPECT_EQ(out.headers[3].first, "Content-Security-Policy") << "ours, once";
  EXPECT_TRUE(out.headers[3].second.starts_with("sandbox; default-src 'none'"));
  EXPECT_EQ(out.headers[0].second, "image/png");
  EXPECT_EQ(*out.shared_body, "body");
}

TEST(RequestTo, IsForThePieceThatIsAskedForAndNoMoreThanThat) {
  api::Forwarded asked;
  asked.method = "GET";
  asked.headers = {{"Range", "bytes=0-9"}};
  asked.scope = "interact";
  asked.deadline_ms = 7;
  asked.max_answer = 10;
  const auto request = request_to(asked, "Couch");
  EXPECT_EQ(request.max_body, 10U);
  EXPECT_EQ(request.timeout_ms, 7);
  EXPECT_EQ(request.headers,
            (Headers{{"Range", "bytes=0-9"}, {"Lectern-Scope", "interact"}, {"Lectern-Device-Name", "Couch"}}));
  const auto piece = forwarded_response("Desk", HttpAnswer{206, {{"content-range", "bytes 0-9/99"}}, "0123456789"});
  EXPECT_EQ(piece.status, 206);
  EXPECT_EQ(piece.headers.front().second, "bytes 0-9/99");
}

TEST(ForwardedResponse, OurOwnCredentialsFailureIsNotTheAskers) {
  const auto ours =
      forwarded_response("Desk", HttpAnswer{401, {}, R"({"error":{"code":"unauthorized","message":"m"}})"});
  EXPECT_EQ(ours.status, 401);
  EXPECT_NE(ours.body.find("not_paired"), std::string::npos);
  const auto askers =
      forwarded_response("Desk", HttpAnswer{401, {}, R"({"error":{"code":"client_unknown","message":"m"}})"});
  EXPECT_NE(askers.shared_body->find("client_unknown"), std::string::npos);
  const auto lost = forwarded_response("Desk", fail(0, "unreachable", "cut"));
  EXPECT_EQ(lost.status, 504);
}

TEST(Refusal, TellsAViewerWhatToDoNext) {
  EXPECT_EQ(refusal(why(401, "client_unknown")).first, 1008);
  EXPECT_EQ(refusal(why(404, "session_not_found")), (std::pair<std::uint16_t, std::string>{1000, "SESSION_ENDED"}));
  EXPECT_EQ(refusal(why(429, "too_many_channels")).first, 1013) << "come back later";
}

/// A socket that listens and never says a word.
class Silent {
 public:
  Silent() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&where), sizeof where), 0);
    EXPECT_EQ(::listen(fd_, 8), 0);
    socklen_t size = sizeof where;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&where), &size);
    port_ = ntohs(where.sin_port);
  }
  ~Silent() { ::close(fd_); }
  Silent(const Silent&) = delete;
  Silent& operator=(const Silent&) = delete;
  [[nodiscard]] Peer peer(const std::string& host = "127.0.0.1", const std::string& scheme = "ws") const {
    Peer out;
    out.endpoint = {scheme, host + ":" + std::to_string(port_), "loopback", {}, 0};
    out.same_machine = true;
    return out;
  }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

class DialTest : public ::testing::Test {
 protected:
  Error dial(std::vector<Peer> peers, DialTimes times) {
    std::promise<Error> said;
    std::shared_ptr<Dial> dial;
    loop.post([&] {
      dial = std::make_shared<Dial>(loop, cooling, "Desk", std::move(peers), Line::Settings{"/", "x", {}},
                                    Line::Handlers{}, times);
      dial->start([&](Result<std::shared_ptr<Line>> line) {
        said.set_value(line ? Error{200, "", "", "", ""} : line.error());
      });
    });
    auto future = said.get_future();
    auto error = future.get();
    std::promise<void> gone;
    loop.post([&] {
      dial.reset();
      gone.set_value();
    });
    gone.get_future().wait();
    return error;
  }
  std::string message_of(const Error& error, std::size_t index) {
    const auto details = json::parse(error.details);
    return *(*details->find("endpoints")->as_array())[index].find("error")->as_string();
  }

  Loop loop{"dial"};
  std::shared_ptr<Cooling> cooling = std::make_shared<Cooling>();
};

TEST_F(DialTest, EndsInTimeWhateverThePeersKeepFromSaying) {
  const Silent one, two;
  const auto begun = std::chrono::steady_clock::now();
  const auto error = dial({one.peer(), two.peer()}, {.total_ms = 150, .stagger_ms = 20});
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(150));
  EXPECT_EQ(error.code, "remote_unreachable");
  EXPECT_NE(message_of(error, 0).find("no answer"), std::string::npos);
  EXPECT_NE(message_of(error, 1).find("no answer"), std::string::npos) << "the second was not held up by the first";
  const auto again = dial({one.peer()}, {.total_ms = 150, .stagger_ms = 20});
  EXPECT_NE(message_of(again, 0).find("failed a moment ago"), std::string::npos) << "it cools down";
}

TEST_F(DialTest, DoesNotDialWhereARecordMayNotLead) {
  const Silent there;
  auto far = there.peer("localhost");
  far.same_machine = false;
  EXPECT_NE(message_of(dial({far}, {.total_ms = 2'000}), 0).find("does not dial"), std::string::npos)
      << "a name that leads to loopback, from a record of another machine";
  auto metadata = there.peer("169.254.169.254", "wss");
  metadata.pin = std::string(64, 'a');
  EXPECT_NE(message_of(dial({metadata}, {.total_ms = 2'000}), 0).find("does not dial"), std::string::npos);
  EXPECT_NE(message_of(dial({there.peer("192.0.2.1")}, {.total_ms = 2'000}), 0).find("does not dial"),
            std::string::npos)
      << "plain ws is for loopback alone";
  EXPECT_EQ(dial({there.peer("127.0.0.1", "wss")}, {.total_ms = 2'000}).code, "not_paired") << "no pin, no TLS";
}

}  // namespace
}  // namespace lectern::attach
