// ZMTP as runtime-jupyter speaks it: bytes and messages, no sockets (rfc.zeromq.org/spec/23).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "../../plugins/runtime-jupyter/zmtp_codec.hpp"

namespace jupyter::zmtp {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Parts = std::vector<std::string>;

std::string frame(char flags, std::string_view bytes) {
  return std::string(1, flags) + static_cast<char>(bytes.size()) + std::string(bytes);
}

std::string opening() {
  return greeting() + frame(4, "\x05READY\x0bSocket-Type\0\0\0\x06ROUTER"s);
}

std::string message(const Parts& parts) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) append_part(out, parts[i], i + 1 < parts.size());
  return out;
}

std::vector<Parts> read(Decoder& decoder) {
  std::vector<Parts> out;
  while (const auto got = decoder.next()) {
    auto& parts = out.emplace_back();
    for (std::size_t i = 0; i < got->size(); ++i) parts.emplace_back(got->at(i));
  }
  return out;
}

/// What is wrong with these bytes, after the opening.
std::string problem_after_opening(std::string_view bytes) {
  Decoder decoder;
  EXPECT_TRUE(decoder.take(opening()));
  EXPECT_FALSE(decoder.take(bytes));
  EXPECT_FALSE(decoder.take("more")) << "once broken, always broken";
  return decoder.problem();
}

TEST(ZmtpCodec, WhatIsSaidFirstIsAsTheSpecificationHasIt) {
  const auto first = greeting();
  ASSERT_EQ(first.size(), 64u);
  EXPECT_EQ(first.substr(0, 10), "\xff\0\0\0\0\0\0\0\0\x7f"s);
  EXPECT_EQ(first.substr(10, 2), "\x03\0"s);
  EXPECT_EQ(first.substr(12, 20), "NULL"s + std::string(16, '\0'));
  EXPECT_EQ(first.substr(32), std::string(32, '\0')) << "no server, and the filler";
  EXPECT_EQ(ready(SocketType::dealer, "me"),
            "\x04\x2b\x05READY\x0bSocket-Type\0\0\0\x06"
            "DEALER\x08Identity\0\0\0\x02me"s);
  EXPECT_EQ(ready(SocketType::sub, ""), "\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB"s);
  EXPECT_EQ(subscribe_to_all(), "\0\x01\x01"s);
}

TEST(ZmtpCodec, LengthsTakeOneByteOrEight) {
  std::string out;
  append_part(out, std::string(255, 'a'), true);
  EXPECT_EQ(out.substr(0, 2), "\x01\xff");
  out.clear();
  append_part(out, std::string(256, 'a'), false);
  EXPECT_EQ(out.substr(0, 9), "\x02\0\0\0\0\0\0\x01\0"s);
  out.clear();
  append_part(out, "", false);
  EXPECT_EQ(out, "\0\0"s);
}

TEST(ZmtpCodec, MessagesAreTheSameWhereverTheBytesAreCut) {
  const std::vector<Parts> said{{"stream.stdout", "<IDS|MSG>", "", "{}"}, {""}, {std::string(300, 'x'), "end"}};
  auto bytes = opening();
  for (const auto& one : said) bytes += message(one);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    Decoder decoder;
    ASSERT_TRUE(decoder.take(std::string_view(bytes).substr(0, cut)));
    EXPECT_EQ(decoder.greeted(), cut >= 64);
    EXPECT_EQ(decoder.is_ready(), cut >= opening().size());
    ASSERT_TRUE(decoder.take(std::string_view(bytes).substr(cut)));
    ASSERT_EQ(read(decoder), said) << cut;
  }
  Decoder decoder;
  for (const char byte : bytes) ASSERT_TRUE(decoder.take({&byte, 1}));
  EXPECT_EQ(read(decoder), said);
  EXPECT_EQ(read(decoder), std::vector<Parts>());
}

TEST(ZmtpCodec, AGreetingThatIsNoneIsRefusedAsSoonAsItShows) {
  const auto refuses = [](const std::string& bytes) {
    Decoder decoder;
    return decoder.take(bytes) ? "" : decoder.problem();
  };
  EXPECT_THAT(refuses("H"), HasSubstr("does not speak ZMTP"));
  EXPECT_THAT(refuses("\xff\0\0\0\0\0\0\0\0\x7e"s), HasSubstr("does not speak ZMTP"));
  EXPECT_THAT(refuses("\xff\0\0\0\0\0\0\0\0\x7f\x01"s), HasSubstr("ZMTP 1, older than 3.0"));
  EXPECT_THAT(refuses(greeting().replace(12, 5, "CURVE")), HasSubstr("security mechanism"));
  EXPECT_THAT(refuses(greeting().replace(12, 5, "NULLX")), HasSubstr("security mechanism"));
  EXPECT_EQ(refuses(greeting().replace(10, 2, "\x03\x01")), "") << "3.1 speaks 3.0 with us";
}

TEST(ZmtpCodec, PingsAreAnsweredWithTheirContextAndOtherCommandsAreNot) {
  Decoder decoder;
  ASSERT_TRUE(decoder.take(opening() + "\0\x02hi"s + frame(4, "\x04PING\0\x0a"s + "ck") + frame(4, "\x04PONG") +
                           frame(4, "\x09SUBSCRIBEx")));
  EXPECT_EQ(decoder.take_answers(), frame(4, "\x04PONGck"));
  EXPECT_EQ(decoder.take_answers(), "");
  EXPECT_THAT(read(decoder), ElementsAre(Parts{"hi"}));
  EXPECT_THAT(problem_after_opening(frame(4, "\x04PING\0\0"s + std::string(17, 'x'))), HasSubstr("too long"));
  std::string pings;
  for (int i = 0; i < 10'000; ++i) pings += frame(4, "\x04PING\0\0aaaaaaaaaaaaaaaa"s);
  EXPECT_THAT(problem_after_opening(pings), HasSubstr("takes no answers"));
}

TEST(ZmtpCodec, WhatBreaksTheProtocolIsSaid) {
  EXPECT_THAT(problem_after_opening("\x08"), HasSubstr("flags"));
  EXPECT_THAT(problem_after_opening("\x05"), HasSubstr("in parts"));
  EXPECT_THAT(problem_after_opening("\x02\x80\0\0\0\0\0\0\0"s), HasSubstr("longer than there can be"));
  EXPECT_THAT(problem_after_opening("\x06\0\0\0\0\x7f\0\0\0"s), HasSubstr("command is too long"));
  EXPECT_THAT(problem_after_opening("\x04\0"s), HasSubstr("no name"));
  EXPECT_THAT(problem_after_opening(frame(4, "\x05PING")), HasSubstr("no name"));
  EXPECT_THAT(problem_after_opening(frame(4,
                                          "\x05"
                                          "ERROR\x07"
                                          "go\naway")),
              HasSubstr("it refuses: go?away"));
  const auto refuses_after_greeting = [](std::string_view bytes) {
    Decoder decoder;
    EXPECT_TRUE(decoder.take(greeting()));
    return decoder.take(bytes) ? "" : decoder.problem();
  };
  EXPECT_THAT(refuses_after_greeting("\0\x01x"s), HasSubstr("before READY"));
  EXPECT_THAT(refuses_after_greeting(frame(4, "\x04PING\0\0"s)), HasSubstr("begin with READY"));
  EXPECT_THAT(refuses_after_greeting(frame(4, "\x05READY\x01x\0\0\0\x02y"s)), HasSubstr("half a property"));
  EXPECT_THAT(refuses_after_greeting(frame(4, "\x05READY\0\0\0\0\0"s)), HasSubstr("half a property"));
  EXPECT_EQ(refuses_after_greeting(frame(4, "\x05READY")), "") << "properties are not needed";
}

TEST(ZmtpCodec, AMessageThatIsTooLongIsDroppedAndTheNextIsRead) {
  Decoder decoder;
  ASSERT_TRUE(decoder.take(opening() + "\x01\x01" + "a"));
  std::string head = "\x03";
  for (int shift = 56; shift >= 0; shift -= 8) head += static_cast<char>((most_message_bytes >> shift) & 0xff);
  ASSERT_TRUE(decoder.take(head));
  const std::string piece(1u << 20, 'x');
  for (std::size_t left = most_message_bytes; left > 0; left -= piece.size()) ASSERT_TRUE(decoder.take(piece));
  ASSERT_TRUE(
      decoder.take("\x01\x01"
                   "b"
                   "\0\x01"
                   "c"s));
  EXPECT_THAT(read(decoder), IsEmpty());
  EXPECT_EQ(decoder.dropped(), 1u);
  ASSERT_TRUE(
      decoder.take("\0\x01"
                   "d"s));
  EXPECT_THAT(read(decoder), ElementsAre(Parts{"d"}));
}

TEST(ZmtpCodec, PartsAboveTheMostAreDropped) {
  Decoder decoder;
  ASSERT_TRUE(decoder.take(opening()));
  for (std::size_t i = 0; i < most_parts + 5; ++i) ASSERT_TRUE(decoder.take("\x01\0"s));
  ASSERT_TRUE(decoder.take("\0\x01x\0\x01y"s));
  const auto got = read(decoder);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].size(), most_parts);
  EXPECT_EQ(got[1], Parts{"y"});
}

}  // namespace
}  // namespace jupyter::zmtp
