// The two forms in which a gateway carries messages: written and read back, and what no gateway should send.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "../../plugins/runtime-gateway/frames.hpp"

namespace gateway {
namespace {

Outgoing message(std::vector<std::string> buffers) {
  return {"shell", header("comm_msg", "s_c1", "s"),         R"({"msg_id":"parent"})",
          "{}",    R"({"data":{"value":1.10,"text":"ü"}})", std::move(buffers)};
}

class Frames : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(BothForms, Frames, ::testing::Bool(),
                         [](const auto& form) { return form.param ? "V1" : "Default"; });

TEST_P(Frames, AreReadAsTheyWereWritten) {
  const std::string bytes("\0\1\xff", 3);
  for (const auto& buffers : {std::vector<std::string>{}, {bytes}, {bytes, "", std::string(70'000, 'x')}}) {
    const auto sent = message(buffers);
    const auto frame = encode(sent, GetParam());
    EXPECT_EQ(frame.text, !GetParam() && buffers.empty());
    const auto read = decode(frame.bytes, frame.text, GetParam());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->channel, "shell");
    EXPECT_EQ(read->message.type, "comm_msg");
    EXPECT_EQ(read->message.parent_id, "parent");
    EXPECT_EQ(read->message.content, sent.content);  // numbers keep their text
    ASSERT_EQ(read->message.buffers.size(), buffers.size());
    for (std::size_t i = 0; i < buffers.size(); ++i) EXPECT_EQ(read->message.buffers[i], buffers[i]);
  }
}

TEST_P(Frames, EveryBeginningOfOneIsRefusedOrWhole) {
  const auto frame = encode(message({"buffer"}), GetParam());
  for (std::size_t size = 0; size < frame.bytes.size(); ++size) {
    const auto read = decode(std::string_view(frame.bytes).substr(0, size), frame.text, GetParam());
    // In the older form the last buffer ends where the frame does: a shorter one is still a frame.
    if (read) {
      EXPECT_FALSE(GetParam()) << size;
    }
  }
}

TEST_P(Frames, DamagedOnesNeverReachOutside) {
  std::mt19937 random{7};
  const auto good = encode(message({"one", "two"}), GetParam()).bytes;
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = good;
    for (int changes = 0; changes < 3; ++changes) {
      // Mostly in the offsets, where it matters.
      const auto at = random() % (random() % 4 != 0 ? 80 : bytes.size());
      bytes[at] = static_cast<char>(random());
    }
    const std::string exact(bytes);  // its own allocation: a sanitizer sees what reads past it
    const auto read = decode(exact, false, GetParam());
    if (!read) continue;
    for (const auto part : read->message.buffers) {
      EXPECT_TRUE(part.empty() || (part.data() >= exact.data() && part.end() <= exact.data() + exact.size()));
    }
  }
}

TEST(FramesOnly, TextThatIsNoMessageIsRefused) {
  for (const auto* text :
       {"", "[]", "{", "null", R"({"channel":"shell"})", R"({"header":{},"content":{}})",
        R"({"header":{"msg_type":7},"content":{}})", R"({"header":{"msg_type":"a"},"content":[]})"}) {
    EXPECT_FALSE(decode(text, true, true)) << text;
    EXPECT_FALSE(decode(text, true, false)) << text;
  }
}

TEST(FramesOnly, ASessionIsNeverGivenTwice) {
  const auto one = new_session();
  EXPECT_EQ(one.size(), 32U);
  EXPECT_NE(one, new_session());
}

}  // namespace
}  // namespace gateway
