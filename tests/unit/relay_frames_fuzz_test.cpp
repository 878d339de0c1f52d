// Replays the corpus of tests/fuzz/relay and seeded mutations of it through the codec of relays. What it reads, it must
// write again, and read the same.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "base/json.hpp"
#include "base/text.hpp"
#include "relay/frames.hpp"

namespace lectern::relay {
namespace {

namespace fs = std::filesystem;

constexpr int mutations = 800;  // of each file; the run stays under a second

std::string mutate(std::string bytes, const std::string& other, std::mt19937& random) {
  static const std::vector<std::string> tokens = {"\"",         "{",
                                                  "}",          "[",
                                                  "]",          ",",
                                                  "\\",         "\\ud800",
                                                  "-",          "1e9",
                                                  "null",       "\n",
                                                  "0",          "true",
                                                  "\"c\":1",    "[1,2,3]",
                                                  "\"op\"",     "\"text\":false,",
                                                  "4294967296", "\"scope\":\"edit\",",
                                                  "\xff",       std::string(1, '\0'),
                                                  "1.0",        "\"frame\""};
  auto below = [&](std::size_t limit) { return limit == 0 ? 0 : random() % limit; };
  for (auto count = 1 + below(3); count > 0; --count) {
    const auto at = below(bytes.size() + 1);
    const auto choice = below(5);
    if (choice == 0 && at < bytes.size()) bytes[at] = static_cast<char>(random());
    if (choice == 1) bytes.insert(at, tokens[below(tokens.size())]);
    if (choice == 2) bytes.erase(at, 1 + below(6));
    if (choice == 3) bytes.insert(at, other.substr(below(other.size()), 1 + below(30)));
    if (choice == 4) bytes.resize(at);
  }
  // Half of them with a length that is right, so that the header is looked at.
  if (below(2) == 0 && bytes.size() >= 4) {
    const auto end = bytes.find('}', 4);
    const auto size = end == std::string::npos ? bytes.size() - 4 : end - 3;
    for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<char>(size >> (8 * i) & 0xff);
  }
  return bytes;
}

void check(const Message& read, From from, const std::string& bytes) {
  const auto& header = read.header;
  ASSERT_FALSE(header.channels.empty());
  ASSERT_LE(header.channels.size(), max_channels);
  for (const auto channel : header.channels) ASSERT_NE(0u, channel);
  ASSERT_TRUE(bytes.ends_with(read.payload));
  if (header.op == Op::frame && header.text) {
    ASSERT_TRUE(text::valid_utf8(read.payload));
  }
  if (header.op == Op::open) {
    const auto query = json::parse(header.query_json);
    ASSERT_TRUE(query && query->is_object()) << header.query_json;
  }
  const auto again = encode(header, from, read.payload);
  if (!again) {
    ASSERT_EQ(413, again.error().status);  // JSON may grow a little on its way: escapes
    return;
  }
  const auto reread = decode(*again, from);
  ASSERT_TRUE(reread) << reread.error().message;
  ASSERT_EQ(header.op, reread->header.op);
  ASSERT_EQ(header.channels, reread->header.channels);
  ASSERT_EQ(header.query_json, reread->header.query_json);
  ASSERT_EQ(header.client_key, reread->header.client_key);
  ASSERT_EQ(header.scope, reread->header.scope);
  ASSERT_EQ(header.reason, reread->header.reason);
  ASSERT_EQ(read.payload, reread->payload);
}

TEST(RelayFramesFuzz, WhatIsReadCanBeWrittenAndReadAgain) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(fs::path(LECTERN_TEST_DATA) / ".." / "fuzz" / "relay")) {
    if (entry.path().extension() != ".bin") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    files[entry.path().filename()] = {std::istreambuf_iterator<char>(file), {}};
  }
  ASSERT_FALSE(files.empty());
  std::mt19937 random(20'240'609);
  int taken = 0, refused = 0;
  const auto each = [&](const std::string& bytes) {
    for (const auto from : {From::viewers, From::session}) {
      const auto read = decode(bytes, from);
      if (read) {
        ++taken;
        check(*read, from, bytes);
      } else {
        ++refused;
        ASSERT_NE("", read.error().message);
        ASSERT_TRUE(close_code(read.error()) == 1007 || close_code(read.error()) == 1009);
      }
    }
  };
  for (const auto& [name, bytes] : files) {
    SCOPED_TRACE(name);
    each(bytes);
    for (int i = 0; i < mutations && !::testing::Test::HasFailure(); ++i) {
      const auto other = std::next(files.begin(), static_cast<std::ptrdiff_t>(random() % files.size()))->second;
      each(mutate(bytes, other, random));
    }
  }
  EXPECT_GT(taken, 500) << "the mutations are too wild to test anything";
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace lectern::relay
