// A file that is to be new: whole or not there, and never over another.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "document/atomic_file.hpp"

namespace lectern::document {
namespace {

namespace fs = std::filesystem;

class CreateFile : public ::testing::Test {
 protected:
  CreateFile() {
    std::string pattern = (fs::temp_directory_path() / "lectern-create-XXXXXX").string();
    folder_ = fs::canonical(::mkdtemp(pattern.data()));
  }
  ~CreateFile() override { fs::remove_all(folder_); }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  [[nodiscard]] std::string content(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  fs::path folder_;
};

TEST_F(CreateFile, WritesANewFileAndReplacesNone) {
  EXPECT_TRUE(create_file(path("a"), "first", 0600));
  const auto again = create_file(path("a"), "second", 0600);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().status, 409);
  EXPECT_EQ(again.error().code, "path_exists");
  EXPECT_EQ(content("a"), "first");
  fs::create_directory(path("folder"));
  EXPECT_EQ(create_file(path("folder"), "x", 0600).error().code, "path_exists");
  fs::create_symlink("nowhere", path("link"));
  EXPECT_EQ(create_file(path("link"), "x", 0600).error().code, "path_exists");
  EXPECT_EQ(files(), 3U) << "a temporary file was left behind";
}

TEST_F(CreateFile, OfManyAtOnceExactlyOneWins) {
  std::atomic<int> won{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] { won += create_file(path("a"), std::to_string(i), 0600) ? 1 : 0; });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(files(), 1U);
}

TEST_F(CreateFile, SaysWhatIsWrongWithTheFolder) {
  EXPECT_EQ(create_file(path("none/a"), "x", 0600).error().code, "not_found");
}

}  // namespace
}  // namespace lectern::document
