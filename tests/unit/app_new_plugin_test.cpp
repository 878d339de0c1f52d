// `lectern new-plugin` on the templates of the source tree. That what it makes builds and loads: tests/consumer/run.sh.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "../support/failing_folders.hpp"
#include "app/new_plugin.hpp"

namespace lectern::app {
namespace {
namespace fs = std::filesystem;

class NewPluginTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "lectern-new-plugin-XXXXXX").string();
    base_ = ::mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(base_); }
  NewPlugin wanted(const std::string& id, const std::string& kind) {
    return {id, kind, "c++", base_ / id, fs::path(LECTERN_TEST_DATA) / "../../sdk/templates"};
  }
  std::string read(const fs::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  fs::path base_;
};

TEST_F(NewPluginTest, EveryKindGetsTheNewNameEverywhere) {
  for (const std::string kind : {"policy", "transport", "format", "presence", "runtime"}) {
    const auto made = new_plugin(wanted("two-words-" + kind, kind));
    ASSERT_TRUE(made) << made.error().message;
    const auto file = "two_words_" + kind + ".cpp";
    EXPECT_EQ(*made, (std::vector<std::string>{"CMakeLists.txt", file}));
    const auto folder = base_ / ("two-words-" + kind);
    const auto code = read(folder / file);
    const auto build = read(folder / "CMakeLists.txt");
    EXPECT_NE(code.find("class TwoWords"), code.find("struct TwoWords")) << kind;
    EXPECT_NE(build.find("lectern_add_plugin(two-words-" + kind + " KIND " + kind), std::string::npos) << build;
    for (const auto& text : {code, build}) {
      for (const char* old : {"my-plugin", "my_plugin", "MyPlugin"})
        EXPECT_EQ(text.find(old), std::string::npos) << old;
    }
  }
}

TEST_F(NewPluginTest, ATemplateThatCannotBeListedLeavesNothing) {
  {
    const test::FolderFails after(2);
    const auto made = new_plugin(wanted("unread", "policy"));
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, "io") << made.error().message;
    EXPECT_TRUE(after.failed());
  }
  EXPECT_FALSE(fs::exists(base_ / "unread"));
}

TEST_F(NewPluginTest, APolicyComesInCToo) {
  auto policy = wanted("in-c", "policy");
  policy.lang = "c";
  const auto made = new_plugin(policy);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(*made, (std::vector<std::string>{"CMakeLists.txt", "in_c.c"}));
  auto format = wanted("no-c", "format");
  format.lang = "c";
  EXPECT_EQ(new_plugin(format).error().code, "unknown_lang");
  format.lang = "rust";
  EXPECT_EQ(new_plugin(format).error().code, "unknown_lang");
  EXPECT_FALSE(fs::exists(base_ / "no-c"));
}

TEST_F(NewPluginTest, NamesThatCannotBeAreRefused) {
  for (const std::string id : {"", "My-Policy", "a_b", "3d", "-a", "a-", "a b", "../a", "policy\xC3\xA9"}) {
    const auto made = new_plugin(wanted(id, "policy"));
    ASSERT_FALSE(made) << id;
    EXPECT_EQ(made.error().code, "bad_name") << id;
  }
  EXPECT_FALSE(new_plugin(wanted(std::string(65, 'a'), "policy")));
  EXPECT_TRUE(new_plugin(wanted(std::string(64, 'a'), "policy")));
}

TEST_F(NewPluginTest, NothingIsOverwritten) {
  ASSERT_TRUE(new_plugin(wanted("mine", "policy")));
  std::ofstream(base_ / "mine/mine.cpp") << "precious";
  const auto again = new_plugin(wanted("mine", "policy"));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().status, 409);
  EXPECT_NE(again.error().hint.find("--into"), std::string::npos);
  EXPECT_EQ(read(base_ / "mine/mine.cpp"), "precious");

  std::ofstream(base_ / "file") << "a file";
  EXPECT_EQ(new_plugin(wanted("file", "policy")).error().code, "exists");
  fs::create_directory(base_ / "empty");
  EXPECT_TRUE(new_plugin(wanted("empty", "policy"))) << "an empty folder is as good as none";
}

TEST_F(NewPluginTest, WhatIsMissingIsNamed) {
  const auto kind = new_plugin(wanted("a", "polizei"));
  ASSERT_FALSE(kind);
  EXPECT_EQ(kind.error().code, "unknown_kind");
  EXPECT_NE(kind.error().hint.find("presence"), std::string::npos);
  auto elsewhere = wanted("a", "policy");
  elsewhere.templates = base_;
  const auto templates = new_plugin(elsewhere);
  ASSERT_FALSE(templates);
  EXPECT_EQ(templates.error().code, "no_templates");
  EXPECT_FALSE(fs::exists(base_ / "a"));
}

TEST_F(NewPluginTest, TheNextStepsNameTheFolderAndThePolicy) {
  const auto text = next_steps(wanted("mine", "policy"));
  EXPECT_NE(text.find((base_ / "mine/build").string()), std::string::npos) << text;
  EXPECT_NE(text.find("--policy mine"), std::string::npos) << text;
  EXPECT_EQ(next_steps(wanted("mine", "format")).find("--policy"), std::string::npos);
}

}  // namespace
}  // namespace lectern::app
