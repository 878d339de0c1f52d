// What a session said, through the shared objects: encoded in lectern.v1 there, read here, encoded for a stream.
#include "relay/session_frames.hpp"

#include <gmock/gmock.h>

#include "net_transport_support.hpp"

namespace lectern::relay {
namespace {

using net::testing::binary_frame;
using plugin::DocumentKind;
using plugin::Outbound;
using plugin::OutboundKind;
using session::Frame;

class WebSocketTransport : public net::testing::TransportTest {
 protected:
  WebSocketTransport() : TransportTest("transport-websocket") {}
  void TestBody() override {}
  friend class SessionFramesTest;
};

class SessionFramesTest : public net::testing::TransportTest {
 protected:
  SessionFramesTest() : TransportTest("transport-sse") {}
  void SetUp() override {
    TransportTest::SetUp();
    websocket.SetUp();
    ASSERT_EQ(told(event("kernel-ready", R"({"stream":"s1"})")).size(), 1U);
  }
  static Outbound event(std::string_view op, std::string_view data) {
    Outbound message;
    message.op = op;
    message.data = data;
    message.stream = "s1";
    return message;
  }
  std::string bytes(const Outbound& message) {
    std::string out;
    for (const auto& frame : encode(message)) out += frame.bytes;
    return out;
  }
  /// What a stream here gets of it.
  std::vector<std::string> told(const Outbound& message) {
    std::vector<std::string> out;
    for (auto& frame : websocket.encode(message)) {
      const auto status = frames.read({frame.binary, std::move(frame.bytes)},
                                      [&](const Outbound& read) { out.push_back(bytes(read)); });
      EXPECT_TRUE(status) << status.error().message;
    }
    return out;
  }
  /// The error's message; "" when there is none.
  std::string refused(const std::string& bytes, bool binary = false) {
    const auto status =
        frames.read({binary, bytes}, [&](const Outbound&) { ADD_FAILURE() << "read as a message: " << bytes; });
    return status ? "" : status.error().message;
  }

  WebSocketTransport websocket;
  SessionFrames frames;
};

TEST_F(SessionFramesTest, AStreamHereGetsWhatOneThereGets) {
  const std::vector<std::uint64_t> sizes = {1, 0, 2};
  std::vector<Outbound> all;
  all.push_back(event("room-state", R"({"members":[{"name":"\"\u000a☃"}],"n":1.50})"));
  all.push_back(event("save-state", "{}"));
  auto recorded = event("cell-op", R"({ "a": [1, 2] })");
  recorded.has_seq = true;
  recorded.seq = ~std::uint64_t{0};
  all.push_back(recorded);
  auto buffers = event("model-lifecycle", R"({"id":"m"})");
  buffers.payload = "abc";
  buffers.sizes = sizes;
  all.push_back(buffers);
  for (const auto document : {DocumentKind::notebook, DocumentKind::models}) {
    auto changes = event("", R"({"by":{"client_id":"c"},"version":3})");
    changes.kind = OutboundKind::changes;
    changes.document = document;
    changes.payload = std::string_view("\0\xff\n", 3);
    changes.sizes = sizes;
    all.push_back(changes);
  }
  auto document = event("", R"({"document":"notebook","version":3})");
  document.kind = OutboundKind::document;
  document.payload = std::string_view("\0\xff\n", 3);
  all.push_back(document);
  for (const auto& message : all) EXPECT_THAT(told(message), testing::ElementsAre(bytes(message)));
}

TEST_F(SessionFramesTest, WhatNoStreamGetsIsPassedOver) {
  Outbound sync;
  sync.kind = OutboundKind::sync;
  sync.document = DocumentKind::notebook;
  sync.payload = "x";
  EXPECT_THAT(told(sync), testing::IsEmpty());
  EXPECT_EQ(refused(binary_frame(99, "not json"), true), "") << "a frame of a later protocol";
}

TEST_F(SessionFramesTest, WhatIsNoFrameOfASessionIsNotRead) {
  for (const std::string text : {"", "[]", "{", R"({"op":1})", R"({"op":"","data":{}})", R"({"op":"x","data":{)",
                                 R"({"op":"x","seq":-1,"data":{}})", R"({"op":"x","seq":1.5,"data":{}})",
                                 "{\"op\":\"x\",\"data\":\"\xff\"}", R"({"op":"kernel-ready","data":{}})"}) {
    EXPECT_NE(refused(text), "") << text;
  }
  for (const std::string data : {"", R"(,"data":null)", R"(,"data":[])", R"(,"data":1)", R"(,"data":"{}")"}) {
    EXPECT_THAT(refused(R"({"op":"x","seq":null)" + data + "}"), testing::HasSubstr("the data of 'x'")) << data;
  }
  // What it says of names would be lines of the stream.
  EXPECT_NE(refused(R"({"op":"x\u000a\u000adata: {}","data":{}})"), "");
  EXPECT_NE(refused(R"({"op":"x\"","data":{}})"), "");
  EXPECT_NE(refused(R"({"op":"kernel-ready","data":{"stream":"s\u000aretry: 1"}})"), "");
  EXPECT_NE(refused(R"({"op":")" + std::string(65, 'x') + R"(","data":{}})"), "");
  EXPECT_NE(refused("\x03\x09", true), "");
  EXPECT_NE(refused(binary_frame(3, "[]", "abc"), true), "");
  EXPECT_NE(refused(binary_frame(6, "nothing"), true), "");
  EXPECT_NE(refused(binary_frame(6, "{\"a\":\"\xff\"}"), true), "");
  for (const auto* sizes : {"", "1", "[1]", "[1,3]", "[-1,4]", "[3.0]", "[\"3\"]", "[18446744073709551615,4]"}) {
    EXPECT_NE(refused(binary_frame(3, R"({"sizes":)" + std::string(sizes) + "}", "abc"), true), "") << sizes;
  }
}

}  // namespace
}  // namespace lectern::relay
