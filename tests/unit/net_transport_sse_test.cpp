// Server-sent events, through the shared object.
#include <gmock/gmock.h>

#include "net_transport_support.hpp"

namespace lectern::net::testing {
namespace {

using plugin::DocumentKind;
using plugin::OutboundKind;

class TransportSse : public TransportTest {
 protected:
  TransportSse() : TransportTest("transport-sse") {}
  std::string one(const plugin::Outbound& message) {
    const auto frames = encode(message);
    EXPECT_EQ(1u, frames.size());
    return frames.empty() ? std::string() : frames[0].bytes;
  }
};

TEST_F(TransportSse, IsBoundToEvents) {
  ASSERT_EQ(1u, transport->bindings().size());
  EXPECT_EQ(plugin::Carrier::byte_stream, transport->bindings()[0].carrier);
  EXPECT_EQ("events", transport->bindings()[0].route);
  EXPECT_EQ("text/event-stream", transport->bindings()[0].name);
}

TEST_F(TransportSse, RecordedEventsCarryTheResumeToken) {
  plugin::Outbound message;
  message.op = "cell-op";
  message.data = R"({"a":1})";
  message.stream = "s1";
  EXPECT_EQ("data: {\"op\":\"cell-op\",\"seq\":null,\"data\":{\"a\":1}}\n\n", one(message));
  message.has_seq = true;
  message.seq = 42;
  EXPECT_EQ("id: s1.42\ndata: {\"op\":\"cell-op\",\"seq\":42,\"data\":{\"a\":1}}\n\n", one(message));
}

TEST_F(TransportSse, AnEventIsOneDataLineWhateverItsSpaces) {
  plugin::Outbound message;
  message.op = "x";
  message.data = "{\n\"a\":\r\n\"\\n\"}";
  EXPECT_EQ("data: {\"op\":\"x\",\"seq\":null,\"data\":{ \"a\":  \"\\n\"}}\n\n", one(message));
}

TEST_F(TransportSse, BinaryBecomesBase64) {
  const std::vector<std::uint64_t> sizes = {1, 2};
  plugin::Outbound message;
  message.op = "model-lifecycle";
  message.data = "{}";
  message.payload = "abc";
  message.sizes = sizes;
  EXPECT_EQ("data: {\"op\":\"model-lifecycle\",\"seq\":null,\"data\":{\"buffers\":[\"YQ==\",\"YmM=\"]}}\n\n",
            one(message));
  message.kind = OutboundKind::changes;
  message.document = DocumentKind::notebook;
  message.data = R"({"by":null,"version":2})";
  EXPECT_EQ(
      "data: "
      "{\"op\":\"changes\",\"seq\":null,\"data\":{\"by\":null,\"version\":2,\"document\":\"notebook\",\"changes\":"
      "[\"YQ==\",\"YmM=\"]}}\n\n",
      one(message));
  message.kind = OutboundKind::document;
  message.data = R"({"document":"notebook"})";
  EXPECT_EQ("data: {\"op\":\"document\",\"seq\":null,\"data\":{\"document\":\"notebook\",\"bytes\":\"YWJj\"}}\n\n",
            one(message));
  message.kind = OutboundKind::sync;
  EXPECT_TRUE(encode(message).empty()) << "a sync message needs an answer";
}

TEST_F(TransportSse, AKeepaliveIsAComment) {
  plugin::Outbound message;
  message.kind = OutboundKind::keepalive;
  EXPECT_EQ(":\n\n", one(message));
}

TEST_F(TransportSse, TakesNothingFromTheClient) {
  open(1);
  EXPECT_TRUE(receive(true, "anything").empty());
}

}  // namespace
}  // namespace lectern::net::testing
