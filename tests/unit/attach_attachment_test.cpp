// An attachment and a host that does what a test wants: goes away, ends the session at an awkward moment, takes
// nothing.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "../support/on_loop.hpp"
#include "attach/attachment.hpp"
#include "attach/creation.hpp"
#include "base/clock.hpp"

namespace lectern::attach {
namespace {

constexpr std::chrono::seconds patience{30};

std::string websocket_accept(const std::string& key) {
  const auto text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, 20> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  std::array<unsigned char, 29> out{};
  EVP_EncodeBlock(out.data(), digest.data(), 20);
  return reinterpret_cast<const char*>(out.data());
}

/// One connection after the other; the line stays open and unread.
class OtherHost {
 public:
  OtherHost() : door_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(door_, reinterpret_cast<sockaddr*>(&where), sizeof where), 0);
    EXPECT_EQ(::listen(door_, 8), 0);
    socklen_t size = sizeof where;
    ::getsockname(door_, reinterpret_cast<sockaddr*>(&where), &size);
    port = ntohs(where.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~OtherHost() { go_away(); }
  OtherHost(const OtherHost&) = delete;
  OtherHost& operator=(const OtherHost&) = delete;

  void go_away() {
    if (!thread_.joinable()) return;
    ::shutdown(door_, SHUT_RDWR);
    thread_.join();
    ::close(door_);
    for (const int fd : {line_, held_}) {
      if (fd >= 0) ::close(fd);
    }
    line_ = held_ = -1;
  }
  /// Says goodbye on the line and waits until the other end is gone.
  void end_session() const {
    const std::string goodbye = "\x88\x0f\x03\xe8SESSION_ENDED";
    say(line_, goodbye);
    std::array<char, 256> bytes{};
    while (::recv(line_, bytes.data(), bytes.size(), 0) > 0) {
    }
  }
  void release(const std::string& body = "{}") { answer(std::exchange(held_, -1), body); }

  std::uint16_t port = 0;
  std::atomic<bool> ends_when_listed = false;
  std::atomic<int> lists = 0;
  std::promise<void> holds;

 private:
  static void say(int fd, const std::string& text) { (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL); }
  static void answer(int fd, const std::string& body) {
    say(fd,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    ::close(fd);
  }
  void serve() {
    for (int fd = -1; (fd = ::accept4(door_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
      std::string head;
      std::array<char, 4'096> bytes{};
      for (ssize_t got = 0; head.find("\r\n\r\n") == std::string::npos; head.append(bytes.data(), got)) {
        got = ::recv(fd, bytes.data(), bytes.size(), 0);
        if (got <= 0) break;
      }
      handle(fd, head);
    }
  }
  void handle(int fd, const std::string& head) {
    if (head.starts_with("GET /api/v1/sessions/s/relay ")) {
      const std::string name = "Sec-WebSocket-Key: ";
      const auto at = head.find(name) + name.size();
      say(fd,
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: " +
              std::string(relay::subprotocol) + "\r\nSec-WebSocket-Accept: " +
              websocket_accept(head.substr(at, head.find("\r\n", at) - at)) + "\r\n\r\n");
      if (line_ >= 0) ::close(line_);
      line_ = fd;
    } else if (head.starts_with("GET /api/v1/sessions/s ")) {
      answer(
          fd,
          R"({"protocol":"lectern.v1","notebook_id":"n","session_id":"s","path":"p","format":"ipynb","cell_count":0,)"
          R"("needs_trust_approval":false})");
    } else if (head.starts_with("GET /api/v1/sessions ")) {
      if (ends_when_listed) end_session();
      answer(fd, R"({"sessions":[]})");
      ++lists;
    } else if (head.empty()) {  // somebody looked who is here
      ::close(fd);
    } else {
      held_ = fd;
      holds.set_value();
    }
  }

  int door_, line_ = -1, held_ = -1;
  std::thread thread_;
};

class Socket final : public session::Link {
 public:
  void send(session::FramePtr) override {}
  [[nodiscard]] std::size_t queued_bytes() const override { return 0; }
  void close(std::uint16_t code, std::string) override { gone(code); }
  void cut() override { gone(1006); }
  void ping() override {}
  [[nodiscard]] bool alive_since(std::int64_t) const override { return true; }
  [[nodiscard]] std::uint16_t code() const { return code_; }

  std::promise<std::uint16_t> closed;
  std::unique_ptr<session::LinkEvents> events;

 private:
  void gone(std::uint16_t code) {
    if (std::exchange(code_, code) == 0) closed.set_value(code);
  }
  std::uint16_t code_ = 0;
};

class AttachmentTest : public ::testing::Test {
 protected:
  void TearDown() override {
    if (!attachment) return;
    std::promise<void> closed;
    attachment->close("SHUTDOWN", [&closed] { closed.set_value(); });
    closed.get_future().wait();
    on_loop([this] {
      attachment.reset();
      for (auto* one : {&first, &second}) one->events.reset();
    });
  }
  void on_loop(const std::function<void()>& work) { test::on_loop(loop, work); }
  /// `then` runs on the loop, in the turn in which it is attached.
  Result<json::Value> open(
      AttachmentTimes times, const std::function<void()>& then = [] {}) {
    auto home = std::make_shared<Attachment::Home>();
    home->find_access = [](const auto&, const auto&) { return std::optional<Access>(Access{"token", ""}); };
    home->workers = &workers;
    home->cooling = std::make_shared<Cooling>();
    home->device_name = "Couch";
    home->times = times;
    home->changed = [] {};
    home->ended = [this](const std::string&) { ended.set_value(); };
    presence::RemoteSession row;
    row.session_id = "s";
    row.device_name = "Desk";
    row.endpoints = std::make_shared<const std::vector<presence::Endpoint>>(
        std::vector<presence::Endpoint>{{"ws", "127.0.0.1:" + std::to_string(there.port), "loopback", {}, 0}});
    attachment = std::make_shared<Attachment>(loop, std::move(home), std::move(row));
    std::promise<Result<json::Value>> said;
    attachment->open([&](Result<json::Value> info) {
      if (info) then();
      said.set_value(std::move(info));
    });
    return said.get_future().get();
  }
  void join(Socket& socket) {
    session::ConnectRequest request;
    request.route = "connect";
    request.query_json = "{}";
    socket.events = attachment->connect(std::move(request), socket);
  }
  std::future<api::Response> ask(const std::string& target) {
    auto said = std::make_shared<std::promise<api::Response>>();
    api::Forwarded request;
    request.method = "GET";
    request.target = target;
    attachment->forward(std::move(request), [said](api::Response one) { said->set_value(std::move(one)); });
    return said->get_future();
  }
  bool has_ended(std::chrono::milliseconds within = patience) {
    if (!over.valid()) over = ended.get_future();
    return over.wait_for(within) == std::future_status::ready;
  }

  OtherHost there;
  Workers workers{1};
  std::promise<void> ended;
  std::future<void> over;
  Socket first, second;
  std::shared_ptr<Attachment> attachment;
  Loop loop{"attach"};
};

TEST_F(AttachmentTest, IsNotMadeOfASessionThatEndsMeanwhile) {
  there.ends_when_listed = true;
  const auto info = open({});
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().code, "gone");
}

TEST_F(AttachmentTest, IsGivenUpWhenTheOtherHostStaysAwayWhoeverWaits) {
  AttachmentTimes times;
  times.first_pause_ms = 20;
  times.longest_pause_ms = 40;
  times.gone_ms = 400;
  ASSERT_TRUE(open(times, [this] { join(first); }));
  there.go_away();
  ASSERT_EQ(first.closed.get_future().get(), 1006);
  on_loop([this] { join(second); });
  const auto said = ask("/x").get();
  EXPECT_EQ(said.status, 504);
  EXPECT_EQ(said.body.find("did not answer"), std::string::npos) << "said at once, nobody was asked: " << said.body;
  EXPECT_TRUE(has_ended());
  EXPECT_EQ(second.closed.get_future().get(), 1000);
}

TEST_F(AttachmentTest, LivesForProgramsThatOnlyAsk) {
  AttachmentTimes times;
  times.refresh_ms = 10;
  times.idle_ms = 1;
  std::future<api::Response> answer;
  auto asked = there.holds.get_future();
  ASSERT_TRUE(open(times, [&] { answer = ask("/hold"); }));
  ASSERT_EQ(asked.wait_for(patience), std::future_status::ready);
  const auto until = std::chrono::steady_clock::now() + patience;
  for (const int seen = there.lists; there.lists < seen + 3 && std::chrono::steady_clock::now() < until;) {
    if (has_ended(std::chrono::milliseconds(5))) break;
  }
  EXPECT_FALSE(has_ended(std::chrono::milliseconds(0))) << "while it is asked something";
  there.release();
  EXPECT_EQ(answer.get().status, 200);
  EXPECT_TRUE(has_ended()) << "and no longer";
}

TEST_F(AttachmentTest, AViewerThatFloodsTheLineGoesAloneAndInTime) {
  ASSERT_TRUE(open({}));
  on_loop([this] {
    join(first);
    join(second);
    const std::string flood(1u << 20, 'x');
    int sent = 0;
    for (; sent < 80 && first.code() == 0; ++sent) {
      second.events->on_frame(false, "small");
      first.events->on_frame(false, flood);
    }
    EXPECT_LT(sent, 40) << "long before the line is full";
    second.events->on_frame(false, "small");
  });
  EXPECT_EQ(first.code(), 1013);
  EXPECT_EQ(second.code(), 0) << "the other one stays";
  there.go_away();
}

class CreationTest : public ::testing::Test {
 protected:
  CreationTest() {
    auto home = std::make_shared<Attachment::Home>();
    home->find_access = [](const auto&, const auto&) { return std::optional<Access>(Access{"token", ""}); };
    home->workers = &workers;
    home->cooling = std::make_shared<Cooling>();
    home->device_name = "Couch";
    presence::RemoteSession host;
    host.device_name = "Desk";
    host.endpoints = std::make_shared<const std::vector<presence::Endpoint>>(
        std::vector<presence::Endpoint>{{"ws", "127.0.0.1:" + std::to_string(there.port), "loopback", {}, 0}});
    api::Forwarded request;
    request.method = "POST";
    request.target = "/api/v1/notebooks/create";
    creation = std::make_shared<Creation>(loop, std::move(home), std::move(host), std::move(request));
  }
  std::future<Result<std::string>> start() {
    auto said = std::make_shared<std::promise<Result<std::string>>>();
    creation->start([said](Result<std::string> id) { said->set_value(std::move(id)); });
    return said->get_future();
  }
  /// What comes of it when the other host answers that.
  Result<std::string> answered(const std::string& body) {
    auto said = start();
    there.holds.get_future().wait();
    there.release(body);
    return said.get();
  }

  OtherHost there;
  Loop loop{"attach"};
  Workers workers{1};
  std::shared_ptr<Creation> creation;
};

TEST_F(CreationTest, TakesAnIdAndNothingElse) {
  const auto id = answered(R"({"session_id":"../s?x"})");
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, "protocol_mismatch");
}

TEST_F(CreationTest, TakesWhatPresenceCallsAnId) {
  const auto id = answered(R"({"session_id":"a-B_0.9"})");
  ASSERT_TRUE(id);
  EXPECT_EQ(*id, "a-B_0.9");
}

TEST_F(CreationTest, ReadsNoEndlessAnswer) {
  const auto id = answered(R"({"session_id":"s","x":")" + std::string(2u << 20, 'x') + "\"}");
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, "remote_unreachable");
}

TEST_F(CreationTest, WhoAskedHearsThatItWasCancelled) {
  auto said = start();
  there.holds.get_future().wait();
  creation->cancel();
  const auto id = said.get();
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, "draining");
  EXPECT_FALSE(id.error().hint.empty()) << "it was asked";
  creation->cancel();
}

TEST_F(CreationTest, CancelledBeforeItStartsItAsksNobody) {
  creation->cancel();
  const auto id = start().get();
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, "draining");
  EXPECT_EQ(there.holds.get_future().wait_for(std::chrono::milliseconds(0)), std::future_status::timeout);
}

}  // namespace
}  // namespace lectern::attach
