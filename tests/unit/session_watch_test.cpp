// What happens to a watched file is told, whatever it is done with; with and without inotify.
#include "session/watch.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <vector>

#include "../support/notebook_formats.hpp"

namespace lectern::session {
namespace {

namespace fs = std::filesystem;
using Kind = FileWatch::Event::Kind;

class WatchTest : public testing::TestWithParam<bool> {
 protected:
  WatchTest() {
    FileWatch::Settings settings;
    settings.notify = GetParam();
    settings.poll_ms = GetParam() ? 60'000 : 20;
    settings.missing_ms = 60;
    watch_ = std::make_unique<FileWatch>(settings);
    test::write_file(file(), "one");
  }
  std::string file() const { return folder_ / "n.ipynb"; }
  FileWatch::Guard watch(const std::string& path) {
    return watch_->watch(path, [this](const FileWatch::Event& event) {
      const std::scoped_lock lock(mutex_);
      events_.push_back(event);
      changed_.notify_all();
    });
  }
  /// The next event of this kind; its path.
  std::string await(Kind kind) {
    std::unique_lock lock(mutex_);
    std::string path;
    const bool came = changed_.wait_for(lock, std::chrono::seconds(30), [&] {
      while (!events_.empty()) {
        const auto event = events_.front();
        events_.erase(events_.begin());
        if (event.kind != kind) continue;
        path = event.path;
        return true;
      }
      return false;
    });
    EXPECT_TRUE(came) << "the event did not come";
    return path;
  }
  test::TemporaryFolder folder_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<FileWatch::Event> events_;
  std::unique_ptr<FileWatch> watch_;
};

TEST_P(WatchTest, WritingInPlaceIsTold) {
  const auto guard = watch(file());
  test::write_file(file(), "two");
  EXPECT_EQ(await(Kind::touched), file());
}

TEST_P(WatchTest, RenamingOverItIsTold) {
  const auto guard = watch(file());
  test::write_file(folder_ / ".tmp", "two");
  fs::rename(folder_ / ".tmp", file());
  EXPECT_EQ(await(Kind::touched), file());
  test::write_file(file(), "three");
  EXPECT_EQ(await(Kind::touched), file());
}

TEST_P(WatchTest, DeletingAndMakingItAgainIsTold) {
  const auto guard = watch(file());
  fs::remove(file());
  EXPECT_EQ(await(Kind::gone), file());
  test::write_file(file(), "again");
  EXPECT_EQ(await(Kind::touched), file());
}

TEST_P(WatchTest, AMoveIsFollowedAlsoOutOfTheFolder) {
  const auto guard = watch(file());
  fs::create_directory(folder_ / "sub");
  fs::rename(file(), folder_ / "sub/m.ipynb");
  EXPECT_EQ(await(Kind::moved), folder_ / "sub/m.ipynb");
  test::write_file(folder_ / "sub/m.ipynb", "two");
  EXPECT_EQ(await(Kind::touched), folder_ / "sub/m.ipynb");
}

TEST_P(WatchTest, EditorsThatMoveTheOldOneAwayFirstMoveNothing) {
  const auto guard = watch(file());
  fs::rename(file(), file() + "~");
  test::write_file(file(), "two");
  EXPECT_EQ(await(Kind::touched), file());
}

TEST_P(WatchTest, AFileThatIsNotThereYetIsAwaited) {
  const auto guard = watch(folder_ / "later.ipynb");
  test::write_file(folder_ / "later.ipynb", "x");
  EXPECT_EQ(await(Kind::touched), folder_ / "later.ipynb");
}

TEST_P(WatchTest, NobodyIsToldAfterItsGuardIsGone) {
  auto other = watch(folder_ / "other.ipynb");
  { const auto guard = watch(file()); }
  test::write_file(file(), "two");
  test::write_file(folder_ / "other.ipynb", "x");
  EXPECT_EQ(await(Kind::touched), folder_ / "other.ipynb");
  watch_->stop();
  const std::scoped_lock lock(mutex_);
  for (const auto& event : events_) EXPECT_EQ(event.path, folder_ / "other.ipynb");
}

INSTANTIATE_TEST_SUITE_P(ByEventsAndByPolling, WatchTest, testing::Bool());

TEST(WatchPollTest, MovingTheFolderAboveIsNoticedByThePoll) {
  test::TemporaryFolder folder;
  fs::create_directories(folder / "a/b");
  test::write_file(folder / "a/b/n.ipynb", "one");
  FileWatch::Settings settings;
  settings.poll_ms = 20;
  settings.missing_ms = 40;
  std::mutex mutex;
  std::condition_variable changed;
  std::string moved;
  FileWatch watch(settings);
  const auto guard = watch.watch(folder / "a/b/n.ipynb", [&](const FileWatch::Event& event) {
    const std::scoped_lock lock(mutex);
    if (event.kind == Kind::moved) moved = event.path;
    changed.notify_all();
  });
  fs::rename(folder / "a", folder / "c");
  std::unique_lock lock(mutex);
  changed.wait_for(lock, std::chrono::seconds(30), [&] { return !moved.empty(); });
  EXPECT_EQ(moved, folder / "c/b/n.ipynb");
}

// The clock is no witness: a file may be written without its time changing.
TEST(WatchContentTest, AWriteThatKeepsTheTimeIsTold) {
  test::TemporaryFolder folder;
  const auto path = folder / "n.ipynb";
  test::write_file(path, "one");
  struct stat before {};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  FileWatch watch;
  std::mutex mutex;
  std::condition_variable changed;
  int told = 0;
  const auto guard = watch.watch(path, [&](const FileWatch::Event&) {
    const std::scoped_lock lock(mutex);
    ++told;
    changed.notify_all();
  });
  test::write_file(path, "two");
  const timespec times[] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return told > 0; }));
}

}  // namespace
}  // namespace lectern::session
