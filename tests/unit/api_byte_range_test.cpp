// Which bytes a request asks for: what a header says that anybody may send.
#include "api/byte_range.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "api/in_pieces.hpp"

namespace lectern::api {
namespace {

constexpr std::uint64_t size = 1'000;

Result<std::optional<ByteRange>> asked(const std::string& range, std::uint64_t of = size) {
  Request request;
  request.method = "GET";
  request.headers = {{"range", range}};
  return asked_range(request, of);
}

TEST(ByteRange, IsWhatIsThereOfWhatIsAsked) {
  const std::vector<std::pair<std::string, ByteRange>> ranges = {
      {"bytes=0-0", {0, 1}},       {"bytes=0-999", {0, 1'000}},
      {"bytes=10-19", {10, 10}},   {"Bytes=990-2000", {990, 10}},
      {"bytes=999-", {999, 1}},    {"bytes=-1", {999, 1}},
      {"bytes=-5000", {0, 1'000}}, {"bytes=5-18446744073709551615", {5, 995}}};
  for (const auto& [header, expected] : ranges) {
    const auto range = asked(header);
    ASSERT_TRUE(range && *range) << header;
    EXPECT_EQ(**range, expected) << header;
  }
}

TEST(ByteRange, WhatIsNotOneRangeOfBytesIsTheWhole) {
  for (const auto* header :
       {"", "bytes", "bytes=", "bytes=-", "bytes=0", "lines=0-1", "bytes=0-1,4-5", "bytes=9-2", "bytes=a-b",
        "bytes=0x1-2", "bytes= 0-1", "bytes=--1", "bytes=+1-2", "bytes=1-2-3", "bytes=18446744073709551616-"}) {
    const auto range = asked(header);
    EXPECT_TRUE(range && !*range) << header;
  }
  const auto of_nothing = asked("bytes=0-0", 0);
  EXPECT_TRUE(of_nothing && !*of_nothing);
  Request head;
  head.method = "HEAD";
  head.headers = {{"Range", "bytes=0-0"}};
  EXPECT_FALSE(*asked_range(head, size));
  head.method = "GET";
  EXPECT_TRUE(*asked_range(head, size));
  head.headers.emplace_back("If-Range", "\"v1\"");
  EXPECT_FALSE(*asked_range(head, size)) << "of a version, and no body here names one";
}

TEST(ByteRange, NothingOfItThereIsAnError) {
  for (const auto* header : {"bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=18446744073709551615-"}) {
    const auto range = asked(header);
    ASSERT_FALSE(range) << header;
    EXPECT_EQ(range.error().status, 416);
    EXPECT_EQ(range.error().code, "range_not_satisfiable");
  }
}

TEST(ByteRange, AnAnswerTellsTheSizeOnlyIfItHasTheVeryBytes) {
  constexpr ByteRange range{5, 10};
  EXPECT_EQ(range_header(range), "bytes=5-14");
  EXPECT_EQ(content_range(range, 100), "bytes 5-14/100");
  EXPECT_EQ(size_of_ranged("bytes 5-14/100", range), 100U);
  EXPECT_EQ(size_of_ranged("bytes 5-14/15", range), 15U);
  for (const auto* other : {"bytes 5-14/14", "bytes 5-15/100", "bytes 4-14/100", "bytes 5-14/*", "bytes 5-14/", "",
                            "bytes */100", "bytes 5-14/100 ", "bytes 5-14/99999999999999999999"}) {
    EXPECT_FALSE(size_of_ranged(other, range)) << other;
  }
}

TEST(InPieces, AsksForEachByteOnceInOrder) {
  std::vector<ByteRange> read;
  InPieces body({3, 10}, 4, [&](ByteRange piece, InPieces::Done done) {
    read.push_back(piece);
    done(std::string(piece.count, 'x'));
  });
  EXPECT_EQ(body.size(), 10U);
  std::string all;
  while (all.size() < body.size()) body.next([&](std::string piece) { all += piece; });
  EXPECT_EQ(read, (std::vector<ByteRange>{{3, 4}, {7, 4}, {11, 2}}));
}

}  // namespace
}  // namespace lectern::api
