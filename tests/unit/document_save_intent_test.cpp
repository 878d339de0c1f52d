// Saves that a crash stopped between the file and the journal, and state that cannot be read for a moment.
#include <gtest/gtest.h>

#include <filesystem>

#include "../support/notebook_formats.hpp"
#include "document/notebook_store.hpp"

namespace lectern::document {
namespace {

namespace fs = std::filesystem;
using test::ipynb;
using test::notebook_data;
using test::write_file;

class SaveIntent : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(folder_ / "root");
    write_file(path_, notebook_data("jupyter-4.5.ipynb"));
  }
  Result<OpenedNotebook> open() {
    auto store = NotebookStore::create({folder_ / "state", {}}, writer_);
    return (*store)->open(*PathPolicy::create(folder_ / "root")->resolve("a.ipynb"), {ipynb()});
  }
  /// What a save journals before it replaces the file.
  void intend(Journal& journal) {
    std::string mark = to_json(*fingerprint(path_));
    mark.insert(mark.size() - 1, R"(,"heads":"h")");
    ASSERT_TRUE(journal.append_and_wait({Record::meta(std::string(meta_key::save_intent), mark)}));
  }

  const test::TemporaryFolder folder_;
  const std::string path_ = folder_ / "root/a.ipynb";
  JournalWriter writer_;
};

TEST_F(SaveIntent, ASecondCrashedSaveDoesNotHideThatTheFirstWasOurs) {
  {
    auto book = open();
    ASSERT_TRUE(book.has_value());
    ASSERT_TRUE(book->journal->rewrite_and_wait("document", ""));
    // A save that comes as far as the file, and no further.
    write_file(path_, notebook_data("jupyter-4.4.ipynb"));
    intend(*book->journal);
  }
  {
    auto book = open();
    ASSERT_TRUE(book.has_value());
    EXPECT_FALSE(book->outside) << "the file is our own save";
    // The next one comes as far as its intent.
    const std::string other = R"({"sum":"00","size":1,"mtime_ns":0,"heads":"i"})";
    ASSERT_TRUE(book->journal->append_and_wait({Record::meta(std::string(meta_key::save_intent), other)}));
  }
  const auto book = open();
  ASSERT_TRUE(book.has_value());
  EXPECT_EQ(book->start, Start::restored);
  EXPECT_FALSE(book->outside) << "it still is";
  EXPECT_EQ(book->saved_heads, "h");
}

TEST_F(SaveIntent, WhatCannotBeReadIsNotBegunAnew) {
  std::string id, dir;
  {
    auto book = open();
    ASSERT_TRUE(book.has_value());
    id = book->notebook_id;
    dir = book->state_dir;
  }
  // A folder where the file should be: it exists, and reading it fails.
  fs::rename(dir + "/notebook.json", dir + "/aside");
  fs::create_directory(dir + "/notebook.json");
  EXPECT_FALSE(open().has_value());
  fs::remove(dir + "/notebook.json");
  fs::rename(dir + "/aside", dir + "/notebook.json");
  const auto again = open();
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->notebook_id, id);
}

}  // namespace
}  // namespace lectern::document
