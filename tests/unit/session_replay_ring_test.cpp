// What the ring gives back, against a plain list of the same events.
#include <gtest/gtest.h>

#include <random>

#include "session/replay_ring.hpp"

namespace lectern::session::testing {
namespace {

struct Plain {
  std::uint64_t seq = 0;
  Op op = Op::cell_op;
  std::string data, origin, payload, author;
  std::vector<std::uint64_t> sizes;
  bool has_author = false;
  bool operator==(const Plain&) const = default;
};

Plain plain(const RecordedEvent& event) {
  const auto& message = *event.message;
  Plain out{*message.seq, message.op, message.data, message.origin, message.payload, {}, message.sizes, false};
  if (event.for_author) {
    out.has_author = true;
    out.author = event.for_author->data;
    EXPECT_EQ(event.for_author->seq, message.seq);
    EXPECT_EQ(event.for_author->origin, message.origin);
    EXPECT_EQ(event.for_author->op, message.op);
  }
  return out;
}

class RingTest : public ::testing::Test {
 protected:
  static constexpr std::size_t max_bytes = 300'000, max_events = 700;

  void add(Plain event) {
    event.seq = ring_.next_seq();
    const auto make = [&](const std::string& data) {
      auto message = event_message(event.op, data);
      message->seq = event.seq;
      message->origin = event.origin;
      return message;
    };
    auto message = make(event.data);
    message->payload = event.payload;
    message->sizes = event.sizes;
    ring_.add(std::move(message), event.has_author ? make(event.author) : nullptr);
    bytes_ += event.data.size() + event.payload.size() + 64;
    plain_.push_back(std::move(event));
    while (bytes_ > max_bytes || plain_.size() > max_events) {
      bytes_ -= plain_.front().data.size() + plain_.front().payload.size() + 64;
      plain_.pop_front();
    }
  }
  void check(std::uint64_t after) {
    const bool reached = after == ring_.seq() || (!plain_.empty() && plain_.front().seq <= after + 1);
    const bool here = after <= ring_.seq() && reached;
    ASSERT_EQ(ring_.reaches(after), here) << after;
    if (!here) return;
    std::vector<Plain> wanted, found;
    for (const auto& one : plain_) {
      if (one.seq > after) wanted.push_back(one);
    }
    for (const auto& one : ring_.after(after)) found.push_back(plain(one));
    ASSERT_EQ(found.size(), wanted.size()) << after;
    ASSERT_TRUE(found == wanted) << after;
  }

  ReplayRing ring_{max_bytes, max_events};
  std::deque<Plain> plain_;
  std::size_t bytes_ = 0;
};

TEST_F(RingTest, GivesBackWhatWasAdded) {
  std::mt19937 random(11);
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  const auto text = [&](std::size_t most) {
    std::string out;
    for (auto left = below(most); left > 0; --left) out += static_cast<char>(below(256));
    return out;
  };
  const Op ops[] = {Op::cell_op, Op::document_transaction, Op::model_lifecycle};
  for (int i = 0; i < 5'000; ++i) {
    Plain event;
    event.op = ops[below(3)];
    event.data =
        below(3) == 0 ? text(300) : R"({"cell_id":"c)" + std::to_string(below(3)) + R"(","status":")" + text(4);
    if (below(200) == 0) event.data = text(20'000);
    if (below(500) == 0) event.data.clear();
    if (below(2) == 0) event.origin = "c_" + text(10);
    event.has_author = below(4) == 0;
    if (event.has_author) event.author = text(40);
    for (auto left = below(3); left > 0; --left) {
      const auto buffer = text(200);
      event.payload += buffer;
      event.sizes.push_back(buffer.size());
    }
    add(std::move(event));
    EXPECT_EQ(ring_.bytes(), bytes_);
    if (i % 97 == 0 || i < 30) {
      check(0);
      check(ring_.seq());
      check(ring_.seq() + 1);
      check(plain_.front().seq - 1);
      check(plain_.front().seq + below(plain_.size()));
      for (std::uint64_t back = 1; back < 12 && back < ring_.seq(); ++back) check(ring_.seq() - back);
    }
    if (HasFatalFailure()) return;
  }
}

TEST_F(RingTest, OneThatIsLargerThanTheBoundLeavesNothing) {
  Plain small;
  small.data = "{}";
  for (int i = 0; i < 20; ++i) add(small);
  Plain large;
  large.data = std::string(max_bytes, 'x');
  add(large);
  check(20);
  check(21);
  add(small);
  check(21);
  check(20);
}

TEST(PackedEvents, OfRunsAreAFractionOfThemselves) {
  PackedEvents packed;
  std::size_t bytes = 0;
  std::uint64_t seq = 0;
  for (int run = 0; run < 1'000; ++run) {
    const auto begin = R"({"cell_id":"c)" + std::to_string(run % 10) + R"(","execution_id":"0d5ad6c5-4d1c-4c1e-9c43-)" +
                       std::to_string(100'000'000'000 + run) + R"(","status":")";
    const auto count = R"(","execution_count":)" + std::to_string(run);
    const auto output = R"(,"outputs":[{"op":"append","output":{"output_type":"stream","name":"stdout","text":"tick-)" +
                        std::to_string(run) + R"(\n"}}]})";
    for (const auto& data : {begin + R"(queued","outputs":[]})", begin + R"(running","outputs":[]})",
                             begin + "running" + count + R"(,"outputs":[]})", begin + "running" + count + output,
                             begin + "idle" + count + R"(,"outputs":[]})"}) {
      auto message = event_message(Op::cell_op, data);
      message->seq = ++seq;
      bytes += message->bytes();
      packed.add(*message, nullptr);
    }
  }
  RecordProperty("bytes", static_cast<int>(bytes));
  RecordProperty("held", static_cast<int>(packed.held()));
  EXPECT_LT(packed.held() * 20, bytes);
}

}  // namespace
}  // namespace lectern::session::testing
