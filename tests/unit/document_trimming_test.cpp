// A history that grew too long begins anew, and the old one is kept.
#include <filesystem>

#include "document/history_reader.hpp"
#include "document/trimming.hpp"
#include "document_notebook_fixture.hpp"

namespace lectern::document {
namespace {

namespace fs = std::filesystem;

class Trimming : public testing::Test {
 protected:
  fs::path folder = fs::path(testing::TempDir()) / ("trimming-" + crypto::uuid());
  JournalWriter writer;
  OpenedNotebook book;
  std::unique_ptr<Journal> journal;

  void SetUp() override {
    fs::create_directories(folder);
    book.path = "/notebooks/n.ipynb";
    book.state_dir = folder.string();
    book.history_id = "first";
  }
  void TearDown() override {
    journal.reset();
    fs::remove_all(folder);
  }

  /// A notebook in the journal that was typed in `edits` times.
  NotebookDocument typed(int edits) {
    NotebookInput input{{code("a", ""), code("b", "two")}, R"({"k": 1.50})"};
    input.cells[1].metadata_json = R"({ "tags" : [] })";
    input.cells[1].attachments_json = R"({"p.png":{"image/png":"AA=="}})";
    auto document = *NotebookDocument::import(input, import_actor(book.history_id));
    Recovered fresh;
    fresh.meta[std::string(meta_key::history_id)] = book.history_id;
    journal = *Journal::open(writer, book.state_dir, &fresh, "journal");
    EXPECT_TRUE(journal->rewrite_and_wait(*document.save(), document.sidecar()));
    std::vector<Record> records;
    for (int i = 0; i < edits; ++i) {
      const auto at = static_cast<std::uint64_t>((i * 7) % (i / 2 + 1));
      const auto done = must(document.apply_transaction(
          kAnn, {SpliceSource{"a", at, i % 2 == 0 ? 0U : 1U, std::string(1, static_cast<char>('a' + i % 26))}},
          document.version()));
      for (const auto& chunk : done.chunks) records.push_back(Record::change(chunk));
    }
    EXPECT_TRUE(journal->append_and_wait(std::move(records)));
    return document;
  }
};

TEST_F(Trimming, WhatIsMostlyPastBeginsAnew) {
  auto document = typed(2'000);
  auto before = copy_of(document);
  ASSERT_TRUE(trim_past(book, *journal, document, 500));
  EXPECT_NE(book.history_id, "first");
  EXPECT_EQ(journal->meta(meta_key::history_id), book.history_id);
  EXPECT_LT(document.operations(), before.operations() / 2);
  EXPECT_NE(document.heads(), before.heads());
  ASSERT_EQ(order(document), order(before));
  for (const auto* cell : before.cells()) {
    const auto* now = document.find_cell(cell->id);
    EXPECT_EQ(now->source, cell->source);
    EXPECT_EQ(now->cell_type, cell->cell_type);
    EXPECT_EQ(now->metadata_json, cell->metadata_json);
    EXPECT_EQ(now->attachments_json, cell->attachments_json);
  }
  EXPECT_EQ(document.metadata_json(), before.metadata_json());

  // The journal holds the new one, looking back finds the old one.
  journal.reset();
  const auto recovered = Journal::recover(book.state_dir, "journal");
  ASSERT_TRUE(recovered && *recovered);
  EXPECT_EQ((*recovered)->meta.at(std::string(meta_key::history_id)), book.history_id);
  const auto again = NotebookDocument::load((*recovered)->snapshot, (*recovered)->sidecar);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->heads(), document.heads());
  HistoryReader reader(book.state_dir);
  const auto old = reader.cells_at("first", before.heads());
  ASSERT_TRUE(old) << old.error().message;
  EXPECT_EQ(old->front().source, source(before, "a"));
}

TEST_F(Trimming, ShortHistoriesAndLargeNotebooksStay) {
  auto document = typed(200);
  const auto heads = document.heads();
  ASSERT_TRUE(trim_past(book, *journal, document, 1'000'000));
  EXPECT_EQ(document.heads(), heads);
  EXPECT_EQ(book.history_id, "first");

  std::string large;
  for (int i = 0; i < 5'000; ++i) large += std::to_string(i * 7919 % 10'007);
  must(document.apply_transaction(kAnn, {CreateCell{"big", "code", large, std::nullopt, std::nullopt, "{}"}}));
  const auto with_large = document.heads();
  ASSERT_TRUE(trim_past(book, *journal, document, 500));
  EXPECT_EQ(document.heads(), with_large);
  EXPECT_EQ(book.history_id, "first");
}

// The state folder cannot take another file: nothing changes.
TEST_F(Trimming, WithoutAPlaceForTheOldOneAllStays) {
  auto document = typed(2'000);
  const auto heads = document.heads();
  book.state_dir += "/gone";
  ASSERT_TRUE(trim_past(book, *journal, document, 500));
  EXPECT_EQ(document.heads(), heads);
  EXPECT_EQ(book.history_id, "first");
}

}  // namespace
}  // namespace lectern::document
