// Answers that are not there at once: those that are deferred, and bodies that are made in pieces while they are sent.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/workers.hpp"
#include "net_support.hpp"

namespace lectern::net::testing {
namespace {

using ::testing::HasSubstr;

api::Deferred deferred(std::function<void(api::Respond)> start, int deadline_ms = 30'000) {
  api::Deferred answer;
  answer.start = [start = std::move(start)](api::Respond respond) { start(std::move(respond)); };
  answer.deadline_ms = deadline_ms;
  return answer;
}

class Late : public DoorTest {
 protected:
  Late() {
    options.limits.deferred_wait = 20ms;
    options.limits.workers = 2;
  }
  void route(int deadline_ms = 30'000) {
    api.routes["/late"] = [this, deadline_ms](api::Request) -> api::Outcome {
      return deferred(
          [this](api::Respond respond) {
            const std::lock_guard lock(mutex_);
            pending_.push_back(std::move(respond));
          },
          deadline_ms);
    };
  }
  bool detached(std::size_t count) {
    return eventually([&] {
      const std::lock_guard lock(mutex_);
      return pending_.size() == count && door->figures().workers_busy == 0;
    });
  }
  std::mutex mutex_;
  std::vector<api::Respond> pending_;
};

class Soon : public DoorTest {
 protected:
  Soon() { options.limits.deferred_wait = 60s; }
};

TEST_F(Soon, ADeferredAnswerThatComesAtOnceKeepsTheConnection) {
  api.routes["/soon"] = [&](api::Request) -> api::Outcome {
    return deferred([this](api::Respond respond) {
      loop.post([respond = std::move(respond)]() mutable { respond(api::json_response(200, "{}")); });
    });
  };
  open_door();
  RawClient client(port);
  for (int i = 0; i < 2; ++i) {
    client.send("GET /soon HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto answer = read_answer(client);
    EXPECT_EQ("{}", answer.body);
    EXPECT_THAT(answer.head, HasSubstr("Connection: keep-alive"));
  }
}

TEST_F(Late, ManyWaitWithoutAWorkerAndAreAnsweredLater) {
  route();
  open_door();
  std::vector<RawClient> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back(port);
    clients.back().send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  ASSERT_TRUE(detached(20));
  for (auto& respond : pending_) respond(api::json_response(201, "{\"late\":true}"));
  for (auto& client : clients) {
    const auto answer = read_answer(client);
    EXPECT_EQ(201, answer.status);
    EXPECT_EQ("{\"late\":true}", answer.body);
    EXPECT_THAT(answer.head, HasSubstr("Connection: close"));
    EXPECT_EQ("", client.take_all());
  }
}

TEST_F(Late, TheDeadlineAnswers504AndALaterAnswerIsDropped) {
  route(100);
  open_door();
  RawClient client(port);
  client.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto answer = read_answer(client);
  EXPECT_EQ(504, answer.status);
  EXPECT_THAT(answer.body, HasSubstr("\"outcome_unknown\""));
  pending_.at(0)(api::json_response(200, "{}"));
  EXPECT_EQ("", client.take_all());
}

TEST_F(Late, ARespondDroppedUnansweredIsA500) {
  api.routes["/lost"] = [](api::Request) -> api::Outcome { return deferred([](api::Respond) {}); };
  open_door();
  EXPECT_EQ(500, ask("GET /lost HTTP/1.1\r\nHost: a\r\n\r\n").status);
}

TEST_F(Late, ARespondMayOutliveTheDoor) {
  route();
  open_door();
  RawClient client(port);
  client.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(detached(1));
  door.reset();
  EXPECT_THAT(client.take_all(), HasSubstr("503"));
  pending_.at(0)(api::json_response(200, "{}"));
}

/// "0123456789012…", made by a worker; from `breaks_at` on nothing can be made any more.
class Digits final : public api::BodySource {
 public:
  Digits(Workers& workers, std::uint64_t size, std::uint64_t breaks_at = ~std::uint64_t{0})
      : workers_(workers), size_(size), breaks_at_(breaks_at) {}
  [[nodiscard]] std::uint64_t size() const override { return size_; }
  void next(UniqueFunction<void(std::string)> done) override {
    ++asked;
    const auto from = at_, count = std::min<std::uint64_t>(100'000, size_ - from);
    at_ += count;
    workers_.submit(
        [from, count = from >= breaks_at_ ? 0 : count, done = std::move(done)]() mutable { done(text(from, count)); });
  }
  static std::string text(std::uint64_t from, std::uint64_t count) {
    std::string out;
    for (auto at = from; at < from + count; ++at) out += static_cast<char>('0' + at % 10);
    return out;
  }
  std::atomic<int> asked{0};

 private:
  Workers& workers_;
  const std::uint64_t size_, breaks_at_;
  std::uint64_t at_ = 0;
};

class HttpPieces : public DoorTest {
 protected:
  /// Answers /pieces with `source`, after as long as a worker takes, or after no worker waits for it any more.
  void serve(std::shared_ptr<Digits> source, bool late) {
    if (late) options.limits.deferred_wait = 1ms;
    api.routes["/pieces"] = [this, source, late](api::Request) -> api::Outcome {
      return api::Deferred{[this, source, late](api::Respond respond) {
        makers_.submit([source, late, respond = std::move(respond)]() mutable {
          if (late) ::poll(nullptr, 0, 50);
          api::Response response;
          response.source = source;
          respond(std::move(response));
        });
      }};
    };
    open_door();
  }
  void TearDown() override { door.reset(); }  // before those who make pieces
  Workers makers_{1};
};

TEST_F(HttpPieces, ArriveWholeAndOneByOne) {
  for (const bool late : {false, true}) {
    const std::uint64_t size = 7'654'321;
    const auto source = std::make_shared<Digits>(makers_, size);
    serve(source, late);
    RawClient client(port);
    client.send("HEAD /pieces HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const auto head = client.take_all();
    EXPECT_THAT(head, HasSubstr("Content-Length: 7654321\r\n"));
    EXPECT_TRUE(head.ends_with("\r\n\r\n"));
    EXPECT_EQ(0, source->asked) << "who asks for the head alone has nothing made";
    const auto answer = ask("GET /pieces HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(200, answer.status);
    EXPECT_TRUE(answer.body == Digits::text(0, size)) << answer.body.size();
    EXPECT_EQ(77, source->asked);
    EXPECT_TRUE(eventually([&] { return door->figures().detached_answers == 0; }));
  }
}

TEST_F(HttpPieces, AreCutShortWhereNoMoreCanBeMade) {
  serve(std::make_shared<Digits>(makers_, 1'000'000, 300'000), false);
  RawClient client(port);
  client.send("GET /pieces HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(client.take_until("\r\n\r\n"), HasSubstr("Content-Length: 1000000\r\n"));
  EXPECT_EQ(Digits::text(0, 300'000), client.take_all()) << "and the end: the client knows that this is not all";
}

TEST_F(HttpPieces, AreMadeForNobodyWhoIsGoneOrTakesNone) {
  const auto source = std::make_shared<Digits>(makers_, std::uint64_t{1} << 40);
  serve(source, false);
  {
    RawClient client(port);
    client.send("GET /pieces HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(1'000u, client.take(1'000).size());
    client.reset();
  }
  EXPECT_TRUE(eventually([&] { return door->figures().detached_answers == 0; }));
  RawClient client(port);
  client.send("GET /pieces HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(1'000u, client.take(1'000).size());
  door->stop();  // in the middle
}

}  // namespace
}  // namespace lectern::net::testing
