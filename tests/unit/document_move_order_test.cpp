// What is known of moves that are told late, and how much of it is kept.
#include <gtest/gtest.h>

#include "document/move_order.hpp"

namespace lectern::document {
namespace {

TEST(MoveOrderTest, NumbersGrow) {
  MoveOrder moves;
  const auto first = moves.next();
  EXPECT_GT(moves.next(), first);
  EXPECT_GE(MoveOrder().next(), first) << "for a host that starts later, too";
}

TEST(MoveOrderTest, OneThatIsToldLateGoesAlongWithTheFoldersThatWereMovedSince) {
  MoveOrder moves;
  moves.folder_told("/z", "/never", 1);
  moves.folder_told("/e", "/f", 5);  // told in the wrong order
  moves.folder_told("/d", "/e", 4);
  EXPECT_EQ(moves.told("n", "/d/b", 3), "/f/b");
  EXPECT_EQ(moves.told("n", "/z/b", 6), "/z/b");
  EXPECT_EQ(moves.told("n", "/late", 2), std::nullopt);
  EXPECT_TRUE(moves.moved_since("n", 5));
  EXPECT_FALSE(moves.moved_since("n", 6));
}

TEST(MoveOrderTest, OfAllThatEverMovedTheNewestAreKnown) {
  MoveOrder moves;
  const auto most = MoveOrder::most;
  for (std::uint64_t i = 1; i <= 3 * most; ++i) {
    (void)moves.told("n" + std::to_string(i), "/p", i);
    moves.folder_told("/d" + std::to_string(i), "/e", i);
  }
  std::size_t known = 0;
  for (std::uint64_t i = 1; i <= 3 * most; ++i) {
    if (moves.moved_since("n" + std::to_string(i), 0)) ++known;
  }
  EXPECT_LE(known, most);
  EXPECT_GE(known, most / 2);
  EXPECT_TRUE(moves.moved_since("n" + std::to_string(3 * most), 0));
  EXPECT_EQ(moves.told("x", "/d1/a", 0), "/d1/a") << "so with folders";
  EXPECT_EQ(moves.told("y", "/d" + std::to_string(3 * most) + "/a", 0), "/e/a");
}

}  // namespace
}  // namespace lectern::document
