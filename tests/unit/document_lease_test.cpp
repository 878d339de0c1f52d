// Who may have a notebook: leases between hosts of one person, by path and by file, and the lock on the file that
// others see.
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "base/json.hpp"
#include "document_store_support.hpp"

namespace lectern::document {
namespace {

class NotebookLeaseTest : public NotebookStoreTest {
 protected:
  std::unique_ptr<NotebookStore> host(const std::string& state, const std::string& leases = "leases") {
    NotebookStore::Options options;
    options.state_dir = folder_ / state;
    options.lease_dir = folder_ / leases;
    return std::move(*NotebookStore::create(options, writer_));
  }
};

TEST_F(NotebookLeaseTest, HostsWithTheirOwnStateSeeEachOthersNotebooks) {
  const auto one = host("one"), two = host("two");
  one->set_url("http://127.0.0.1:1");
  {
    const auto held = one->open(at("a.ipynb"), formats_);
    ASSERT_TRUE(held.has_value()) << held.error().message;
    const auto refused = two->open(at("a.ipynb"), formats_);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().status, 423);
    EXPECT_EQ(refused.error().code, "open_elsewhere");
    const auto details = json::parse(refused.error().details);
    const auto* holder = details->find("holder");
    EXPECT_EQ(holder->find("pid")->as_int(), ::getpid());
    EXPECT_FALSE(holder->find("process_start")->as_string()->empty());
    EXPECT_EQ(*holder->find("url")->as_string(), "http://127.0.0.1:1");
    EXPECT_TRUE(two->open_to_watch(at("a.ipynb"), formats_).has_value());
    EXPECT_FALSE(two->lease_for(file()).has_value());
  }
  EXPECT_TRUE(two->open(at("a.ipynb"), formats_).has_value());
}

class FileLeaseTest : public NotebookLeaseTest {
 protected:
  FileLeaseTest() : one_(host("one")), two_(host("two")) { fs::create_hard_link(file(), root() + "/same.ipynb"); }
  std::size_t file_leases() {
    std::size_t n = 0;
    for (const auto& entry : fs::directory_iterator(folder_ / "leases")) {
      n += entry.path().filename().string().starts_with("file-") ? 1 : 0;
    }
    return n;
  }
  std::unique_ptr<NotebookStore> one_, two_;
};

TEST_F(FileLeaseTest, AnotherPathOfTheSameFileIsNoSecondNotebook) {
  {
    const auto held = one_->open(at("a.ipynb"), formats_);
    ASSERT_TRUE(held.has_value()) << held.error().message;
    for (auto* store : {one_.get(), two_.get()}) {
      const auto refused = store->open(at("same.ipynb"), formats_);
      ASSERT_FALSE(refused.has_value());
      EXPECT_EQ(refused.error().code, "open_elsewhere");
      EXPECT_THAT(refused.error().message, HasSubstr("as " + file()));
      EXPECT_TRUE(store->open_to_watch(at("same.ipynb"), formats_).has_value());
    }
    EXPECT_EQ(file_leases(), 1u);
  }
  EXPECT_EQ(file_leases(), 0u) << "a lease goes with its holder";
  EXPECT_TRUE(two_->open(at("same.ipynb"), formats_).has_value());
}

TEST_F(FileLeaseTest, ASaveTakesTheLeaseOfTheNewFileBeforeItIsThere) {
  auto held = one_->open(at("a.ipynb"), formats_);
  ASSERT_TRUE(held.has_value());
  ASSERT_TRUE(held->journal->rewrite_and_wait("snapshot", "").has_value());
  auto request = edited(*held, "new");
  std::optional<FileLease> next;
  request.before_replacing = [&](int next_file) {
    EXPECT_EQ(read_file(file()), notebook_data("jupyter-4.5.ipynb"));
    auto lease = one_->lease_replacement(next_file, file());
    ASSERT_TRUE(lease.has_value()) << lease.error().message;
    next = std::move(*lease);
  };
  const auto saved = save_notebook(*held->journal, held->state_dir, std::move(request));
  ASSERT_TRUE(saved.has_value()) << saved.error().message;
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->inode, saved->inode);
  held->file_lease = std::move(*next);
  EXPECT_TRUE(two_->open(at("same.ipynb"), formats_).has_value()) << "that is the old file now, and nobody's";
  fs::create_hard_link(file(), root() + "/third.ipynb");
  EXPECT_FALSE(two_->open(at("third.ipynb"), formats_).has_value());
}

TEST_F(FileLeaseTest, ALeaseOfAFileThatWasReplacedKeepsNobodyOut) {
  const auto held = one_->open(at("a.ipynb"), formats_);
  ASSERT_TRUE(held.has_value());
  write_file(root() + "/.next", notebook_data("colab.ipynb"));
  fs::rename(root() + "/.next", file());  // the holder has not noticed yet
  EXPECT_TRUE(two_->open(at("same.ipynb"), formats_).has_value());
}

TEST_F(FileLeaseTest, ALeaseOfTheSamePathThatIsOnItsWayOutKeepsNobodyOut) {
  auto ended = one_->open(at("a.ipynb"), formats_);
  ASSERT_TRUE(ended.has_value());
  ended->lease = {};  // as a session's end does: the lock of the file itself goes a little later
  ended->state_lock = {};
  const auto again = one_->open(at("a.ipynb"), formats_);
  EXPECT_TRUE(again.has_value()) << again.error().message;
}

/// Hosts that look for leases in different folders: of two people, or one that cron started.
class ForeignHostTest : public NotebookLeaseTest {
 protected:
  ForeignHostTest() : ours_(host("ours", "our-leases")), theirs_(host("theirs", "their-leases")) {}
  void theirs_is_told() {
    const auto refused = theirs_->open(at("a.ipynb"), formats_);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().status, 423);
    EXPECT_EQ(refused.error().code, "open_elsewhere");
    EXPECT_EQ(refused.error().details, R"({"holder":null})");
    EXPECT_TRUE(theirs_->open_to_watch(at("a.ipynb"), formats_).has_value());
  }
  std::unique_ptr<NotebookStore> ours_, theirs_;
};

TEST_F(ForeignHostTest, NeverHaveOneFile) {
  {
    const auto held = ours_->open(at("a.ipynb"), formats_);
    ASSERT_TRUE(held.has_value()) << held.error().message;
    theirs_is_told();
  }
  EXPECT_TRUE(theirs_->open(at("a.ipynb"), formats_).has_value());
}

TEST_F(ForeignHostTest, SeeAFileThatASaveReplaced) {
  auto held = ours_->open(at("a.ipynb"), formats_);
  ASSERT_TRUE(held.has_value());
  ASSERT_TRUE(held->journal->rewrite_and_wait("snapshot", "").has_value());
  auto request = edited(*held, "new");
  std::optional<FileLease> next;
  request.before_replacing = [&](int next_file) { next = std::move(*ours_->lease_replacement(next_file, file())); };
  ASSERT_TRUE(save_notebook(*held->journal, held->state_dir, std::move(request)).has_value());
  held->file_lease = std::move(*next);
  theirs_is_told();
}

TEST_F(ForeignHostTest, AreKeptOutByNobodyWhoMayOnlyRead) {
  fs::permissions(file(), fs::perms::owner_read);
  const auto reading = ours_->open(at("a.ipynb"), formats_);
  ASSERT_TRUE(reading.has_value()) << reading.error().message;
  EXPECT_TRUE(reading->read_only);
  fs::permissions(file(), fs::perms::owner_read | fs::perms::owner_write);
  const auto writing = theirs_->open(at("a.ipynb"), formats_);
  EXPECT_TRUE(writing.has_value());
}

TEST_F(ForeignHostTest, HaveAFileOfWhichTheNameLeadsToAnother) {
  const auto held = ours_->open(at("a.ipynb"), formats_);
  ASSERT_TRUE(held.has_value());
  write_file(root() + "/.next", notebook_data("colab.ipynb"));
  fs::rename(root() + "/.next", file());  // the holder has not noticed yet
  EXPECT_TRUE(theirs_->open(at("a.ipynb"), formats_).has_value()) << "what both save is merged, as any outside edit";
}

}  // namespace
}  // namespace lectern::document
