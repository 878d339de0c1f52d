// Versions of the file in the state folder: what is kept, what goes, and that nothing else is touched.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "../support/notebook_formats.hpp"
#include "document/kept_copies.hpp"
#include "document/notebook_file.hpp"

namespace lectern::document {
namespace {

namespace fs = std::filesystem;
using test::ipynb;
using test::notebook_data;
using test::read_file;
using test::write_file;

constexpr std::int64_t hour = 3'600'000;
constexpr std::int64_t day = 24 * hour;
constexpr std::int64_t now = 20'000 * day + 12 * hour;

std::vector<std::string> names(const std::string& folder) {
  std::vector<std::string> found;
  for (const auto& item : fs::directory_iterator(folder)) found.push_back(item.path().filename().string());
  std::sort(found.begin(), found.end());
  return found;
}
void put(const test::TemporaryFolder& folder, std::int64_t at, std::size_t bytes = 10) {
  write_file(folder / (std::to_string(at) + "-a.ipynb"), std::string(bytes, 'x'));
}

TEST(KeptCopies, TwoInOneMillisecondAreTwo) {
  const test::TemporaryFolder folder;
  const auto one = keep_copy(folder / "copies", "a.ipynb", "one");
  const auto two = keep_copy(folder / "copies", "a.ipynb", "two");
  ASSERT_TRUE(one && two);
  EXPECT_NE(*one, *two);
  EXPECT_EQ(read_file(*one), "one");
  EXPECT_EQ(read_file(*two), "two");
  EXPECT_LT(newest_copy_age_ms(folder / "copies"), 60'000);
  EXPECT_GT(newest_copy_age_ms(folder / "none"), day * 365);
}

TEST(KeptCopies, OfOldDaysOneStaysAndOfLastMonthNone) {
  const test::TemporaryFolder folder;
  for (int i = 0; i < 5; ++i) put(folder, now - i * hour);
  for (int i = 0; i < 5; ++i) put(folder, now - 10 * day - i * hour);
  put(folder, now - 31 * day);
  write_file(folder / "notes.txt", "not ours");
  thin_copies(folder.path(), {}, now);
  const auto left = names(folder.path());
  EXPECT_EQ(left.size(), 5U + 1U + 1U);
  EXPECT_THAT(left, testing::Contains(std::to_string(now - 10 * day) + "-a.ipynb")) << "the newest of its day";
  EXPECT_THAT(left, testing::Contains("notes.txt"));
}

TEST(KeptCopies, CountAndSizeAreBoundedAndTheNewestAlwaysStays) {
  const test::TemporaryFolder folder;
  for (int i = 0; i < 9; ++i) put(folder, now - i * 1000, 100);
  CopyLimits limits;
  limits.most = 5;
  thin_copies(folder.path(), limits, now);
  EXPECT_EQ(names(folder.path()).size(), 5U);
  limits.most_bytes = 250;
  thin_copies(folder.path(), limits, now);
  EXPECT_EQ(names(folder.path()).size(), 2U);
  limits.most_bytes = 1;
  limits.longest_ms = 0;
  thin_copies(folder.path(), limits, now + day);
  EXPECT_THAT(names(folder.path()), testing::ElementsAre(std::to_string(now) + "-a.ipynb"));
}

SaveRequest request_for(const std::string& path, const std::string& keep_dir, const std::string& text) {
  SaveRequest request;
  request.path = path;
  request.format = ipynb();
  request.keep_dir = keep_dir;
  auto& cell = request.cells.emplace_back();
  cell.id = "c1";
  cell.cell_type = "markdown";
  cell.source = text;
  return request;
}

TEST(KeptCopies, ASaveKeepsWhatItReplacesNowAndThen) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "a.ipynb";
  std::optional<Fingerprint> last;
  std::string first;
  for (const char* text : {"one", "two", "three"}) {
    auto request = request_for(path, folder.path(), text);
    request.last_known = last;
    const auto saved = save(request);
    ASSERT_TRUE(saved.has_value()) << saved.error().message;
    last = saved->fingerprint;
    if (first.empty()) first = read_file(path);
  }
  const auto kept = names(folder / "copies");
  ASSERT_EQ(kept.size(), 1U) << "one every ten minutes";
  EXPECT_EQ(read_file(folder / ("copies/" + kept[0])), first);
  auto same = request_for(path, folder.path(), "three");
  same.last_known = last;
  const auto before = fs::last_write_time(path);
  const auto saved = save(same);
  ASSERT_TRUE(saved.has_value());
  EXPECT_TRUE(saved->unchanged);
  EXPECT_EQ(fs::last_write_time(path), before) << "what is there already is not written again";
}

}  // namespace
}  // namespace lectern::document
