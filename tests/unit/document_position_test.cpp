#include "document/position.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace lectern::document {
namespace {

TEST(Position, FollowsTheFractionalIndexOfLoro) {
  EXPECT_EQ(position_between({}, {}), "80");
  EXPECT_EQ(position_between("80", {}), "8180");
  EXPECT_EQ(position_between({}, "80"), "7F80");
  EXPECT_EQ(position_between("80", "8180"), "817F80");
  EXPECT_EQ(position_between("7F80", "8180"), "8080");
  EXPECT_EQ(position_between("FF80", {}), "FF8180");
  EXPECT_EQ(position_between({}, "0080"), "007F80");
}

TEST(Position, NothingLiesBetweenEqualsOrStrangers) {
  EXPECT_FALSE(position_between("80", "80"));
  EXPECT_FALSE(position_between("8180", "80"));
  EXPECT_FALSE(position_between("a", {}));
  EXPECT_FALSE(position_between("81", {}));
  EXPECT_FALSE(position_between("ff80", {}));
  EXPECT_FALSE(position_between("", "80"));
}

TEST(Position, AnyOrderOfInsertionsStaysSorted) {
  std::mt19937 random(3);
  std::vector<std::string> all;
  for (int i = 0; i < 3000; ++i) {
    const auto at = static_cast<std::size_t>(random() % (all.size() + 1));
    std::optional<std::string_view> left, right;
    if (at > 0) left = all[at - 1];
    if (at < all.size()) right = all[at];
    auto made = position_between(left, right);
    ASSERT_TRUE(made);
    all.insert(all.begin() + static_cast<std::ptrdiff_t>(at), std::move(*made));
  }
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

TEST(Position, ManyInARowStayShort) {
  const auto all = positions_for(1000);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_LE(all.back().size(), 24U);
}

}  // namespace
}  // namespace lectern::document
