// An event stream of another host's session, through the shared object: only the socket and the line are stood in for.
#include "relay/event_stream.hpp"

#include <gmock/gmock.h>

#include <condition_variable>
#include <future>
#include <mutex>

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
  explicit Viewer(std::vector<std::string>& told) : told_(told) {}
  void on_frame(bool, std::string_view) override { told_.emplace_back("frame"); }
  void on_drained() override { told_.emplace_back("drained"); }
  void on_closed(bool clean) override { told_.emplace_back(clean ? "closed cleanly" : "closed"); }

 private:
  std::vector<std::string>& told_;
};

class EventStreamTest : public net::testing::TransportTest {
 protected:
  EventStreamTest() : TransportTest("transport-sse") {}
  void TearDown() override {
    on_loop([this] { events.reset(); });
  }
  void on_loop(const std::function<void()>& work) {
    std::promise<void> done;
    loop.post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  void open(std::chrono::milliseconds keepalive = std::chrono::hours(1)) {
    on_loop([&] {
      EventStream::Options options;
      options.transport = transport;
      options.query_json = "{}";
      options.keepalive = keepalive;
      events = EventStream::open(loop, socket, std::move(options), [this](session::Link& made) {
        link = &made;
        return std::make_unique<Viewer>(told);
      });
    });
    ASSERT_TRUE(events);
  }
  void say(const std::string& text) { link->send(std::make_shared<const session::Frame>(session::Frame{false, text})); }
  static std::string event(int number) { return R"({"op":"x","seq":null,"data":)" + std::to_string(number) + "}"; }
  static std::string sent(int number) { return "data: " + event(number) + "\n\n"; }

  Loop loop{"stream"};
  Reader socket;
  std::vector<std::string> told;  // on the loop
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
