// Where what a dying host renamed is to be found, and how long.
#include <gtest/gtest.h>

#include <fstream>

#include "../support/notebook_formats.hpp"
#include "document/moves_since_crash.hpp"

namespace lectern::document {
namespace {

class MovesSinceCrashTest : public ::testing::Test {
 protected:
  void SetUp() override { moves_.add(at("a"), at("b")); }
  [[nodiscard]] std::string at(const std::string& name) const { return folder_.path() + "/" + name; }
  test::TemporaryFolder folder_;
  MovesSinceCrash moves_;
};

TEST_F(MovesSinceCrashTest, FollowWhatIsRenamedOnceMore) {
  EXPECT_EQ(moves_.place_of(at("a/n.ipynb")), at("b/n.ipynb"));
  moves_.renamed(at("b"), at("c/d"));
  moves_.renamed(at("c"), at("e"));
  EXPECT_EQ(moves_.place_of(at("a/n.ipynb")), at("e/d/n.ipynb"));
}

TEST_F(MovesSinceCrashTest, OfSeveralLeadToWhereTheLastOneLeft) {
  moves_.add(at("b"), at("c"));
  EXPECT_EQ(moves_.place_of(at("a/n.ipynb")), at("c/n.ipynb"));
  EXPECT_EQ(moves_.place_of(at("b/n.ipynb")), at("c/n.ipynb"));
  moves_.add(at("c/n.ipynb"), at("o.ipynb"));
  EXPECT_EQ(moves_.place_of(at("a/n.ipynb")), at("o.ipynb"));
  EXPECT_EQ(moves_.place_of(at("a/m.ipynb")), at("c/m.ipynb"));
}

TEST_F(MovesSinceCrashTest, LeadToNothingThatWasDeleted) {
  moves_.removed(at("b"));
  EXPECT_EQ(moves_.place_of(at("a")), "");
}

TEST_F(MovesSinceCrashTest, EndWhenSomethingElseIsThere) {
  std::ofstream(at("a")) << "x";
  EXPECT_EQ(moves_.place_of(at("a")), "");
  moves_.add(at("f"), at("g"));
  moves_.taken(at("f"));
  EXPECT_EQ(moves_.place_of(at("f")), "");
}

}  // namespace
}  // namespace lectern::document
