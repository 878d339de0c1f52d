#include "relay/outbox.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lectern::relay {
namespace {

session::FramePtr frame(const std::string& bytes, bool binary = false) {
  return std::make_shared<const session::Frame>(session::Frame{binary, bytes});
}

Header closed(Channel channel) {
  Header header;
  header.op = Op::closed;
  header.channels = {channel};
  return header;
}

/// "a>1,2 b>1": what leaves, in its order.
std::string taken(Outbox& outbox) {
  std::string out;
  for (const auto& entry : outbox.take()) {
    if (!out.empty()) out += ' ';
    out += (entry.frame ? entry.frame->bytes : std::string("end")) + ">";
    for (std::size_t i = 0; i < entry.header.channels.size(); ++i) {
      out += (i == 0 ? "" : ",") + std::to_string(entry.header.channels[i]);
    }
  }
  return out;
}

TEST(RelayOutbox, AFrameForManyIsOneMessage) {
  Outbox outbox;
  Outbox::Place one, two, three;
  const auto a = frame("a"), b = frame("b");
  outbox.add(1, one, a);
  outbox.add(2, two, a);
  outbox.add(3, three, a);
  outbox.add(1, one, b);
  outbox.add(2, two, b);
  EXPECT_EQ("a>1,2,3 b>1,2", taken(outbox));
}

TEST(RelayOutbox, WhoSendsSeveralAtOnceSharesThemToo) {
  Outbox outbox;
  Outbox::Place one, two;
  const auto a = frame("a"), b = frame("b"), c = frame("c");
  for (const auto& each : {a, b, c}) outbox.add(1, one, each);
  for (const auto& each : {a, c}) outbox.add(2, two, each);
  EXPECT_EQ("a>1,2 b>1 c>1,2", taken(outbox));
}

TEST(RelayOutbox, NoFrameOvertakesAnotherOfItsChannel) {
  Outbox outbox;
  Outbox::Place one, two;
  const auto a = frame("a"), b = frame("b");
  outbox.add(1, one, a);
  outbox.add(1, one, b);
  outbox.add(2, two, b);
  outbox.add(2, two, a);  // after b there, so it cannot join the a before b
  outbox.add(1, one, a);  // the same once more is sent once more, and joins the last
  EXPECT_EQ("a>1 b>1,2 a>2,1", taken(outbox));
  outbox.add(1, one, a);
  outbox.add(1, one, a);
  EXPECT_EQ("a>1 a>1", taken(outbox));
}

TEST(RelayOutbox, AnEndStaysBehindWhatWasSentBefore) {
  Outbox outbox;
  Outbox::Place one, two;
  const auto a = frame("a"), b = frame("b");
  outbox.add(1, one, a);
  outbox.add(one, closed(1));
  outbox.add(2, two, a);
  outbox.add(2, two, b);
  EXPECT_EQ("a>1,2 end>1 b>2", taken(outbox));
}

TEST(RelayOutbox, BytesAreThoseOfThisTurn) {
  Outbox outbox;
  Outbox::Place one, two;
  const auto a = frame("abc");
  outbox.add(1, one, a);
  outbox.add(2, two, a);
  outbox.add(1, one, frame("de", true));
  EXPECT_EQ(5u, outbox.bytes(one));
  EXPECT_EQ(3u, outbox.bytes(two));
  const auto entries = outbox.take();
  ASSERT_EQ(2u, entries.size());
  EXPECT_TRUE(entries[0].header.text);
  EXPECT_FALSE(entries[1].header.text);
  EXPECT_EQ(0u, outbox.bytes(one));
  outbox.add(1, one, a);
  EXPECT_EQ(3u, outbox.bytes(one));
}

}  // namespace
}  // namespace lectern::relay
