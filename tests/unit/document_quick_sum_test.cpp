#include <gtest/gtest.h>

#include <string>

#include "document/quick_sum.hpp"

namespace lectern::document {
namespace {

QuickSum::Value sum_of_pieces(std::string_view bytes, std::size_t piece) {
  QuickSum sum;
  for (std::size_t at = 0; at < bytes.size(); at += piece) sum.update(bytes.substr(at, piece));
  return sum.value();
}

TEST(QuickSumTest, IsTheSameHoweverTheContentIsCut) {
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += static_cast<char>(i * 7);
  for (const std::size_t size : {0, 1, 31, 32, 33, 64, 999, 1000}) {
    const auto content = std::string_view(bytes).substr(0, size);
    const auto whole = sum_of_pieces(content, 1000);
    for (const std::size_t piece : {1, 5, 31, 32, 33, 100}) EXPECT_EQ(sum_of_pieces(content, piece), whole) << size;
  }
}

TEST(QuickSumTest, ShowsEachBitAndEachByteMore) {
  std::string bytes(100, '\0');
  const auto sum = sum_of_pieces(bytes, 100);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      auto changed = bytes;
      changed[at] = static_cast<char>(1 << bit);
      EXPECT_NE(sum_of_pieces(changed, 100), sum) << at << " " << bit;
    }
  }
  EXPECT_NE(sum_of_pieces(bytes + std::string(1, '\0'), 200), sum);
  EXPECT_NE(sum_of_pieces(bytes.substr(1), 200), sum);
  EXPECT_NE(QuickSum().value(), sum_of_pieces(std::string(1, '\0'), 1));
}

}  // namespace
}  // namespace lectern::document
