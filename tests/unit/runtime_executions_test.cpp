// The queue of runs by itself: order, when the kernel gets a run, and what is told of it.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "runtime/executions.hpp"

namespace lectern::runtime {
namespace {

class QueueTest : public ::testing::Test {
 protected:
  QueueTest()
      : queue_({[this](const Execution& run) {
                  sent_.push_back(run.cell_id + "=" + run.code);
                  told_when_sent_.push_back(log_);
                  return answer_;
                },
                [this](const Execution& run, std::string_view reason) {
                  log_ += run.cell_id + ":" + std::string(run_status_name(run.status));
                  if (!reason.empty()) log_ += "(" + std::string(reason) + ")";
                  log_ += " ";
                }}) {}
  std::string take_log() { return std::exchange(log_, {}); }
  std::uint64_t running() { return queue_.running()->number; }
  std::vector<std::string> sent_, told_when_sent_;
  Status answer_;
  std::string log_;
  Executions queue_;
};

TEST_F(QueueTest, WaitsForTheKernelAndKeepsOrder) {
  (void)queue_.enqueue({{"a", "1"}, {"b", "2"}}, "me");
  EXPECT_TRUE(sent_.empty());
  queue_.set_ready(true);
  EXPECT_EQ(sent_, std::vector<std::string>{"a=1"});
  queue_.started(running(), 1);
  queue_.finished(running(), Finish::ok, "{}");
  EXPECT_EQ(sent_.back(), "b=2");
  queue_.finished(running(), Finish::ok, "{}");
  EXPECT_FALSE(queue_.busy());
  EXPECT_EQ(take_log(), "a:queued b:queued a:running a:running a:idle b:running b:idle ");
}

TEST_F(QueueTest, AFailureCancelsTheRestOfItsBatchOnly) {
  queue_.set_ready(true);
  (void)queue_.enqueue({{"a", "1"}, {"b", "2"}, {"c", "3"}}, "me");
  (void)queue_.enqueue({{"d", "4"}}, "you");
  take_log();
  queue_.finished(running(), Finish::error, "{}");
  EXPECT_EQ(take_log(), "a:error b:cancelled(a cell before it failed) c:cancelled(a cell before it failed) d:running ");
}

TEST_F(QueueTest, InterruptCancelsTheBatchAndLeavesTheRunningOneToTheKernel) {
  queue_.set_ready(true);
  (void)queue_.enqueue({{"a", "1"}, {"b", "2"}}, "me");
  (void)queue_.enqueue({{"c", "3"}}, "me");
  take_log();
  queue_.interrupt();
  EXPECT_EQ(take_log(), "b:cancelled(interrupted) ");
  ASSERT_NE(queue_.running(), nullptr);
  EXPECT_EQ(queue_.running()->cell_id, "a");
  queue_.finished(running(), Finish::error, "{}");
  EXPECT_EQ(queue_.running()->cell_id, "c");
}

TEST_F(QueueTest, AnEndEndsEverything) {
  queue_.set_ready(true);
  (void)queue_.enqueue({{"a", "1"}, {"b", "2"}}, "me");
  take_log();
  const auto old = running();
  queue_.set_ready(false);
  queue_.cancel_all("the kernel died");
  EXPECT_EQ(take_log(), "b:cancelled(the kernel died) a:error(the kernel died) ");
  queue_.finished(old, Finish::ok, "{}");
  EXPECT_EQ(take_log(), "") << "what the old kernel says of it is late";
  EXPECT_EQ(*queue_.cell_of(old), "a") << "late output still knows its cell";
}

TEST_F(QueueTest, ACellWaitsOnceWithItsNewestCode) {
  (void)queue_.enqueue({{"a", "old"}}, "me");
  const auto again = queue_.enqueue({{"a", "new"}, {"b", "2"}}, "me");
  ASSERT_EQ(again->size(), 2u);
  EXPECT_EQ(queue_.waiting().size(), 2u);
  EXPECT_EQ((*again)[0].id, queue_.waiting().front().id);
  queue_.set_ready(true);
  EXPECT_EQ(sent_.front(), "a=new");
}

TEST_F(QueueTest, ADeletedCellDoesNotRun) {
  queue_.set_ready(true);
  (void)queue_.enqueue({{"a", "1"}, {"b", "2"}, {"c", "3"}}, "me");
  queue_.cancel_cell("b", "the cell was deleted");
  queue_.finished(running(), Finish::ok, "{}");
  EXPECT_EQ(queue_.running()->cell_id, "c");
}

TEST_F(QueueTest, TooManyAreRefusedWhole) {
  std::vector<CellRun> many(Executions::max_waiting + 1, CellRun{"", "1"});
  const auto refused = queue_.enqueue(many, "me");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, "queue_full");
  EXPECT_FALSE(queue_.busy());
}

TEST_F(QueueTest, TheKernelBeginsBeforeAnybodyIsTold) {
  queue_.set_ready(true);
  (void)queue_.enqueue({{"a", "1"}, {"b", "2"}}, "me");
  EXPECT_EQ(told_when_sent_, std::vector<std::string>{""});
  EXPECT_EQ(take_log(), "a:queued b:queued a:running ");
  queue_.finished(running(), Finish::ok, "{}");
  EXPECT_EQ(told_when_sent_.back(), "a:idle ");
}

TEST_F(QueueTest, ARunThatCannotBeSentEndsWithAllThatWait) {
  queue_.set_ready(true);
  answer_ = fail(409, "no_kernel", "no kernel");
  EXPECT_TRUE(queue_.enqueue({{"a", "1"}, {"b", "2"}}, "me").has_value());
  EXPECT_EQ(take_log(), "a:queued b:queued a:running b:cancelled(no kernel) a:error(no kernel) ");
  EXPECT_FALSE(queue_.busy());
}

class OwnRunsTest : public QueueTest {
 protected:
  static constexpr std::uint64_t own = 1ull << 63;
  OwnRunsTest() {
    queue_.set_ready(true);
    (void)queue_.enqueue({{"a", "1"}}, "me");
    take_log();
  }
};

TEST_F(OwnRunsTest, AreRunsLikeAnyOtherBesideThoseThatWereAskedFor) {
  EXPECT_TRUE(queue_.announced(own + 1, "b"));
  EXPECT_TRUE(queue_.announced(own + 2, "c"));
  queue_.finished(running(), Finish::ok, "{}");
  EXPECT_TRUE(queue_.busy());
  queue_.started(own + 1, 7);
  EXPECT_EQ(*queue_.cell_of(own + 1), "b");
  queue_.finished(own + 1, Finish::error, "{}");
  queue_.finished(own + 2, Finish::aborted, "{}");
  EXPECT_EQ(take_log(), "b:queued c:queued a:idle b:running b:running b:error c:cancelled ");
  EXPECT_FALSE(queue_.busy());
  EXPECT_EQ(*queue_.cell_of(own + 1), "b") << "what it says after its end";
}

TEST_F(OwnRunsTest, OfACellThatWaitsOrRunsOrUnderANumberThatIsTakenAreRefused) {
  (void)queue_.enqueue({{"b", "2"}}, "me");
  EXPECT_FALSE(queue_.announced(own + 1, "a"));
  EXPECT_FALSE(queue_.announced(own + 1, "b"));
  EXPECT_TRUE(queue_.announced(own + 1, "c"));
  EXPECT_FALSE(queue_.announced(own + 2, "c"));
  EXPECT_FALSE(queue_.announced(own + 1, "d"));
  for (std::uint64_t n = 2; n <= Executions::max_waiting; ++n) (void)queue_.announced(own + n, std::to_string(n));
  EXPECT_FALSE(queue_.announced(own + Executions::max_waiting + 1, "one too many"));
}

TEST_F(OwnRunsTest, EndWithTheKernelAndWithTheirCells) {
  for (const auto* cell : {"b", "c", "d"}) (void)queue_.announced(own + static_cast<std::uint64_t>(*cell), cell);
  queue_.started(own + 'b', 1);
  take_log();
  queue_.cancel_cell("d", "the cell was deleted");
  queue_.cancel_all("the kernel died");
  EXPECT_EQ(take_log(),
            "d:cancelled(the cell was deleted) b:error(the kernel died) c:cancelled(the kernel died) "
            "a:error(the kernel died) ");
  EXPECT_FALSE(queue_.busy());
}

TEST(EndedRunsTest, TheLastAreKnownByTheirCells) {
  EndedRuns runs;
  const auto cell = [](std::uint64_t number) {
    return "cell-" + std::to_string(number % 7 == 0 ? number : number % 3);
  };
  constexpr std::uint64_t all = 3 * EndedRuns::remembered;
  for (std::uint64_t number = 1; number <= all; ++number) runs.add(number, cell(number));
  for (std::uint64_t number = 1; number <= all; ++number) {
    const auto* known = runs.cell_of(number);
    ASSERT_EQ(known != nullptr, number > all - EndedRuns::remembered) << number;
    if (known != nullptr) {
      EXPECT_EQ(*known, cell(number));
    }
  }
}

}  // namespace
}  // namespace lectern::runtime
