// lectern.v1 frame by frame, through the shared object.
#include <gmock/gmock.h>

#include "net_transport_support.hpp"

namespace lectern::net::testing {
namespace {

using namespace std::string_literals;
using plugin::DocumentKind;
using plugin::InboundKind;
using plugin::OutboundKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TransportWebSocket : public TransportTest {
 protected:
  TransportWebSocket() : TransportTest("transport-websocket") {}
  void SetUp() override {
    TransportTest::SetUp();
    open(1);
  }
};

TEST_F(TransportWebSocket, IsBoundToConnectAndLecternV1) {
  ASSERT_EQ(1u, transport->bindings().size());
  EXPECT_EQ(plugin::Carrier::ws_message, transport->bindings()[0].carrier);
  EXPECT_EQ("connect", transport->bindings()[0].route);
  EXPECT_EQ("lectern.v1", transport->bindings()[0].name);
}

TEST_F(TransportWebSocket, TheBuffersParameterChoosesTheEncoding) {
  EXPECT_EQ(open(2), open(3, R"({"buffers":"base64","document":"changes"})"));
  EXPECT_NE(open(4), open(5, R"({"buffers":"binary"})"));
  EXPECT_EQ(open(6, R"({"buffers":"binary"})"), open(7, R"({"buffers":"binary","view_only":"1"})"));
  const auto refused = transport->open(8, 0, R"({"buffers":"hex"})");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("hex"));
}

TEST_F(TransportWebSocket, ReadsACommand) {
  const auto got = receive(
      false, R"( {"id":"a\u002d1", "command":"execute","epoch":7,"body":{"cell_ids":["x"], "n":1.50e3},"new":[1]} )");
  ASSERT_EQ(1u, got.size());
  EXPECT_EQ(InboundKind::command, got[0].kind);
  EXPECT_EQ("a-1", got[0].id);
  EXPECT_EQ("execute", got[0].name);
  EXPECT_TRUE(got[0].has_epoch);
  EXPECT_EQ(7u, got[0].epoch);
  EXPECT_EQ(R"({"cell_ids":["x"], "n":1.50e3})", got[0].body) << "its text is untouched";
}

TEST_F(TransportWebSocket, BodyAndEpochMayBeAbsent) {
  for (const auto* frame : {R"({"command":"save","id":"1"})", R"({"command":"save","id":"1","epoch":null})"}) {
    const auto got = receive(false, frame);
    ASSERT_EQ(1u, got.size());
    EXPECT_EQ("{}", got[0].body);
    EXPECT_FALSE(got[0].has_epoch);
  }
}

TEST_F(TransportWebSocket, ReadsTheClientKey) {
  const auto got = receive(false, R"({"client":"id.secret"})");
  ASSERT_EQ(1u, got.size());
  EXPECT_EQ(InboundKind::hello, got[0].kind);
  EXPECT_EQ("id.secret", got[0].body);
}

TEST_F(TransportWebSocket, EscapedNamesAreTheSameNames) {
  const auto got = receive(false, R"({"\u0069d":"1","comm\u0061nd":"save"})");
  ASSERT_EQ(1u, got.size());
  EXPECT_EQ("save", got[0].name);
  EXPECT_EQ(InboundKind::malformed, receive(false, R"({"id":"1","\u0069d":"2","command":"save"})").at(0).kind);
}

TEST_F(TransportWebSocket, WhatIsUnknownIsIgnored) {
  EXPECT_TRUE(receive(false, R"({"op":"telepathy","data":{}})").empty());
  EXPECT_TRUE(receive(false, "{}").empty());
  EXPECT_TRUE(receive(true, binary_frame(7, "{}")).empty());
  EXPECT_TRUE(receive(true, binary_frame(200, "not json")).empty());
  EXPECT_TRUE(receive(true, binary_frame(6, R"({"document":"notebook"})", "x")).empty());
  EXPECT_TRUE(receive(true, "").empty());
}

TEST_F(TransportWebSocket, WhatIsWrongGetsAnAnswerUnderItsId) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"nonsense", ""},
      {"[]", ""},
      {R"({"command":"save"})", ""},
      {R"({"id":7,"command":"save"})", ""},
      {R"({"id":"","command":"save"})", ""},
      {R"({"id":")" + std::string(129, 'i') + R"(","command":"save"})", ""},
      {R"({"id":"1","command":7})", "1"},
      {R"({"id":"1","command":"save","body":[]})", "1"},
      {R"({"id":"1","command":"save","epoch":-1})", "1"},
      {R"({"id":"1","command":"save","epoch":1.5})", "1"},
      {R"({"id":"1","command":"save","epoch":"1"})", "1"},
      {R"({"id":"1","command":"save","epoch":99999999999999999999})", "1"},
      {R"({"id":"1","command":"save"} x)", "1"},
      {R"({"id":"1","command":"save")", "1"},
      {R"({"id":"1","command":"save","command":"restart"})", "1"},
      {R"({"id":"1","command":"save","id":"2"})", ""},
      {R"({"id":"1","\u0069d":"2","command":)", ""},
      {R"({"id":"\udc00","command":)", ""},
      {"{\"id\":\"\xff\",\"command\":", ""},
      {R"({"client":7})", ""},
      {std::string(300, '[') + std::string(300, ']'), ""},
      {R"({"id":"1","command":"save","body":{"x":)" + std::string(300, '[') + std::string(300, ']') + "}}", "1"},
      {R"({"body":{"x":)" + std::string(300, '[') + std::string(300, ']') + R"(},"id":"1","command":"save"})", ""},
  };
  for (const auto& [frame, id] : wrong) {
    const auto got = receive(false, frame);
    ASSERT_EQ(1u, got.size()) << frame;
    EXPECT_EQ(InboundKind::malformed, got[0].kind) << frame;
    EXPECT_EQ(id, got[0].id) << frame;
    EXPECT_EQ("bad_request", got[0].name);
    EXPECT_NE("", got[0].body);
  }
}

TEST_F(TransportWebSocket, ReadsChangesOfBothDocuments) {
  auto got = receive(true, binary_frame(3, R"({"id":"c1","epoch":4,"sizes":[2,0,3]})", "abcde"));
  ASSERT_EQ(1u, got.size());
  EXPECT_EQ(InboundKind::changes, got[0].kind);
  EXPECT_EQ(DocumentKind::notebook, got[0].document);
  EXPECT_EQ("c1", got[0].id);
  EXPECT_EQ(4u, got[0].epoch);
  EXPECT_EQ("abcde", got[0].payload);
  EXPECT_THAT(got[0].sizes, ElementsAre(2, 0, 3));
  EXPECT_FALSE(got[0].flush);
  got = receive(true, binary_frame(4, R"({"id":"c2","sizes":[1],"flush":true})", "\xff"));
  ASSERT_EQ(1u, got.size());
  EXPECT_EQ(DocumentKind::models, got[0].document);
  EXPECT_TRUE(got[0].flush);
  EXPECT_FALSE(got[0].has_epoch);
}

TEST_F(TransportWebSocket, WrongChangesGetAnAnswerUnderTheirId) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {binary_frame(3, R"({"epoch":4,"sizes":[1]})", "a"), ""},
      {binary_frame(3, R"({"id":"c","epoch":4})", "a"), "c"},
      {binary_frame(3, R"({"id":"c","sizes":[2]})", "a"), "c"},
      {binary_frame(3, R"({"id":"c","sizes":[1]})", "ab"), "c"},
      {binary_frame(3, R"({"id":"c","sizes":[-1]})", ""), "c"},
      {binary_frame(3, R"({"id":"c","sizes":["1"]})", "a"), "c"},
      {binary_frame(3, R"({"id":"c","sizes":[18446744073709551615,2]})", "a"), "c"},
      {binary_frame(3, R"({"id":"c","sizes":[1],"flush":1})", "a"), "c"},
      {binary_frame(3, "{"), ""},
      {binary_frame(3, "{\"id\":\"\xff\",\"sizes\":[]}"), ""},  // a text that could not be sent back
      {"\x03\xff\xff\xff\xff{}"s, ""},
      {"\x03\x01"s, ""},
  };
  for (const auto& [frame, id] : wrong) {
    const auto got = receive(true, frame);
    ASSERT_EQ(1u, got.size()) << frame;
    EXPECT_EQ(InboundKind::malformed, got[0].kind) << frame;
    EXPECT_EQ(id, got[0].id) << frame;
  }
}

TEST_F(TransportWebSocket, ReadsSyncMessages) {
  EXPECT_EQ(DocumentKind::notebook, receive(true, binary_frame(1, "{}", "sync")).at(0).document);
  const auto got = receive(true, binary_frame(2, "", "sync"));
  ASSERT_EQ(1u, got.size());
  EXPECT_EQ(InboundKind::sync, got[0].kind);
  EXPECT_EQ(DocumentKind::models, got[0].document);
  EXPECT_EQ("sync", got[0].payload);
}

TEST_F(TransportWebSocket, BuffersBelongToTheNextCommandOfTheirConnection) {
  open(2);
  EXPECT_TRUE(receive(true, binary_frame(5, R"({"sizes":[1,2]})", "abc")).empty());
  EXPECT_EQ("", receive(false, R"({"id":"1","command":"model"})", 2).at(0).payload);
  auto got = receive(false, R"({"id":"1","command":"model","body":{}})");
  EXPECT_EQ("abc", got.at(0).payload);
  EXPECT_THAT(got.at(0).sizes, ElementsAre(1, 2));
  EXPECT_EQ("", receive(false, R"({"id":"2","command":"model"})").at(0).payload) << "used once";
  receive(true, binary_frame(5, R"({"sizes":[1]})", "x"));
  EXPECT_EQ(InboundKind::malformed, receive(true, binary_frame(5, R"({"sizes":[9]})", "y")).at(0).kind);
  EXPECT_EQ("", receive(false, R"({"id":"3","command":"model"})").at(0).payload) << "nothing older is left";
}

plugin::Outbound event(std::string_view op, std::string_view data) {
  plugin::Outbound message;
  message.op = op;
  message.data = data;
  return message;
}

TEST_F(TransportWebSocket, WritesEvents) {
  auto message = event("cell-op", R"({"x":1.0})");
  auto frames = encode(message);
  ASSERT_EQ(1u, frames.size());
  EXPECT_FALSE(frames[0].binary);
  EXPECT_EQ(R"({"op":"cell-op","seq":null,"data":{"x":1.0}})", frames[0].bytes);
  message.has_seq = true;
  message.seq = 18446744073709551615u;
  EXPECT_EQ(R"({"op":"cell-op","seq":18446744073709551615,"data":{"x":1.0}})", encode(message).at(0).bytes);
}

TEST_F(TransportWebSocket, WritesBuffersInEitherEncoding) {
  const auto base64 = open(2);
  const auto binary = open(3, R"({"buffers":"binary"})");
  const std::vector<std::uint64_t> sizes = {2, 0, 1};
  auto message = event("model-lifecycle", R"({"model_id":"m","buffers":[]})");
  message.payload =
      "a\xff"
      "b";
  message.sizes = sizes;
  auto frames = encode(message, base64);
  ASSERT_EQ(1u, frames.size());
  EXPECT_EQ(R"({"op":"model-lifecycle","seq":null,"data":{"model_id":"m","buffers":["Yf8=","","Yg=="]}})",
            frames[0].bytes);
  message.data = R"({"model_id":"m"})";
  EXPECT_EQ(R"({"op":"model-lifecycle","seq":null,"data":{"model_id":"m","buffers":["Yf8=","","Yg=="]}})",
            encode(message, base64).at(0).bytes);
  frames = encode(message, binary);
  ASSERT_EQ(2u, frames.size());
  EXPECT_TRUE(frames[0].binary);
  EXPECT_EQ(binary_frame(5, R"({"sizes":[2,0,1]})", message.payload), frames[0].bytes);
  EXPECT_FALSE(frames[1].binary);
  EXPECT_EQ(R"({"op":"model-lifecycle","seq":null,"data":{"model_id":"m"}})", frames[1].bytes);
}

TEST_F(TransportWebSocket, WritesChangesSyncAndDocuments) {
  const std::vector<std::uint64_t> sizes = {1, 2};
  plugin::Outbound message;
  message.kind = OutboundKind::changes;
  message.document = DocumentKind::notebook;
  message.data = R"({"by":null,"version":9})";
  message.payload = "abc";
  message.sizes = sizes;
  auto frames = encode(message);
  ASSERT_EQ(1u, frames.size());
  EXPECT_TRUE(frames[0].binary);
  EXPECT_EQ(binary_frame(3, R"({"by":null,"version":9,"sizes":[1,2]})", "abc"), frames[0].bytes);
  message.document = DocumentKind::models;
  EXPECT_EQ(4, encode(message).at(0).bytes[0]);
  message.kind = OutboundKind::sync;
  EXPECT_EQ(binary_frame(2, "{}", "abc"), encode(message).at(0).bytes);
  message.kind = OutboundKind::document;
  message.data = R"({"document":"notebook"})";
  EXPECT_EQ(binary_frame(6, R"({"document":"notebook"})", "abc"), encode(message).at(0).bytes);
  message.kind = OutboundKind::keepalive;
  EXPECT_TRUE(encode(message).empty());
}

TEST_F(TransportWebSocket, SettingsItDoesNotHaveAreRefused) {
  const auto refused = plugin::Transport::create(transport->generation(), R"({"fast":true})");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("fast"));
}

}  // namespace
}  // namespace lectern::net::testing
