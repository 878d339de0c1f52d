#include "base/loop.hpp"

#include <gtest/gtest.h>

#include <future>
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

TEST(Workers, RunWhatIsQueuedBeforeTheEnd) {
  std::atomic<int> count{0};
  {
    lectern::Workers workers(2);
    for (int i = 0; i < 100; ++i) workers.submit([&] { ++count; });
  }
  EXPECT_EQ(count, 100);
}
