#include <gtest/gtest.h>

#include <string>

#include "document/content_sum.hpp"

namespace lectern::document {
namespace {

std::string sum_of_pieces(std::string_view bytes, std::size_t piece) {
  ContentSum sum;
  for (std::size_t at = 0; at < bytes.size(); at += piece) sum.update(bytes.substr(at, piece));
  return sum.hex();
}

TEST(ContentSumTest, IsTheOneThatOthersTellOfTheSameContent) {
  // As `xxh128sum` of the published implementation prints them.
  EXPECT_EQ(sum_of(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(ContentSum().hex(), sum_of(""));
}

TEST(ContentSumTest, IsTheSameHoweverTheContentIsCut) {
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += static_cast<char>(i * 7);
  for (const std::size_t size : {0, 1, 16, 17, 128, 129, 240, 241, 256, 999, 1000}) {
    const auto content = std::string_view(bytes).substr(0, size);
    for (const std::size_t piece : {1, 5, 31, 64, 100, 1000})
      EXPECT_EQ(sum_of_pieces(content, piece), sum_of(content)) << size;
  }
}

TEST(ContentSumTest, BeginsAnew) {
  ContentSum sum;
  sum.update("what was read before the file changed");
  sum.begin();
  sum.update("what it is now");
  EXPECT_EQ(sum.hex(), sum_of("what it is now"));
}

TEST(ContentSumTest, ShowsEachBitAndEachByteMore) {
  const std::string bytes(300, '\0');
  const auto sum = sum_of(bytes);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      auto changed = bytes;
      changed[at] = static_cast<char>(1 << bit);
      EXPECT_NE(sum_of(changed), sum) << at << " " << bit;
    }
  }
  EXPECT_NE(sum_of(bytes + std::string(1, '\0')), sum);
  EXPECT_NE(sum_of(bytes.substr(1)), sum);
}

}  // namespace
}  // namespace lectern::document
