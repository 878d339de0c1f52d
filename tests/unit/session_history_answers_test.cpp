#include "session/history_answers.hpp"

#include <gtest/gtest.h>

#include "session_support.hpp"

namespace lectern::session {
namespace {

TEST(KeptCopies, AreTheFilesOfTheFolderThatCanBeMeasured) {
  const testing::TempFolder folder;
  EXPECT_TRUE(kept_copies(folder.path()).empty()) << "no folder, no copies";
  const auto copies = folder.path() / "copies";
  std::filesystem::create_directories(copies / "3-folder.ipynb");
  std::filesystem::create_symlink(copies / "nowhere", copies / "4-gone.ipynb");
  std::ofstream(copies / "1-a.ipynb") << "one";
  std::ofstream(copies / "2-b.ipynb") << "three";
  std::ofstream(copies / "other") << "not ours";
  const auto found = kept_copies(folder.path());
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].version, "copy-2");
  EXPECT_EQ(found[0].name, "b.ipynb");
  EXPECT_EQ(found[0].bytes, 5u);
  EXPECT_EQ(found[1].version, "copy-1");
  EXPECT_EQ(found[1].bytes, 3u);
}

}  // namespace
}  // namespace lectern::session
