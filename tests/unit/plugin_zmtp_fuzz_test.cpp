// Replays the corpus of tests/fuzz/zmtp and seeded mutations of it through the decoder of runtime-jupyter: it says the
// same wherever the bytes are cut, keeps its bounds, and what it reads can be written and read again.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "../../plugins/runtime-jupyter/zmtp_codec.hpp"

namespace jupyter::zmtp {
namespace {

namespace fs = std::filesystem;

constexpr int mutations = 400;  // of each file; the run stays under a second

struct Heard {
  bool taken = false, ready = false;
  std::vector<std::vector<std::string>> messages;
  std::string answers, problem;
  std::size_t dropped = 0;
  friend bool operator==(const Heard&, const Heard&) = default;
};

Heard hear(std::string_view bytes, std::size_t at_once) {
  Decoder decoder;
  Heard heard;
  heard.taken = true;
  while (!bytes.empty() && heard.taken) {
    const auto count = std::min(bytes.size(), at_once);
    heard.taken = decoder.take(bytes.substr(0, count));
    bytes.remove_prefix(count);
  }
  heard.ready = decoder.is_ready();
  heard.answers = decoder.take_answers();
  heard.problem = decoder.problem();
  heard.dropped = decoder.dropped();
  while (const auto message = decoder.next()) {
    auto& parts = heard.messages.emplace_back();
    for (std::size_t i = 0; i < message->size(); ++i) parts.emplace_back(message->at(i));
  }
  return heard;
}

std::string mutate(std::string bytes, const std::string& other, std::mt19937& random) {
  const auto below = [&](std::size_t limit) { return limit == 0 ? 0 : random() % limit; };
  // Mostly behind the greeting: what breaks that ends there.
  const std::size_t from = below(8) == 0 || bytes.size() < 64 ? 0 : 64;
  for (auto count = 1 + below(3); count > 0; --count) {
    const auto at = std::min(bytes.size(), from + below(bytes.size() + 1 - std::min(from, bytes.size())));
    const auto choice = below(5);
    if (choice == 0 && at < bytes.size()) bytes[at] = static_cast<char>(random());
    if (choice == 1) bytes.insert(at, 1, static_cast<char>(below(8)));
    if (choice == 2) bytes.erase(at, 1 + below(6));
    if (choice == 3) bytes.insert(at, other.substr(below(other.size()), 1 + below(30)));
    if (choice == 4) bytes.resize(at);
  }
  return bytes;
}

void check(const std::string& bytes, const Heard& heard) {
  ASSERT_EQ(heard.taken, heard.problem.empty());
  ASSERT_TRUE(heard.messages.empty() || heard.ready);
  ASSERT_LE(heard.answers.size(), 128u << 10u);
  auto again = greeting() + ready(SocketType::dealer, "again");
  std::size_t sum = 0;
  for (const auto& parts : heard.messages) {
    ASSERT_FALSE(parts.empty());
    for (std::size_t i = 0; i < parts.size(); ++i) {
      sum += parts[i].size();
      append_part(again, parts[i], i + 1 < parts.size());
    }
  }
  ASSERT_LE(sum, bytes.size());
  const auto reread = hear(again, again.size());
  ASSERT_TRUE(reread.taken) << reread.problem;
  ASSERT_EQ(reread.messages, heard.messages);
}

TEST(ZmtpFuzz, SaysTheSameWhereverTheBytesAreCutAndKeepsItsBounds) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(fs::path(LECTERN_TEST_DATA) / ".." / "fuzz" / "zmtp")) {
    if (entry.path().extension() != ".bin") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    files[entry.path().filename()] = {std::istreambuf_iterator<char>(file), {}};
  }
  ASSERT_FALSE(files.empty());
  std::mt19937 random(20'260'122);
  int taken = 0, refused = 0;
  const auto each = [&](const std::string& bytes) {
    const auto heard = hear(bytes, bytes.size());
    ++(heard.messages.empty() ? refused : taken);
    check(bytes, heard);
    for (const std::size_t at_once : {std::size_t{1}, 2 + random() % 70}) {
      ASSERT_EQ(heard, hear(bytes, at_once));
    }
  };
  for (const auto& [name, bytes] : files) {
    SCOPED_TRACE(name);
    each(bytes);
    for (int i = 0; i < mutations && !::testing::Test::HasFailure(); ++i) {
      const auto other = std::next(files.begin(), static_cast<std::ptrdiff_t>(random() % files.size()))->second;
      each(mutate(bytes, other.empty() ? bytes : other, random));
    }
  }
  EXPECT_GT(taken, 500) << "the mutations are too wild to test anything";
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace jupyter::zmtp
