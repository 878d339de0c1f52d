#include "base/deflate.hpp"

#include <gtest/gtest.h>

#include <random>

namespace lectern::testing {
namespace {

TEST(Deflate, GivesBackWhatItWasGiven) {
  std::mt19937 random(7);
  for (const std::size_t size : {0u, 1u, 100u, 8'192u, 70'000u}) {
    std::string alike, noise;
    while (alike.size() < size) alike += R"({"cell_id":"c)" + std::to_string(alike.size() % 10) + R"("})";
    while (noise.size() < size) noise += static_cast<char>(random());
    for (const auto& text : {alike, noise}) {
      const auto bytes = deflated(text);
      EXPECT_EQ(inflated(bytes, text.size()), text) << size;
      EXPECT_LE(bytes.size(), text.size() + text.size() / 100 + 64) << size;
    }
    if (size > 1'000) {
      EXPECT_LT(deflated(alike).size() * 10, alike.size());
    }
  }
}

}  // namespace
}  // namespace lectern::testing
