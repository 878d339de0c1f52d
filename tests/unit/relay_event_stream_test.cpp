// An event stream of another host's session, through the shared object: only the socket and the line are stood in for.
#include "relay/event_stream.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>

#include "../support/on_loop.hpp"
#include "net_transport_support.hpp"

namespace lectern::relay {
namespace {

constexpr std::chrono::seconds patience{30};

/// The reader's socket: takes what it is told to.
struct Reader final : session::Link {
  void send(session::FramePtr frame) override { say(frame->bytes); }
  [[nodiscard]] std::size_t queued_bytes() const override { return queued; }
  void close(std::uint16_t code, std::string reason) override { say(std::to_string(code) + ' ' + reason); }
  void cut() override { say("cut"); }
  void ping() override {}
  [[nodiscard]] bool alive_since(std::int64_t) const override { return true; }

  void say(std::string what) {
    const std::scoped_lock lock(mutex);
    said.push_back(std::move(what));
    changed.notify_all();
  }
  std::vector<std::string> until(std::size_t count) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, patience, [&] { return said.size() >= count; });
    return said;
  }

  std::atomic<std::size_t> queued = 0;

 private:
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> said;
};

/// What the viewer's side of the relay is told.
struct Viewer final : session::LinkEvents {
  Viewer(std::vector<std::string>& told, std::promise<void>& drained) : told_(told), drained_(drained) {}
  void on_frame(bool, std::string_view) override { told_.emplace_back("frame"); }
  void on_drained() override {
    if (std::find(told_.begin(), told_.end(), "drained") == told_.end()) drained_.set_value();
    told_.emplace_back("drained");
  }
  void on_closed(bool clean) override { told_.emplace_back(clean ? "closed cleanly" : "closed"); }

 private:
  std::vector<std::string>& told_;
  std::promise<void>& drained_;  // the first time
};

/// Goes last: a transport in a process of its own answers until it is gone, and its answers come here.
struct OwnLoop {
  Loop loop{"stream"};
};

class EventStreamTest : protected OwnLoop, public net::testing::TransportTest {
 protected:
  explicit EventStreamTest(std::string id = "transport-sse") : TransportTest(std::move(id)) {}
  void TearDown() override {
    on_loop([this] { events.reset(); });
  }
  void on_loop(const std::function<void()>& work) { test::on_loop(loop, work); }
  void open(std::chrono::milliseconds keepalive = std::chrono::hours(1)) {
    on_loop([&] { open_here(keepalive); });
    ASSERT_TRUE(events);
  }
  /// On the loop: what is said in the same turn waits for a transport's process.
  void open_here(std::chrono::milliseconds keepalive = std::chrono::hours(1), std::string query = "{}") {
    EventStream::Options options;
    options.transport = transport;
    options.query_json = std::move(query);
    options.keepalive = keepalive;
    events = EventStream::open(loop, socket, std::move(options), [this](session::Link& made) {
      link = &made;
      return std::make_unique<Viewer>(told, drained);
    });
  }
  /// Comes to nothing in an event stream.
  void say_sync() {
    link->send(std::make_shared<const session::Frame>(session::Frame{true, net::testing::binary_frame(1, "{}", "x")}));
  }
  void say(const std::string& text) { link->send(std::make_shared<const session::Frame>(session::Frame{false, text})); }
  static std::string event(int number) {
    return R"({"op":"x","seq":null,"data":{"n":)" + std::to_string(number) + "}}";
  }
  static std::string sent(int number) { return "data: " + event(number) + "\n\n"; }

  Reader socket;
  std::vector<std::string> told;  // on the loop
  std::promise<void> drained;     // told so
  session::Link* link = nullptr;
  std::unique_ptr<session::LinkEvents> events;
};

TEST_F(EventStreamTest, TellsInOrderAndEndsWhenAllIsTold) {
  open();
  std::vector<std::string> expected;
  for (int i = 0; i < 200; ++i) expected.push_back(sent(i));
  expected.emplace_back("1000 SESSION_ENDED");
  on_loop([this] {
    for (int i = 0; i < 200; ++i) say(event(i));
    link->close(1000, "SESSION_ENDED");
    say(event(1'000));
    link->close(1013, "TOO_SLOW");
  });
  EXPECT_EQ(socket.until(expected.size()), expected);
  on_loop([this] {
    events->on_closed(true);
    EXPECT_EQ(told.back(), "closed cleanly");
    events.reset();
  });
  EXPECT_EQ(std::count(told.begin(), told.end(), "closed cleanly"), 1);
  EXPECT_EQ(socket.until(0), expected) << "and nothing after it";
}

TEST_F(EventStreamTest, NobodyIsHeardOnIt) {
  open();
  on_loop([this] { events->on_frame(false, R"({"id":"1","command":"takeover"})"); });
  EXPECT_THAT(told, testing::IsEmpty());
}

TEST_F(EventStreamTest, WhatWaitsCountsUntilItHasLeft) {
  open();
  on_loop([this] {
    for (int i = 0; i < 100; ++i) say(event(i));
    if (transport->waits()) {
      EXPECT_GT(link->queued_bytes(), 0U) << "what is at the transport's process too";
      events->on_drained();
      EXPECT_THAT(told, testing::IsEmpty()) << "the socket alone has drained";
    }
    socket.queued = 70'000;
  });
  (void)socket.until(100);
  on_loop([this] {
    EXPECT_EQ(link->queued_bytes(), 70'000U);
    EXPECT_THAT(told, testing::IsEmpty()) << "the socket is full, and tells when it has drained";
    socket.queued = 0;
    events->on_drained();
    EXPECT_THAT(told, testing::ElementsAre("drained"));
  });
}

TEST_F(EventStreamTest, EndsWhenAllThatWaitedCameToNothing) {
  on_loop([this] {
    open_here();
    say_sync();
    say_sync();
    link->close(1000, "SESSION_ENDED");
  });
  EXPECT_THAT(socket.until(1), testing::ElementsAre("1000 SESSION_ENDED"));
}

TEST_F(EventStreamTest, HasDrainedWhenAllThatWaitedCameToNothing) {
  if (!transport->waits()) GTEST_SKIP() << "nothing waits here";
  on_loop([this] {
    open_here();
    say_sync();
    EXPECT_GT(link->queued_bytes(), 0U);
  });
  EXPECT_EQ(drained.get_future().wait_for(patience), std::future_status::ready);
  on_loop([this] { EXPECT_EQ(link->queued_bytes(), 0U); });
}

class EventStreamRefusedTest : public EventStreamTest {
 protected:
  EventStreamRefusedTest() : EventStreamTest("transport-websocket") {}
};

TEST_F(EventStreamRefusedTest, NothingWaitsAnyMore) {
  if (!transport->waits()) GTEST_SKIP() << "nothing waits here";
  on_loop([this] {
    open_here(std::chrono::hours(1), R"({"buffers":"none"})");
    say(event(1));
    EXPECT_GT(link->queued_bytes(), 0U);
  });
  EXPECT_THAT(socket.until(1), testing::ElementsAre("1011 INTERNAL"));
  on_loop([this] { EXPECT_EQ(link->queued_bytes(), 0U); });
}

TEST_F(EventStreamTest, IsKeptAliveWhileItIsQuiet) {
  open(std::chrono::milliseconds(5));
  for (const auto& text : socket.until(3)) EXPECT_EQ(text, ":\n\n");
}

TEST_F(EventStreamTest, IsCutWhenTheSessionSpeaksWrongly) {
  open();
  on_loop([this] {
    say(event(1));
    say("{}");
    say(event(2));
  });
  const auto all = socket.until(transport->waits() ? 1 : 2);
  EXPECT_EQ(std::count(all.begin(), all.end(), "cut"), 1);
  on_loop([this] { events.reset(); });
  EXPECT_THAT(told, testing::ElementsAre("closed")) << "also when nobody said so before";
  EXPECT_EQ(std::count_if(all.begin(), all.end(), [](const auto& one) { return one == sent(2); }), 0);
}

TEST_F(EventStreamTest, IsNoneWhenTheSessionIsGoneAlready) {
  on_loop([this] {
    EventStream::Options options;
    options.transport = transport;
    options.query_json = "{}";
    events = EventStream::open(loop, socket, std::move(options), [](session::Link& made) {
      made.close(1000, "SESSION_ENDED");
      return std::unique_ptr<session::LinkEvents>();
    });
    EXPECT_FALSE(events);
  });
  EXPECT_THAT(socket.until(1), testing::ElementsAre("1000 SESSION_ENDED"));
}

}  // namespace
}  // namespace lectern::relay
