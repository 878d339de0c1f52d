// Replays the corpus of tests/fuzz/http and seeded mutations of it through the head parser and the chunk decoder.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "api/url.hpp"
#include "base/text.hpp"
#include "net/http_body.hpp"
#include "net/http_head.hpp"

namespace lectern::net {
namespace {

namespace fs = std::filesystem;

constexpr int mutations = 3000;  // of each file; the run stays under a few seconds

std::string mutate(std::string bytes, std::mt19937& random) {
  static const std::vector<std::string> tokens = {"\r\n",
                                                  "\n",
                                                  "\r",
                                                  ":",
                                                  " ",
                                                  "\t",
                                                  std::string(1, '\0'),
                                                  "Content-Length: 5\r\n",
                                                  "Transfer-Encoding: chunked\r\n",
                                                  "-1",
                                                  "0x4",
                                                  "%0",
                                                  "%00",
                                                  "\xff",
                                                  ",",
                                                  "HTTP/1.1",
                                                  "ffffffffffffffff",
                                                  "Host: b\r\n",
                                                  "0\r\n\r\n"};
  auto below = [&](std::size_t limit) { return limit == 0 ? 0 : random() % limit; };
  for (auto count = 1 + below(3); count > 0; --count) {
    const auto at = below(bytes.size() + 1);
    const auto choice = below(4);
    if (choice == 0 && at < bytes.size()) bytes[at] = static_cast<char>(random());
    if (choice == 1) bytes.insert(at, tokens[below(tokens.size())]);
    if (choice == 2) bytes.erase(at, 1 + below(6));
    if (choice == 3) bytes.insert(at, bytes.substr(below(bytes.size()), 1 + below(30)));
  }
  return bytes;
}

template <class Each>
void for_each_case(const std::string& part, Each&& each) {
  std::mt19937 random(20'240'608);
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(fs::path(LECTERN_TEST_DATA) / ".." / "fuzz" / "http" / part)) {
    std::ifstream file(entry.path(), std::ios::binary);
    files[entry.path().filename()] = {std::istreambuf_iterator<char>(file), {}};
  }
  ASSERT_FALSE(files.empty());
  for (const auto& [name, bytes] : files) {
    SCOPED_TRACE(name);
    each(bytes, random);
    for (int i = 0; i < mutations && !::testing::Test::HasFailure(); ++i) each(mutate(bytes, random), random);
  }
}

std::size_t occurrences(const api::Request& request, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(request.headers.begin(), request.headers.end(),
                    [&](const auto& header) { return api::equal_without_case(header.first, name); }));
}

/// What must hold of every head that is let in, whatever it looked like.
void check_head(const Head& head, const std::string& bytes) {
  const auto& request = head.request;
  ASSERT_FALSE(request.path.empty()) << bytes;
  ASSERT_EQ('/', request.path[0]) << bytes;
  ASSERT_TRUE(text::valid_utf8(request.path)) << bytes;
  for (const auto& [name, value] : request.headers) {
    ASSERT_FALSE(name.empty()) << bytes;
    ASSERT_EQ(std::string::npos, name.find_first_of(std::string(" \t\r\n:\0", 6))) << bytes;
    ASSERT_EQ(std::string::npos, value.find_first_of(std::string("\r\n\0", 3))) << bytes;
  }
  const auto lengths = occurrences(request, "Content-Length");
  const auto codings = occurrences(request, "Transfer-Encoding");
  ASSERT_LE(lengths + codings, 1u) << bytes;
  ASSERT_LE(occurrences(request, "Host"), 1u) << bytes;
  ASSERT_EQ(codings == 1, head.body.kind == BodyPlan::Kind::chunked) << bytes;
  if (head.body.kind == BodyPlan::Kind::fixed) {
    ASSERT_EQ(1u, lengths) << bytes;
  }
}

TEST(HttpFuzz, WhatIsLetInIsUnambiguous) {
  int let_in = 0, refused = 0;
  for_each_case("head", [&](const std::string& bytes, std::mt19937&) {
    const HeadLimits limits;
    const auto size = head_size(bytes, limits);
    if (!size || !*size) return;
    ASSERT_LE(**size, bytes.size());
    const auto head = parse_head(std::string_view(bytes).substr(0, **size), limits);
    if (!head) {
      ++refused;
      ASSERT_GE(head.error().status, 400) << bytes;
      ASSERT_NE("", head.error().message);
      return;
    }
    ++let_in;
    check_head(*head, bytes);
    static_cast<void>(check_websocket(*head, "lectern.v1"));
  });
  EXPECT_GT(let_in, 500);
  EXPECT_GT(refused, 500);
}

struct Decoded {
  bool failed = false, done = false;
  std::size_t used = 0;
  std::string body;
  bool operator==(const Decoded&) const = default;
};

/// Feeds `bytes` in pieces of random sizes; as one when `random` is null.
Decoded decode(const std::string& bytes, std::mt19937* random) {
  ChunkedDecoder decoder(64);
  Decoded result;
  std::size_t at = 0;
  while (at < bytes.size() && !decoder.done()) {
    const auto piece = random == nullptr ? bytes.size() : 1 + (*random)() % 5;
    const auto used = decoder.feed(std::string_view(bytes).substr(at, piece));
    if (!used) {
      result.failed = true;
      return result;
    }
    at += *used;
  }
  result.done = decoder.done();
  result.used = at;
  result.body = decoder.take();
  return result;
}

TEST(HttpFuzz, AChunkedBodyIsTheSameInAnyPieces) {
  int done = 0;
  for_each_case("chunked", [&](const std::string& bytes, std::mt19937& random) {
    const auto whole = decode(bytes, nullptr);
    ASSERT_LE(whole.body.size(), 64u);
    done += whole.done ? 1 : 0;
    for (int i = 0; i < 3; ++i) ASSERT_EQ(whole, decode(bytes, &random)) << bytes;
  });
  EXPECT_GT(done, 500);
}

}  // namespace
}  // namespace lectern::net
