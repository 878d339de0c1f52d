#include "session/idempotency.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace lectern::session::testing {
namespace {

TEST(IdempotencyTest, WhoeverWaitsForAnUndecidedAnswerGetsItAndALaterRetryRuns) {
  Idempotency replies;
  std::vector<int> got;
  const auto reply = [&got] {
    return Reply<CommandReply>(
        [&got](Result<CommandReply> answer) { got.push_back(answer ? answer->status : answer.error().status); });
  };
  auto first = reply(), retry = reply(), again = reply(), last = reply();
  EXPECT_TRUE(replies.begin("x", first));
  EXPECT_FALSE(replies.begin("x", retry));
  replies.settle("x", fail(503, "busy", "too much waits"));
  EXPECT_EQ(got, std::vector<int>{503});
  EXPECT_TRUE(replies.begin("x", again));
  replies.settle("x", fail(409, "stale_epoch", "not the sender's"));
  EXPECT_FALSE(replies.begin("x", last));
  EXPECT_EQ(got, (std::vector<int>{503, 409}));
}

/// What a command with this id gets that was sent once before; nullopt = it runs.
std::optional<Result<CommandReply>> again(Idempotency& replies, const std::string& id) {
  std::optional<Result<CommandReply>> got;
  Reply<CommandReply> reply([&got](Result<CommandReply> answer) { got = std::move(answer); });
  if (replies.begin(id, reply)) return std::nullopt;
  return got;
}

TEST(IdempotencyTest, TheLast256AreKnownWithTheirWholeReplies) {
  Idempotency replies;
  const auto id_of = [](int number) { return "0d5ad6c5-4d1c-4c1e-" + std::to_string(number); };
  const auto json_of = [](int number) {
    const std::string rest = number % 50 == 0 ? std::string(100'000, 'x') : number % 7 == 0 ? "" : R"("cell_id":"c")";
    return R"({"execution_id":")" + std::to_string(number) + "\"," + rest + "}";
  };
  const auto answer_to = [&](int number) -> Result<CommandReply> {
    if (number % 11 == 0) return fail(409, "stale_epoch", "epoch " + std::to_string(number), "ask", R"({"epoch":1})");
    return CommandReply{number % 2 == 0 ? 200 : 202, json_of(number)};
  };
  constexpr int all = 1'000;
  for (int number = 0; number < all; ++number) {
    ASSERT_EQ(again(replies, id_of(number)), std::nullopt) << number;
    replies.settle(id_of(number), answer_to(number));
  }
  for (int number = all - static_cast<int>(Idempotency::window); number < all; ++number) {
    const auto got = again(replies, id_of(number));
    const auto expected = answer_to(number);
    ASSERT_TRUE(got.has_value()) << number;
    ASSERT_EQ(got->has_value(), expected.has_value()) << number;
    if (expected) {
      EXPECT_EQ((*got)->status, expected->status);
      EXPECT_EQ((*got)->json, expected->json);
    } else {
      EXPECT_EQ(got->error().status, 409);
      EXPECT_EQ(got->error().code, expected.error().code);
      EXPECT_EQ(got->error().message, expected.error().message);
      EXPECT_EQ(got->error().hint, expected.error().hint);
      EXPECT_EQ(got->error().details, expected.error().details);
    }
  }
  EXPECT_EQ(again(replies, id_of(0)), std::nullopt) << "it is out of the window";
}

TEST(IdempotencyTest, ACommandThatTakesLongIsKnownHoweverManyCameAfterIt) {
  Idempotency replies;
  EXPECT_EQ(again(replies, "slow"), std::nullopt);
  for (int number = 0; number < 600; ++number) {
    ASSERT_EQ(again(replies, std::to_string(number)), std::nullopt);
    replies.settle(std::to_string(number), CommandReply{200, "{}"});
  }
  std::optional<Result<CommandReply>> late;
  Reply<CommandReply> retry([&late](Result<CommandReply> answer) { late = std::move(answer); });
  EXPECT_FALSE(replies.begin("slow", retry)) << "it would run twice";
  replies.settle("slow", CommandReply{200, R"({"done":true})"});
  ASSERT_TRUE(late && *late);
  EXPECT_EQ((*late)->json, R"({"done":true})");
}

}  // namespace
}  // namespace lectern::session::testing
