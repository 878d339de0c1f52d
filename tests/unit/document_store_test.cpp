#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/json.hpp"
#include "document/content_sum.hpp"
#include "document/kept_copies.hpp"
#include "document/merge.hpp"
#include "document/rename_intent.hpp"
#include "document_store_support.hpp"

namespace lectern::document {
namespace {

TEST_F(NotebookStoreTest, AFileIsImportedOnceAndRestoredAfterwards) {
  std::string notebook_id, history_id;
  {
    const auto book = begin();
    notebook_id = book.notebook_id;
    history_id = book.history_id;
    EXPECT_EQ(book.file->cells.size(), 8u);
    EXPECT_FALSE(book.read_only);
    ASSERT_TRUE(book.journal->append_and_wait({Record::change("edit"), Record::meta("epoch", "7")}).has_value());
  }
  const auto again = open();
  EXPECT_EQ(again.start, Start::restored);
  EXPECT_EQ(again.notebook_id, notebook_id);
  EXPECT_EQ(again.history_id, history_id);
  EXPECT_EQ(again.restored.snapshot, "snapshot");
  EXPECT_THAT(again.restored.changes, testing::ElementsAre("edit"));
  EXPECT_EQ(again.previous_meta.at("epoch"), "7");
  EXPECT_EQ(again.file->cells.size(), 8u) << "the baseline for saving";
  EXPECT_THAT(again.notices, testing::IsEmpty());
  EXPECT_EQ(read_file(file()), notebook_data("jupyter-4.5.ipynb"));
}

TEST_F(NotebookStoreTest, ARenameOfWhichNothingCanBeSeenWaitsForTheNextStart) {
  const auto renames = folder_ / "state/renames";
  const auto start = [&] {
    store_.reset();
    store_ = std::move(*NotebookStore::create({folder_ / "state", {}}, writer_));
    return std::distance(fs::directory_iterator(renames), fs::directory_iterator());
  };
  struct stat info {};
  ASSERT_EQ(::stat(file().c_str(), &info), 0);
  fs::create_directories(renames);
  const auto gone = root() + "/disk/a.ipynb", there = root() + "/disk/b.ipynb";
  write_file(renames + "/1.json",
             R"({"from":")" + gone + R"(","to":")" + there + R"(","inode":)" + std::to_string(info.st_ino) + "}");
  write_file(renames + "/2.json", R"({"from":")" + gone);
  EXPECT_EQ(start(), 1) << "what was not written to its end had not begun";
  EXPECT_EQ(store_->place_since_crash(gone), "");
  fs::create_directory(root() + "/disk");
  fs::rename(file(), there);
  EXPECT_EQ(start(), 0);
  EXPECT_EQ(store_->place_since_crash(gone), there);
}

class RenamesThatACrashStoppedTest : public NotebookStoreTest {
 protected:
  RenamesThatACrashStoppedTest() {
    start();
    const auto book = begin();
    id_ = book.notebook_id;
    inode_ = inode(file());
  }
  static std::uint64_t inode(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
    return info.st_ino;
  }
  /// As a host leaves it that dies before it told anybody; `name` of the file that says so.
  void left(const std::string& name, const std::string& from, const std::string& to, std::uint64_t inode,
            int move) const {
    const auto renames = folder_ / "state/renames";
    fs::create_directories(renames);
    write_file(renames + "/" + name + ".json", R"({"from":")" + root() + "/" + from + R"(","to":")" + root() + "/" +
                                                   to + R"(","inode":)" + std::to_string(inode) + R"(,"move":)" +
                                                   std::to_string(move) + "}");
  }
  void start() {
    store_.reset();
    store_ = std::move(*NotebookStore::create({folder_ / "state", {}, {}, true}, writer_));
  }
  std::string place(const std::string& name) { return store_->place_since_crash(root() + "/" + name); }
  std::string id_;
  std::uint64_t inode_ = 0;
};

TEST_F(RenamesThatACrashStoppedTest, OneAfterTheOtherEndWhereTheLastOneLeft) {
  for (const bool in_order : {true, false}) {
    const std::string first = in_order ? "a" : "c", second = in_order ? "b" : "d", third = in_order ? "c" : "e";
    left(in_order ? "1" : "2", first + ".ipynb", second + ".ipynb", inode_, 7);
    left(in_order ? "2" : "1", second + ".ipynb", third + ".ipynb", inode_, 8);
    fs::rename(root() + "/" + first + ".ipynb", root() + "/" + third + ".ipynb");
    start();
    EXPECT_EQ(place(first + ".ipynb"), root() + "/" + third + ".ipynb");
    EXPECT_EQ(place(second + ".ipynb"), root() + "/" + third + ".ipynb");
    EXPECT_EQ(open(third + ".ipynb").notebook_id, id_);
    EXPECT_TRUE(fs::is_empty(folder_ / "state/renames"));
  }
}

TEST_F(RenamesThatACrashStoppedTest, OfAFolderAndANotebookInItAreFinishedInTheirOrder) {
  for (const bool in_order : {true, false}) {
    // root/a.ipynb is to be x/a.ipynb for the first, y/b.ipynb after it: each time out of a folder that gets a name.
    const std::string old = in_order ? "x" : "y", now = in_order ? "y" : "z";
    const std::string was = in_order ? "a" : "b", is = in_order ? "b" : "c";
    if (in_order) {
      fs::create_directory(root() + "/x");
      ASSERT_TRUE(store_
                      ->rename(file(), root() + "/x/a.ipynb", true,
                               [&] { return fs::rename(file(), root() + "/x/a.ipynb"), Status(); })
                      .has_value());
    }
    left(in_order ? "1" : "2", old, now, inode(root() + "/" + old), 7);
    left(in_order ? "2" : "1", now + "/" + was + ".ipynb", now + "/" + is + ".ipynb", inode_, 8);
    fs::rename(root() + "/" + old, root() + "/" + now);
    fs::rename(root() + "/" + now + "/" + was + ".ipynb", root() + "/" + now + "/" + is + ".ipynb");
    start();
    EXPECT_EQ(place(old + "/" + was + ".ipynb"), root() + "/" + now + "/" + is + ".ipynb");
    EXPECT_EQ(open(now + "/" + is + ".ipynb").notebook_id, id_);
  }
}

TEST_F(RenamesThatACrashStoppedTest, OfANotebookAndThenItsFolderAreFinishedInTheirOrder) {
  fs::create_directory(root() + "/x");
  ASSERT_TRUE(store_
                  ->rename(file(), root() + "/x/a.ipynb", true,
                           [&] { return fs::rename(file(), root() + "/x/a.ipynb"), Status(); })
                  .has_value());
  left("2", "x/a.ipynb", "x/b.ipynb", inode_, 7);
  left("1", "x", "y", inode(root() + "/x"), 8);
  fs::rename(root() + "/x/a.ipynb", root() + "/x/b.ipynb");
  fs::rename(root() + "/x", root() + "/y");
  start();
  EXPECT_EQ(place("x/a.ipynb"), root() + "/y/b.ipynb");
  EXPECT_EQ(open("y/b.ipynb").notebook_id, id_);
}

TEST_F(RenamesThatACrashStoppedTest, OneToThePlaceThatAnotherLeftPutsNothingAside) {
  write_file(root() + "/other.ipynb", notebook_data("colab.ipynb"));
  left("1", "a.ipynb", "b.ipynb", inode_, 7);
  left("2", "other.ipynb", "a.ipynb", inode(root() + "/other.ipynb"), 8);
  fs::rename(file(), root() + "/b.ipynb");
  fs::rename(root() + "/other.ipynb", file());
  start();
  EXPECT_EQ(open("b.ipynb").notebook_id, id_);
  EXPECT_NE(open("a.ipynb").notebook_id, id_);
}

class MovesSinceACrashTest : public NotebookStoreTest {
 protected:
  /// As a host leaves it that dies right after it renamed the folder `old` to `now`.
  MovesSinceACrashTest() {
    fs::create_directory(root() + "/now");
    fs::rename(file(), root() + "/now/a.ipynb");
    struct stat info {};
    EXPECT_EQ(::stat((root() + "/now").c_str(), &info), 0);
    const auto renames = folder_ / "state/renames";
    fs::create_directories(renames);
    write_file(renames + "/1.json", R"({"from":")" + old() + R"(","to":")" + root() + R"(/now","inode":)" +
                                        std::to_string(info.st_ino) + "}");
    store_.reset();
    store_ = std::move(*NotebookStore::create({folder_ / "state", {}}, writer_));
  }
  std::string old() const { return root() + "/old"; }
  std::string place() { return store_->place_since_crash(old() + "/a.ipynb"); }
};

TEST_F(MovesSinceACrashTest, EndWhenSomethingElseIsAtTheOldPath) {
  EXPECT_EQ(place(), root() + "/now/a.ipynb");
  fs::create_directory(old());
  EXPECT_EQ(place(), "");
  fs::remove(old());
  EXPECT_EQ(place(), "") << "it meant something else meanwhile";
}

TEST_F(MovesSinceACrashTest, EndWithAnotherNotebookAtTheOldPathThoughNobodyAskedWhileItWasThere) {
  fs::create_directory(old());
  ASSERT_TRUE(store_->create_new(at("old/b.ipynb"), formats_).has_value());
  fs::remove_all(old());
  EXPECT_EQ(place(), "");
}

TEST_F(NotebookStoreTest, AnIntentToRenameIsNeverTakenForThatOfADeadHost) {
  const auto renames = folder_ / "state/renames";
  std::atomic<bool> done{false};
  std::thread starting([&] {
    while (!done) RenameIntent::finish_all(renames, [](const auto&, const auto&) { ADD_FAILURE(); });
  });
  for (int i = 0; i < 300; ++i) {
    const auto intent = RenameIntent::write(renames, file(), root() + "/b.ipynb", 1);
    EXPECT_TRUE(intent.has_value()) << intent.error().message;
    EXPECT_EQ(std::distance(fs::directory_iterator(renames), fs::directory_iterator()), 1) << i;
    if (HasFailure()) break;
  }
  done = true;
  starting.join();
}

TEST_F(NotebookStoreTest, OurOwnSaveIsNotSomebodyElses) {
  {
    const auto book = begin();
    const auto saved = save_notebook(*book.journal, book.state_dir, edited(book, "x"));
    ASSERT_TRUE(saved.has_value()) << saved.error().message;
    EXPECT_FALSE(saved->unchanged);
  }
  const auto again = open();
  EXPECT_EQ(again.start, Start::restored);
  EXPECT_EQ(again.saved_heads, "heads of x");
  EXPECT_THAT(again.notices, testing::IsEmpty());
}

TEST_F(NotebookStoreTest, ACopyUnderAnotherNameChangesNothingHere) {
  {
    const auto book = begin();
    auto copy = edited(book, "copied");
    copy.path = root() + "/copy.ipynb";
    ASSERT_TRUE(save_notebook(*book.journal, book.state_dir, copy).has_value());
    EXPECT_EQ(save_notebook(*book.journal, book.state_dir,
                            [&] {
                              auto again = edited(book, "other");
                              again.path = copy.path;
                              return again;
                            }())
                  .error()
                  .code,
              "conflict")
        << "what is there was not read here";
  }
  EXPECT_EQ(open().start, Start::restored);
  EXPECT_THAT(read_file(root() + "/copy.ipynb"), HasSubstr("copied###"));
  EXPECT_EQ(read_file(file()), notebook_data("jupyter-4.5.ipynb"));
}

TEST_F(NotebookStoreTest, AnOutsideEditIsToBeMergedIntoTheSameHistory) {
  std::string history_id, notebook_id;
  {
    const auto book = begin();
    history_id = book.history_id;
    notebook_id = book.notebook_id;
    ASSERT_TRUE(book.journal->append_and_wait({Record::change("unsaved"), Record::meta("epoch", "7")}).has_value());
  }
  write_file(file(), notebook_data("colab.ipynb"));
  const auto again = open();
  EXPECT_EQ(again.start, Start::restored);
  EXPECT_TRUE(again.outside);
  EXPECT_EQ(again.notebook_id, notebook_id);
  EXPECT_EQ(again.history_id, history_id);
  EXPECT_EQ(again.previous_meta.at("epoch"), "7");
  EXPECT_THAT(again.restored.changes, testing::ElementsAre("unsaved"));
  EXPECT_EQ(again.last_known->sum, sum_of(notebook_data("colab.ipynb")));
  const auto base = merge_base_from_json(again.base_json);
  ASSERT_TRUE(base.has_value()) << "what the file was when it was read";
  EXPECT_EQ(base->cells.size(), 8u);
  ASSERT_FALSE(again.notices.empty());
  EXPECT_THAT(again.notices.back(), HasSubstr("another program"));
}

TEST_F(NotebookStoreTest, WhatWasMergedIsKnownAfterwards) {
  {
    const auto book = begin();
    write_file(file(), notebook_data("colab.ipynb"));
    const auto print = fingerprint(file());
    ASSERT_TRUE(print.has_value());
    record_file(*book.journal, *print, "heads", R"({"metadata":"{}","cells":[]})");
    ASSERT_TRUE(book.journal->append_and_wait({Record::meta("after", "it")}).has_value());
  }
  const auto again = open();
  EXPECT_FALSE(again.outside);
  EXPECT_EQ(again.saved_heads, "heads");
}

TEST_F(NotebookStoreTest, WhoWatchesTakesNothingAndLeavesNothing) {
  const auto book = begin();
  std::string folder;
  {
    auto watching = store_->open_to_watch(at("a.ipynb"), formats_);
    ASSERT_TRUE(watching.has_value()) << watching.error().message;
    EXPECT_TRUE(watching->read_only);
    EXPECT_EQ(watching->notebook_id, book.notebook_id);
    EXPECT_NE(watching->history_id, book.history_id);
    EXPECT_NE(watching->state_dir, book.state_dir);
    folder = watching->state_dir;
    EXPECT_TRUE(fs::exists(folder));
  }
  EXPECT_FALSE(fs::exists(folder));
}

TEST_F(NotebookStoreTest, AFileThatCameAfterItWasLookedForIsOpenedAndNotMadeAnew) {
  const auto where = at("late.ipynb");
  ASSERT_EQ(where.kind, PathKind::missing);
  write_file(root() + "/late.ipynb", notebook_data("colab.ipynb"));
  EXPECT_EQ(store_->create_new(where, formats_).error().code, "exists");
  const auto book = store_->open(where, formats_);
  ASSERT_TRUE(book.has_value()) << book.error().message;
  ASSERT_NE(book->file, nullptr);
  EXPECT_EQ(book->last_known, *fingerprint(root() + "/late.ipynb"));
}

TEST_F(NotebookStoreTest, ANotebookIsReadWithoutADiskToWriteTo) {
  {
    auto book = begin();
    ASSERT_TRUE(book.journal->append_and_wait({Record::change("edit")}).has_value());
  }
  const auto listing = [&] {
    std::string out;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "state")) {
      out += entry.path().string() + " " + (entry.is_regular_file() ? read_file(entry.path()) : "") + "\n";
    }
    return out;
  };
  const auto before = listing();
  const Error why{507, "disk_full", "The disk is full.", "", ""};
  auto book = store_->open_to_read(at("a.ipynb"), formats_, why);
  ASSERT_TRUE(book.has_value()) << book.error().message;
  EXPECT_TRUE(book->read_only);
  EXPECT_EQ(book->start, Start::restored);
  EXPECT_EQ(book->restored.snapshot, "snapshot");
  EXPECT_EQ(book->restored.changes, std::vector<std::string>{"edit"});
  EXPECT_THAT(book->notices.back(), HasSubstr("The disk is full."));
  EXPECT_TRUE(book->journal->append_and_wait({Record::change("more")}).has_value());
  EXPECT_TRUE(book->journal->rewrite_and_wait("other", "").has_value());
  EXPECT_EQ(listing(), before) << "nothing was written";
  EXPECT_TRUE(store_->open(at("a.ipynb"), formats_).has_value()) << "and nothing is locked";
  // What the host never saw is its file; what is nowhere cannot be read.
  write_file(root() + "/b.ipynb", notebook_data("colab.ipynb"));
  EXPECT_EQ(store_->open_to_read(at("b.ipynb"), formats_, why)->start, Start::imported);
  EXPECT_EQ(store_->open_to_read(at("none.ipynb"), formats_, why).error().code, "not_found");
  EXPECT_FALSE(fs::exists(store_->state_dir_of(root() + "/b.ipynb")));
}

TEST_F(NotebookStoreTest, WhatTheLastHostSavedBeforeItLetGoIsWhatIsOpened) {
  NotebookStore::Options options;
  options.state_dir = folder_ / "here";
  options.lease_dir = folder_ / "leases";
  const auto here = std::move(*NotebookStore::create(options, writer_));
  options.state_dir = folder_ / "there";
  const auto there = std::move(*NotebookStore::create(options, writer_));
  for (int round = 1; round <= 10; ++round) {
    auto held = there->lease_for(file());
    ASSERT_TRUE(held.has_value());
    std::atomic<bool> refused = false;
    std::optional<Fingerprint> opened;
    std::thread opener([&] {
      for (;;) {
        const auto book = here->open(at("a.ipynb"), formats_);
        if (book) return void(opened = book->last_known);
        refused = true;
        refused.notify_one();
        if (book.error().code != "open_elsewhere") return;
      }
    });
    refused.wait(false);
    write_file(root() + "/.next",
               notebook_data("jupyter-4.5.ipynb") + std::string(static_cast<std::size_t>(round), '\n'));
    fs::rename(root() + "/.next", file());
    *held = {};
    opener.join();
    EXPECT_EQ(opened, *fingerprint(file())) << "round " << round;
  }
}

TEST_F(NotebookStoreTest, ADeletedFileIsRestored) {
  {
    const auto book = begin();
    ASSERT_TRUE(book.journal->append_and_wait({Record::change("edit")}).has_value());
  }
  fs::remove(file());
  const auto again = open();
  EXPECT_EQ(again.start, Start::restored);
  EXPECT_EQ(again.file, nullptr);
  EXPECT_THAT(again.restored.changes, testing::ElementsAre("edit"));
  ASSERT_FALSE(again.notices.empty());
  EXPECT_THAT(again.notices[0], HasSubstr("gone"));
  ASSERT_TRUE(save_notebook(*again.journal, again.state_dir, edited(again, "y")).has_value());
  EXPECT_THAT(read_file(file()), HasSubstr("y####"));
}

TEST_F(NotebookStoreTest, ANewNotebookThatWasNeverSavedIsRestored) {
  std::string id;
  {
    const auto book = open("new.ipynb");
    id = book.notebook_id;
    EXPECT_EQ(book.start, Start::imported);
    EXPECT_EQ(book.file, nullptr);
    ASSERT_TRUE(book.journal->rewrite_and_wait("fresh", "").has_value());
  }
  EXPECT_FALSE(fs::exists(root() + "/new.ipynb"));
  {
    const auto again = open("new.ipynb");
    EXPECT_EQ(again.start, Start::restored);
    EXPECT_EQ(again.notebook_id, id);
    EXPECT_THAT(again.notices, testing::IsEmpty());
  }
  const auto replaced = store_->create_new(at("new.ipynb"), formats_);
  ASSERT_TRUE(replaced.has_value()) << replaced.error().message;
  EXPECT_EQ(replaced->start, Start::imported);
  EXPECT_NE(replaced->notebook_id, id);
}

TEST_F(NotebookStoreTest, ANewNotebookHasNoCopiesOfTheOneThatWasThere) {
  std::string copies;
  {
    const auto book = begin();
    copies = book.state_dir + "/copies";
    ASSERT_TRUE(keep_copy(copies, "a.ipynb", "old", {}).has_value());
  }
  fs::remove(file());
  const auto made = store_->create_new(at("a.ipynb"), formats_);
  ASSERT_TRUE(made.has_value()) << made.error().message;
  EXPECT_EQ(made->state_dir + "/copies", copies) << "it has the folder of the earlier one";
  EXPECT_FALSE(fs::exists(copies));
  std::vector<std::string> kept;
  for (const auto& entry : fs::recursive_directory_iterator(made->state_dir)) {
    const auto path = entry.path();
    if (entry.is_regular_file() && path.parent_path() != made->state_dir) {
      EXPECT_THAT(path.parent_path().filename().string(), testing::MatchesRegex("copies-[0-9]+\\.kept"));
      kept.push_back(read_file(path));
    }
  }
  EXPECT_THAT(kept, testing::ElementsAre("old")) << "nothing is lost";
}

TEST_F(NotebookStoreTest, WhatCannotBeOpenedLeavesNothingBehind) {
  write_file(root() + "/bad.ipynb", "{");
  write_file(root() + "/x.txt", "text");
  EXPECT_EQ(store_->open(at("bad.ipynb"), formats_).error().code, "malformed");
  EXPECT_EQ(store_->open(at("x.txt"), formats_).error().code, "unknown_format");
  EXPECT_EQ(store_->open(at("new.txt"), formats_).error().code, "unknown_format");
  EXPECT_EQ(store_->open(at(""), formats_).error().code, "is_a_folder");
  EXPECT_EQ(store_->create_new(at("a.ipynb"), formats_).error().code, "exists");
  EXPECT_EQ(store_->create_new(at("new.txt"), formats_).error().code, "unknown_format");
  EXPECT_TRUE(fs::is_empty(folder_ / "state/notebooks"));
  EXPECT_EQ(read_file(root() + "/bad.ipynb"), "{");
}

TEST_F(NotebookStoreTest, OneHostHasANotebookAtATime) {
  auto book = std::make_optional(begin());
  const auto second = store_->open(at("a.ipynb"), formats_);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().status, 423);
  EXPECT_EQ(second.error().code, "open_elsewhere");
  const auto details = json::parse(second.error().details);
  ASSERT_TRUE(details.has_value());
  EXPECT_EQ(details->find("holder")->find("pid")->as_int(), ::getpid());
  EXPECT_NE(details->find("holder")->find("host")->as_string(), nullptr);
  EXPECT_NE(open("new.ipynb").notebook_id, book->notebook_id) << "others are free";
  book.reset();
  EXPECT_EQ(open().start, Start::restored);
}

TEST_F(NotebookStoreTest, AKilledHostLetsGo) {
  ipynb();
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    JournalWriter writer;
    auto store = NotebookStore::create({folder_ / "state", {}}, writer);
    auto book = (*store)->open(at("a.ipynb"), formats_);
    if (!book || ::write(ready[1], "x", 1) != 1) ::_exit(1);
    ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  const auto refused = store_->open(at("a.ipynb"), formats_);
  EXPECT_EQ(refused.error().code, "open_elsewhere");
  EXPECT_THAT(refused.error().message, HasSubstr("process " + std::to_string(child)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(open().start, Start::imported);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(NotebookStoreTest, ADamagedJournalIsKeptAndTheFileCounts) {
  std::string journal;
  {
    const auto book = begin();
    journal = book.state_dir + "/journal.lj";
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(book.journal->append_and_wait({Record::change("edit")}).has_value());
  }
  std::string bytes = read_file(journal);
  bytes[40] = static_cast<char>(bytes[40] ^ 1);
  write_file(journal, bytes);
  const auto again = open();
  EXPECT_EQ(again.start, Start::imported);
  ASSERT_FALSE(again.notices.empty());
  EXPECT_THAT(again.notices.back(), HasSubstr(".corrupt"));
  EXPECT_EQ(read_file(journal + ".corrupt"), bytes);
}

TEST_F(NotebookStoreTest, ReadOnlyFilesAreReadOnlySessions) {
  fs::permissions(file(), fs::perms::owner_read);
  EXPECT_TRUE(open().read_only);
}

TEST(NotebookStore, AStateFolderThatCannotBeMadeIsNamed) {
  JournalWriter writer;
  const auto refused = NotebookStore::create({"/proc/nowhere", {}}, writer);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, "state_dir");
  EXPECT_THAT(refused.error().hint, HasSubstr("--state-dir"));
}

}  // namespace
}  // namespace lectern::document
