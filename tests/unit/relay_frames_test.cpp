#include "relay/frames.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace lectern::relay {
namespace {

std::string message(std::string_view header, std::string_view payload = {}) {
  std::string out;
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(header.size() >> (8 * i) & 0xff));
  return out.append(header).append(payload);
}

Header there_and_back(const Header& header, From from, std::string_view payload = {}) {
  const auto bytes = encode(header, from, payload);
  EXPECT_TRUE(bytes) << bytes.error().message;
  const auto read = decode(*bytes, from);
  EXPECT_TRUE(read) << read.error().message;
  if (!read) return {};
  EXPECT_EQ(payload, read->payload);
  EXPECT_EQ(header.op, read->header.op);
  EXPECT_EQ(header.channels, read->header.channels);
  return read->header;
}

TEST(RelayFrames, WhatViewersSayArrivesWhole) {
  Header open;
  open.op = Op::open;
  open.channels = {7};
  open.query_json = R"({"document":"changes","label":"ü"})";
  open.client_key = "id.secret";
  open.scope = 2;
  open.last = "s.12";
  const auto opened = there_and_back(open, From::viewers);
  EXPECT_EQ(open.query_json, opened.query_json);
  EXPECT_EQ("id.secret", opened.client_key);
  EXPECT_EQ(2u, opened.scope);
  EXPECT_EQ("s.12", opened.last);

  Header frame;
  frame.channels = {7};
  frame.text = false;
  EXPECT_FALSE(there_and_back(frame, From::viewers, std::string("\0\xff\x01", 3)).text);
  frame.text = true;
  EXPECT_TRUE(there_and_back(frame, From::viewers, "{}").text);

  Header close;
  close.op = Op::close;
  close.channels = {7};
  close.clean = true;
  EXPECT_TRUE(there_and_back(close, From::viewers).clean);
  EXPECT_FALSE(there_and_back(close, From::viewers).revoked);
  close.revoked = true;
  EXPECT_TRUE(there_and_back(close, From::viewers).revoked);

  for (const auto op : {Op::full, Op::drained}) {
    Header pace;
    pace.op = op;
    pace.channels = {3, 9};
    there_and_back(pace, From::viewers);
  }
}

TEST(RelayFrames, WhatTheSessionSaysArrivesWhole) {
  Header frame;
  frame.channels.resize(max_channels);
  std::iota(frame.channels.begin(), frame.channels.end(), 4'294'963'200u);  // the longest numbers there are
  there_and_back(frame, From::session, "to all");

  Header refused;
  refused.op = Op::refused;
  refused.channels = {8};
  refused.error = {401, "client_unknown", "who?", "come without a key", ""};
  const auto error = there_and_back(refused, From::session).error;
  EXPECT_EQ(401, error.status);
  EXPECT_EQ("client_unknown", error.code);
  EXPECT_EQ("who?", error.message);
  EXPECT_EQ("come without a key", error.hint);

  Header closed;
  closed.op = Op::closed;
  closed.channels = {8};
  closed.code = 4001;
  closed.reason = "REPLACED";
  const auto end = there_and_back(closed, From::session);
  EXPECT_EQ(4001, end.code);
  EXPECT_EQ("REPLACED", end.reason);
}

TEST(RelayFrames, TheBytesAreThoseOfTheText) {
  Header frame;
  frame.channels = {7, 9};
  EXPECT_EQ(message(R"({"op":"frame","c":[7,9],"text":true})", "hi"), *encode(frame, From::session, "hi"));
  frame.channels = {7};
  EXPECT_EQ(message(R"({"op":"frame","c":7,"text":true})", "hi"), *encode(frame, From::viewers, "hi"));
}

TEST(RelayFrames, UnknownKeysAreReadPast) {
  EXPECT_TRUE(decode(message(R"({"op":"close","c":1,"clean":true,"later":{"a":[1]}})"), From::viewers));
}

struct Bad {
  std::string bytes;
  From from;
  std::uint16_t code;
};

TEST(RelayFrames, WhatIsNoMessageIsRefusedWithAReason) {
  const auto v = From::viewers;
  const auto s = From::session;
  const std::vector<Bad> all = {
      {"", v, 1007},
      {"abc", v, 1007},
      {std::string("\x05\0\0\0{}", 6), v, 1007},
      {std::string("\xff\xff\xff\xff{}", 6), v, 1009},
      {message(std::string(max_header + 1, ' ')), v, 1009},
      {message("[]"), v, 1007},
      {message("{"), v, 1007},
      {message(R"({"op":"open","op":"close","c":1,"clean":true})"), v, 1007},
      {message(R"({"c":1})"), v, 1007},
      {message(R"({"op":"grab","c":1})"), v, 1007},
      {message(R"({"op":"closed","c":1,"code":1000,"reason":""})"), v, 1007},
      {message(R"({"op":"close","c":1,"clean":true})"), s, 1007},
      {message(R"({"op":"close","c":1})"), v, 1007},
      {message(R"({"op":"close","c":1,"clean":true,"revoked":1})"), v, 1007},
      {message(R"({"op":"close","c":0,"clean":true})"), v, 1007},
      {message(R"({"op":"close","c":4294967296,"clean":true})"), v, 1007},
      {message(R"({"op":"close","c":-1,"clean":true})"), v, 1007},
      {message(R"({"op":"close","c":"1","clean":true})"), v, 1007},
      {message(R"({"op":"close","c":[1,2],"clean":true})"), v, 1007},
      {message(R"({"op":"close","c":[],"clean":true})"), v, 1007},
      {message(R"({"op":"close","c":1,"clean":true})", "x"), v, 1007},
      {message(R"({"op":"frame","c":[1,2],"text":true})", "x"), v, 1007},
      {message(R"({"op":"frame","c":1})", "x"), v, 1007},
      {message(R"({"op":"frame","c":1,"text":true})", "\xff"), v, 1007},
      {message(R"({"op":"open","c":1})"), v, 1007},
      {message(R"({"op":"open","c":1,"scope":"admin"})"), v, 1007},
      {message(R"({"op":"open","c":1,"scope":"edit","query":{"a":1}})"), v, 1007},
      {message(R"({"op":"open","c":1,"scope":"edit","query":"a"})"), v, 1007},
      {message(R"({"op":"open","c":1,"scope":"edit","client_key":1})"), v, 1007},
      {message(R"({"op":"refused","c":1,"status":200,"error":{"code":"a","message":"b"}})"), s, 1007},
      {message(R"({"op":"refused","c":1,"status":401})"), s, 1007},
      {message(R"({"op":"closed","c":1,"code":10,"reason":""})"), s, 1007},
      {message(R"({"op":"closed","c":1,"code":1000,"reason":")" + std::string(124, 'a') + "\"}"), s, 1007},
  };
  for (const auto& one : all) {
    const auto read = decode(one.bytes, one.from);
    ASSERT_FALSE(read) << one.bytes.substr(0, 80);
    EXPECT_EQ(one.code, close_code(read.error())) << one.bytes.substr(0, 80);
    EXPECT_NE("", read.error().message);
  }
}

TEST(RelayFrames, BoundsHoldOnTheWayOutToo) {
  Header open;
  open.op = Op::open;
  open.channels = {1};
  open.query_json = "{\"heads\":\"" + std::string(max_header, 'a') + "\"}";
  EXPECT_FALSE(encode(open, From::viewers));
  Header closed;
  closed.op = Op::closed;
  closed.channels = {1};
  closed.code = 1008;
  closed.reason = std::string(122, 'a') + "ü";
  const auto cut = encode(closed, From::session);
  ASSERT_TRUE(cut);
  EXPECT_EQ(std::string(122, 'a'), decode(*cut, From::session)->header.reason);
  Header frame;
  frame.channels = {1};
  EXPECT_TRUE(encode(frame, From::viewers, std::string(max_payload, 'a')));
  EXPECT_FALSE(encode(frame, From::viewers, std::string(max_payload + 1, 'a')));
  EXPECT_TRUE(encode(frame, From::session, std::string(max_payload + 1, 'a')));
}

}  // namespace
}  // namespace lectern::relay
