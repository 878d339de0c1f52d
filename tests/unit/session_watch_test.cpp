// What happens to a watched file is told, whatever it is done with; with and without inotify.
#include "session/watch.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <utility>
#include <vector>

#include "../support/notebook_formats.hpp"

namespace lectern::session {
namespace {

namespace fs = std::filesystem;
using Kind = FileWatch::Event::Kind;

class WatchTest : public ::testing::TestWithParam<bool> {
 protected:
  WatchTest() {
    settings_.notify = GetParam();
    settings_.poll_ms = GetParam() ? 60'000 : 20;
    settings_.missing_ms = 60;
    test::write_file(file(), "one");
  }
  std::string file() const { return folder_ / "n.ipynb"; }
  FileWatch::Guard begin(const std::string& path, HeldFile held = {}) {
    if (!watch_) watch_ = std::make_unique<FileWatch>(settings_);
    const auto told = [this](const FileWatch::Event& event) {
      const std::scoped_lock lock(mutex_);
      events_.push_back(event);
      changed_.notify_all();
    };
    return watch_->watch(path, told, std::move(held));
  }
  /// Of a file that is there; the watch stands.
  FileWatch::Guard watch(const std::string& path) {
    auto guard = begin(path);
    EXPECT_EQ(await(Kind::touched), path);
    return guard;
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
  FileWatch::Settings settings_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<FileWatch::Event> events_;
  std::unique_ptr<FileWatch> watch_;
};

TEST_P(WatchTest, WritingInPlaceIsTold) {
  const auto guard = watch(file());
  test::write_file(file(), "another");  // another size: two writes may have the same time
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
  settings_.missing_ms = 60'000;  // whatever time the editor takes
  const auto guard = watch(file());
  fs::rename(file(), file() + "~");
  test::write_file(file(), "two");
  EXPECT_EQ(await(Kind::touched), file());
}

TEST_P(WatchTest, WhatHappensBetweenHoldingAndWatchingIsTold) {
  test::write_file(folder_ / "gone.ipynb", "one");
  auto moved = hold_file(file()), gone = hold_file(folder_ / "gone.ipynb");
  fs::rename(file(), folder_ / "m.ipynb");
  fs::remove(folder_ / "gone.ipynb");
  const auto first = begin(file(), std::move(moved));
  EXPECT_EQ(await(Kind::moved), folder_ / "m.ipynb");
  const auto second = begin(folder_ / "gone.ipynb", std::move(gone));
  EXPECT_EQ(await(Kind::gone), folder_ / "gone.ipynb");
}

TEST_P(WatchTest, AFileThatIsNotThereYetIsAwaited) {
  const auto guard = begin(folder_ / "later.ipynb");
  test::write_file(folder_ / "later.ipynb", "x");
  EXPECT_EQ(await(Kind::touched), folder_ / "later.ipynb");
}

TEST_P(WatchTest, NobodyIsToldAfterItsGuardIsGone) {
  const auto other = begin(folder_ / "other.ipynb");
  { const auto guard = watch(file()); }
  test::write_file(file(), "two");
  test::write_file(folder_ / "other.ipynb", "x");
  EXPECT_EQ(await(Kind::touched), folder_ / "other.ipynb");
  watch_->stop();
  const std::scoped_lock lock(mutex_);
  for (const auto& event : events_) EXPECT_EQ(event.path, folder_ / "other.ipynb");
}

// What holds one thread up, as a mount that hangs does, holds nobody up whose file is elsewhere.
TEST_P(WatchTest, AFileSystemThatHangsStopsItsOwnFilesAlone) {
  const auto slow = hold_file("/dev/shm/lectern-watch-test-" + std::to_string(::getpid()));
  if (slow.device == 0 || slow.device == hold_file(file()).device) GTEST_SKIP() << "there is one file system";
  const std::string there = "/dev/shm/lectern-watch-test-" + std::to_string(::getpid());
  test::write_file(there, "one");
  watch_ = std::make_unique<FileWatch>(settings_);
  std::promise<void> hangs, released;
  auto until = released.get_future().share();
  auto guard_there = watch_->watch(
      there,
      [&, first = true](const FileWatch::Event&) mutable {
        if (!std::exchange(first, false)) return;
        hangs.set_value();
        until.wait();
      },
      hold_file(there));
  hangs.get_future().wait();
  const auto guard = begin(file(), hold_file(file()));
  EXPECT_EQ(await(Kind::touched), file());
  test::write_file(file(), "another");
  EXPECT_EQ(await(Kind::touched), file());
  released.set_value();
  watch_->stop();
  fs::remove(there);
}

INSTANTIATE_TEST_SUITE_P(ByEventsAndByPolling, WatchTest, ::testing::Bool());

TEST(WatchPollTest, MovingTheFolderAboveIsNoticedByThePoll) {
  test::TemporaryFolder folder;
  fs::create_directories(folder / "a/b");
  test::write_file(folder / "a/b/n.ipynb", "one");
  FileWatch::Settings settings;
  settings.poll_ms = 20;
  settings.missing_ms = 40;
  std::mutex mutex;
  std::condition_variable changed;
  bool stands = false;
  std::string moved;
  FileWatch watch(settings);
  const auto guard = watch.watch(folder / "a/b/n.ipynb", [&](const FileWatch::Event& event) {
    const std::scoped_lock lock(mutex);
    stands = true;
    if (event.kind == Kind::moved) moved = event.path;
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return stands; }));
  fs::rename(folder / "a", folder / "c");
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
  const auto told_more_than = [&](int often) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(30), [&] { return told > often; });
  };
  ASSERT_TRUE(told_more_than(0)) << "the watch stands";
  test::write_file(path, "two");
  const timespec times[] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  EXPECT_TRUE(told_more_than(1));
}

}  // namespace
}  // namespace lectern::session
