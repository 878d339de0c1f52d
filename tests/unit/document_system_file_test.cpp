// What a read says of the file's state: whether a later look at the state alone tells that the content is the same.
#include "document/system_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <functional>

#include "../support/notebook_formats.hpp"
#include "base/clock.hpp"

namespace lectern::document {
namespace {

TEST(ReadWhole, AFileThatWasJustWrittenMayChangeAgainInTheSameTick) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "n.ipynb";
  test::write_file(path, "one");
  // An hour ahead, so that it is new however long this test is held up.
  struct stat now {};
  ASSERT_EQ(::stat(path.c_str(), &now), 0);
  const timespec ahead{now.st_mtim.tv_sec + 3600, 0};
  const timespec times[] = {ahead, ahead};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  const auto read = read_whole(path, 1 << 20);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->bytes, "one");
  EXPECT_FALSE(read->settled);
}

TEST(ReadWhole, AFileThatWasLongLeftAloneIsKnownByItsState) {
  // Whatever is in the source tree was there before this program was built.
  const std::string path = std::filesystem::canonical(LECTERN_TEST_DATA "/notebooks/colab.ipynb");
  const auto read = read_whole(path, 1 << 30);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(read->settled);
  EXPECT_TRUE(is_in_state(path, read->state));
}

TEST(ReadWhole, WhereTimesAreFineAFileIsKnownByItsStateSoonAfterItWasWritten) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "n.ipynb";
  test::write_file(path, "one");
  auto read = read_whole(path, 1 << 20);
  ASSERT_TRUE(read);
  if (read->state.ctime_ns % 10'000'000 == 0) GTEST_SKIP() << "this file system's times may be coarse";
  const auto age_ms = [&] { return clock::wall_ms() - read->state.ctime_ns / 1'000'000; };
  while (!read->settled && age_ms() < 1'900) read = read_whole(path, 1 << 20);
  EXPECT_TRUE(read->settled);
  EXPECT_GE(age_ms(), 100) << "two changes in one tick have one time";
}

TEST(ReadWhole, AnotherContentOfTheSameSizeAndTimeIsAnotherState) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "n.ipynb";
  test::write_file(path, "one");
  struct stat before {};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  const auto read = read_whole(path, 1 << 20);
  ASSERT_TRUE(read);
  // Replaced, as savers do, with the time of the file before.
  test::write_file(folder / "n.new", "two");
  const timespec times[] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, (folder / "n.new").c_str(), times, 0), 0);
  std::filesystem::rename(folder / "n.new", path);
  EXPECT_FALSE(is_in_state(path, read->state));
  std::filesystem::remove(path);
  EXPECT_FALSE(is_in_state(path, read->state));
}

struct Pieces {
  std::string all;
  int begun = 0;
  Result<FileState> read(
      const std::string& path, const std::function<void()>& meanwhile = [] {}) {
    return read_in_pieces(
        path,
        [this] {
          ++begun;
          all.clear();
        },
        [&](std::string_view piece) {
          all += piece;
          meanwhile();
        });
  }
};

TEST(ReadInPieces, TheyAreTheFile) {
  const test::TemporaryFolder folder;
  std::string text;
  while (text.size() < 400'000) text += std::to_string(text.size()) + " ";
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{128} << 10, text.size()}) {
    const std::string path = folder / "n.ipynb";
    test::write_file(path, text.substr(0, size));
    Pieces pieces;
    const auto state = pieces.read(path);
    ASSERT_TRUE(state) << state.error().message;
    EXPECT_EQ(pieces.all, text.substr(0, size));
    EXPECT_EQ(pieces.begun, 1);
    EXPECT_TRUE(is_in_state(path, *state));
  }
  Pieces none;
  EXPECT_EQ(none.read(folder / "missing").error().code, "not_found");
  EXPECT_EQ(none.read(folder.path()).error().code, "is_a_folder");
}

TEST(ReadInPieces, AFileThatChangesMeanwhileIsReadAgain) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "n.ipynb";
  test::write_file(path, "one");
  Pieces pieces;
  const auto state = pieces.read(path, [&] {
    if (pieces.begun == 1) test::write_file(path, "another");
  });
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(pieces.all, "another");
  EXPECT_EQ(state->size, 7u);
  EXPECT_GE(pieces.begun, 2);

  Pieces never;
  std::size_t size = 7;
  const auto given_up = never.read(path, [&] { test::write_file(path, std::string(++size, 'x')); });
  ASSERT_FALSE(given_up);
  EXPECT_EQ(given_up.error().code, "conflict");
}

}  // namespace
}  // namespace lectern::document
