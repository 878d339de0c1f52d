// Blobs and the disk: durable names, who waits for them, and files that are there but cannot be read.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <string>

#include "../support/notebook_formats.hpp"
#include "../support/syncing.hpp"
#include "base/crypto.hpp"
#include "base/workers.hpp"
#include "runtime/blobs.hpp"

namespace lectern::runtime {
namespace {

namespace fs = std::filesystem;

/// As long as it lives, nothing can be opened.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    auto none = before_;
    none.rlim_cur = 0;
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

class BlobsTest : public ::testing::Test {
 protected:
  void put() {  // by a host of its own, whose end waits for the disk
    BlobStore blobs(directory_, workers_);
    EXPECT_EQ(blobs.put(bytes_, "image/png").sha256, sha256_);
  }
  test::TemporaryFolder folder_;
  Workers workers_{1};
  const std::string bytes_ = "bytes of a plot", sha256_ = crypto::sha256_hex(bytes_);
  const fs::path directory_ = fs::canonical(folder_.path()) / "blobs", in_ = directory_ / sha256_.substr(0, 2),
                 file_ = in_ / sha256_.substr(2);
};

TEST_F(BlobsTest, NamesAreDurableToo) {
  std::set<fs::path> durable;  // names that were there when their folder was synced
  const test::Syncing syncing([&](const fs::path& path) {
    for (const auto& name : {file_, in_, directory_}) {
      if (path == name.parent_path() && fs::exists(name)) durable.insert(name);
    }
    return true;
  });
  put();
  EXPECT_EQ(durable, (std::set{file_, in_, directory_}));
  durable.clear();
  put();
  EXPECT_EQ(durable, (std::set{file_, in_, directory_})) << "the host that named them may have been killed before";
}

TEST_F(BlobsTest, OneThatIsNotDurableStaysInMemory) {
  const std::string large(BlobStore::cache_bytes + 1, 'x');
  const auto in = directory_ / crypto::sha256_hex(large).substr(0, 2);
  for (const bool works : {true, false}) {
    const test::Syncing syncing([&](const fs::path& path) { return works || path != in; });
    BlobStore blobs(directory_, workers_);
    const auto name = blobs.put(large, "image/png").sha256;
    std::promise<void> done;
    blobs.when_written([&](const std::string& one) { return one == name; }, [&] { done.set_value(); });
    done.get_future().wait();
    EXPECT_EQ(blobs.cached(name).bytes == nullptr, works);
  }
}

TEST_F(BlobsTest, PutAgainIsTriedAgain) {
  { std::ofstream(directory_) << "in the way of the folder"; }
  BlobStore blobs(directory_, workers_);
  const auto put = [&] {
    std::promise<void> tried;
    blobs.put(bytes_, "image/png");
    blobs.when_written([&](const std::string& sha256) { return sha256 == sha256_; }, [&] { tried.set_value(); });
    tried.get_future().wait();
  };
  put();
  fs::remove(directory_);
  put();
  EXPECT_TRUE(fs::exists(file_));
}

TEST_F(BlobsTest, WhoWaitsForSomeOfThemWaitsForNoOther) {
  BlobStore blobs(directory_, workers_);
  std::promise<void> first_may, second_may, all;
  std::atomic<int> first = 0, others = 0;
  const auto wait_for = [&](const std::string& name, std::atomic<int>& count) {
    blobs.when_written([name](const std::string& one) { return one == name; }, [&count] { ++count; });
  };
  workers_.submit([may = first_may.get_future().share()] { may.wait(); });
  const auto one = blobs.put("one", "image/png").sha256;
  workers_.submit([&first, may = second_may.get_future().share()] {
    EXPECT_EQ(first, 1) << "written before this";
    may.wait();
  });
  const auto two = blobs.put("two", "image/png").sha256;
  wait_for(one, first);
  wait_for(two, others);
  wait_for(sha256_, others);
  EXPECT_EQ(first, 0);
  EXPECT_EQ(others, 1) << "one that nobody put is not on its way";
  first_may.set_value();
  blobs.when_written([](const std::string&) { return true; }, [&all] { all.set_value(); });
  second_may.set_value();
  all.get_future().wait();
  EXPECT_EQ(others, 2);
  wait_for(two, others);
  EXPECT_EQ(others, 3) << "at once";
}

TEST_F(BlobsTest, OnlyOneThatIsNotThereIsGone) {
  const BlobStore blobs(directory_, workers_);
  EXPECT_EQ(blobs.get(sha256_).error().code, "blob_not_found");
  put();
  {
    const NoDescriptors none;
    const auto read = blobs.get(sha256_);
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code, "blob_unreadable") << read.error().message;
  }
  fs::rename(file_, directory_ / "aside");
  fs::create_directory(file_);
  EXPECT_EQ(blobs.get(sha256_).error().code, "blob_unreadable");
  fs::remove(file_);
  fs::rename(directory_ / "aside", file_);
  const auto read = blobs.get(sha256_);
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read->bytes, bytes_);
}

}  // namespace
}  // namespace lectern::runtime
