#include "base/loop.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <future>
#include <thread>
#include <vector>

#include "base/workers.hpp"

using lectern::Loop;
using lectern::Timer;

TEST(Loop, RunsTasksInOrderAndTurnEndAfterThem) {
  Loop loop("test");
  std::promise<std::vector<int>> done;
  auto seen = std::make_shared<std::vector<int>>();
  loop.post([&loop, &done, seen] {
    loop.at_turn_end([&done, seen] {
      seen->push_back(3);
      done.set_value(*seen);
    });
    seen->push_back(1);
    loop.post([seen] { seen->push_back(2); });
  });
  EXPECT_EQ(done.get_future().get(), (std::vector<int>{1, 2, 3}));
}

TEST(Loop, EachOfManyWhoPostIsHeardInItsOwnOrder) {
  constexpr int posters = 4, each = 5'000;
  std::vector<int> next(posters, 0);
  int wrong = 0, all = 0;
  std::promise<void> done;
  {
    Loop loop("test");
    std::vector<std::thread> threads;
    for (int who = 0; who < posters; ++who) {
      threads.emplace_back([&, who] {
        for (int i = 0; i < each; ++i) {
          loop.post([&, who, i] {
            if (next[static_cast<std::size_t>(who)]++ != i) ++wrong;
            // As often from the loop itself: neither may wait for the other.
            loop.post([&] {
              if (++all == posters * each) done.set_value();
            });
          });
        }
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  }
  EXPECT_EQ(wrong, 0);
}

TEST(Loop, WhatItPostsItselfComesAfterWhatOthersPostedBefore) {
  Loop loop("test");
  std::promise<std::vector<int>> done;
  std::vector<int> seen;
  loop.post([&] {
    std::thread([&] { loop.post([&] { seen.push_back(1); }); }).join();
    loop.post([&] {
      seen.push_back(2);
      done.set_value(seen);
    });
  });
  EXPECT_EQ(done.get_future().get(), (std::vector<int>{1, 2}));
}

TEST(Loop, TasksThatDoNotRunAnyMoreEndWithItAndMayPost) {
  std::promise<void> running, stopping;
  auto stop = stopping.get_future().share();
  int ended = 0, ran = 0;
  struct PostsAtItsEnd {
    Loop* loop;
    int* ended;
    PostsAtItsEnd(Loop* to, int* count) : loop(to), ended(count) {}
    ~PostsAtItsEnd() {
      ++*ended;
      loop->post([] {});
    }
  };
  {
    Loop loop("test");
    loop.post([&] {
      running.set_value();
      stop.wait();
    });
    running.get_future().wait();
    for (int i = 0; i < 3; ++i) {
      loop.post([&ran, end = std::make_unique<PostsAtItsEnd>(&loop, &ended)] { ++ran; });
    }
    std::thread ends([&] { loop.stop(); });
    // stop() is told to the context before it waits for the thread, which waits for this.
    while (!loop.context().stopped()) std::this_thread::yield();
    stopping.set_value();
    ends.join();
    loop.post([&ran] { ++ran; });
  }
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(ended, 3);
}

TEST(Loop, CancelledTimerNeverRuns) {
  Loop loop("test");
  std::promise<bool> done;
  bool wrong = false;
  std::unique_ptr<Timer> first, second;
  loop.post([&] {
    first = std::make_unique<Timer>(loop);
    second = std::make_unique<Timer>(loop);
    first->start(std::chrono::milliseconds(0), [&] { wrong = true; });
    first->cancel();
    second->start(std::chrono::milliseconds(5), [&] {
      first.reset();
      done.set_value(wrong);
    });
  });
  EXPECT_FALSE(done.get_future().get());
  std::promise<void> cleared;
  loop.post([&] {
    second.reset();
    cleared.set_value();
  });
  cleared.get_future().get();
}

TEST(Workers, DestroyWhatComesAfterTheirEnd) {
  lectern::Workers workers(2);
  std::atomic<int> count{0};
  workers.submit([&] { ++count; });
  workers.stop();
  EXPECT_EQ(count, 1);
  auto held = std::make_shared<int>(0);
  workers.submit([&count, held] { ++count; });
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(count, 1);
}

TEST(Workers, RunWhatIsQueuedBeforeTheEnd) {
  std::atomic<int> count{0};
  {
    lectern::Workers workers(2);
    for (int i = 0; i < 100; ++i) workers.submit([&] { ++count; });
  }
  EXPECT_EQ(count, 100);
}
