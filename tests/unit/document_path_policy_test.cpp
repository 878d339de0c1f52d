#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "../support/notebook_formats.hpp"
#include "document/path_policy.hpp"
#include "document/system_file.hpp"

namespace lectern::document {
namespace {

namespace fs = std::filesystem;
using test::write_file;

class PathPolicyTest : public testing::Test {
 protected:
  PathPolicyTest() {
    fs::create_directories(root() + "/sub/deep");
    fs::create_directories(outer_ / "secret");
    write_file(root() + "/a.ipynb", "{}");
    write_file(root() + "/sub/b.ipynb", "{}");
    write_file(outer_ / "secret/s.ipynb", "{}");
  }
  std::string root() const { return outer_ / "root"; }
  PathPolicy policy() { return *PathPolicy::create(root()); }
  void link(const std::string& target, const std::string& name) { fs::create_symlink(target, root() + "/" + name); }
  std::string code(const std::string& path) {
    const auto result = policy().resolve(path);
    return result ? "ok " + result->relative : result.error().code;
  }
  test::TemporaryFolder outer_;
};

TEST_F(PathPolicyTest, ResolvesRelativeAndAbsolutePathsInside) {
  EXPECT_EQ(code("a.ipynb"), "ok a.ipynb");
  EXPECT_EQ(code("./sub//b.ipynb"), "ok sub/b.ipynb");
  EXPECT_EQ(code("sub/../a.ipynb"), "ok a.ipynb");
  EXPECT_EQ(code(root() + "/sub/b.ipynb"), "ok sub/b.ipynb");
  EXPECT_EQ(code(""), "ok ");
  EXPECT_EQ(code("/"), "outside_root");
  const auto file = policy().resolve("sub/b.ipynb");
  EXPECT_EQ(file->path, root() + "/sub/b.ipynb");
  EXPECT_EQ(file->kind, PathKind::file);
  EXPECT_TRUE(file->writable);
}

TEST_F(PathPolicyTest, AMissingFileIsFineAMissingFolderIsNot) {
  const auto missing = policy().resolve("sub/new.ipynb");
  ASSERT_TRUE(missing.has_value());
  EXPECT_EQ(missing->kind, PathKind::missing);
  EXPECT_EQ(missing->path, root() + "/sub/new.ipynb");
  EXPECT_TRUE(missing->writable);
  EXPECT_EQ(code("nowhere/new.ipynb"), "not_found");
  EXPECT_EQ(code("a.ipynb/new.ipynb"), "not_found");
}

TEST_F(PathPolicyTest, NothingLeadsOut) {
  link("../secret", "relative");
  link(outer_ / "secret", "absolute");
  link("../secret/s.ipynb", "file.ipynb");
  link("sub/../../secret", "winding");
  link("relative", "chain");
  link("../secret/not-yet.ipynb", "dangling.ipynb");
  link("/proc/self/root", "magic");
  for (const char* path :
       {"..", "../secret/s.ipynb", "sub/../../secret/s.ipynb", "relative/s.ipynb", "absolute/s.ipynb", "file.ipynb",
        "winding/s.ipynb", "chain/s.ipynb", "dangling.ipynb", "magic/etc/passwd", "../root2/x", "/etc/passwd"}) {
    EXPECT_EQ(code(path), "outside_root") << path;
  }
  EXPECT_EQ(code(outer_ / "secret/s.ipynb"), "outside_root");
  EXPECT_EQ(code(root() + "2/a.ipynb"), "outside_root") << "a name that begins like the root";
  EXPECT_EQ(policy().resolve("../x").error().status, 403);
}

TEST_F(PathPolicyTest, LinksThatStayInsideAreFollowed) {
  link("sub", "inner");
  link(root() + "/sub/b.ipynb", "deep.ipynb");
  link("../../a.ipynb", "sub/deep/up.ipynb");
  EXPECT_EQ(code("inner/b.ipynb"), "ok sub/b.ipynb");
  EXPECT_EQ(code("deep.ipynb"), "ok sub/b.ipynb");
  EXPECT_EQ(code("sub/deep/up.ipynb"), "ok a.ipynb");
  EXPECT_EQ(code("inner/../a.ipynb"), "ok a.ipynb");
}

TEST_F(PathPolicyTest, ARootBehindALinkIsTheSameRoot) {
  fs::create_symlink(root(), outer_ / "alias");
  const auto through = PathPolicy::create(outer_ / "alias");
  EXPECT_EQ(through->root(), root());
  EXPECT_EQ(through->resolve(outer_ / "alias/a.ipynb")->path, root() + "/a.ipynb");
  EXPECT_EQ(policy().resolve(outer_ / "alias/a.ipynb")->path, root() + "/a.ipynb");
}

TEST_F(PathPolicyTest, BadTextIsRefused) {
  link("loop", "loop");
  for (const std::string& path : {std::string("a\0b", 3), std::string("a\nb"), std::string("\xFF"),
                                  std::string(5000, 'a'), std::string(300, 'a'), std::string("loop")}) {
    EXPECT_EQ(code(path), "bad_path");
  }
}

TEST_F(PathPolicyTest, AFileWithoutWriteBitsIsReadOnlyForEverybody) {
  fs::permissions(root() + "/a.ipynb", fs::perms::owner_read);
  EXPECT_FALSE(policy().resolve("a.ipynb")->writable);
}

TEST_F(PathPolicyTest, ListsWhatMayBeOpened) {
  link("../secret", "out");
  link("sub", "inner");
  link("gone", "dangling");
  write_file(root() + "/.hidden", "x");
  ASSERT_EQ(::mkfifo((root() + "/pipe").c_str(), 0600), 0);
  const auto entries = policy().list("");
  ASSERT_TRUE(entries.has_value());
  std::vector<std::string> names;
  for (const auto& entry : *entries) names.push_back(entry.name);
  EXPECT_THAT(names, testing::ElementsAre("inner", "sub", "a.ipynb"));
  EXPECT_EQ((*entries)[2].size, 2u);
  EXPECT_GT((*entries)[2].modified_ms, 1'000'000'000'000);
  EXPECT_EQ((*entries)[1].kind, PathKind::folder);
  EXPECT_EQ(policy().list("sub")->front().relative, "sub/deep");
  EXPECT_EQ(policy().list("..").error().code, "outside_root");
  EXPECT_EQ(policy().list("a.ipynb").error().code, "not_a_folder");
  EXPECT_EQ(policy().list("nope").error().code, "not_found");
  EXPECT_EQ(policy().list("", 1)->size(), 1u);
}

TEST_F(PathPolicyTest, ALinkPutInTheWayAfterResolvingIsNotFollowed) {
  const auto file = policy().resolve("sub/b.ipynb");
  fs::rename(root() + "/sub", root() + "/was-sub");
  fs::create_symlink(outer_ / "secret", root() + "/sub");
  write_file(outer_ / "secret/b.ipynb", "not yours");
  const auto opened = open_no_links(file->path, O_RDONLY);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, "outside_root");
}

TEST(PathPolicy, ARootThatIsNotThereIsRefused) {
  EXPECT_EQ(PathPolicy::create("/nowhere/at/all").error().code, "not_found");
  EXPECT_EQ(PathPolicy::create("/proc/version").error().code, "bad_root");
}

}  // namespace
}  // namespace lectern::document
