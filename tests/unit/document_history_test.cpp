#include <filesystem>
#include <random>

#include "../support/notebook_formats.hpp"
#include "document/history_difference.hpp"
#include "document/history_log.hpp"
#include "document/history_reader.hpp"
#include "document_notebook_fixture.hpp"

namespace lectern::document {
namespace {

using test::TemporaryFolder;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const Author ann{"c_ann", "Ann", "desk", {kAnn}};
const Author bob{"c_bob", "Bob", "", {kBob}};

ChangeHash hash_of(std::uint8_t byte) {
  ChangeHash hash;
  hash.bytes.fill(byte);
  return hash;
}

LoggedEdit edit_of(const Author& author, std::uint8_t head, std::string cell = "a", std::string source = "client") {
  LoggedEdit edit;
  edit.source = std::move(source);
  edit.author = author;
  edit.history_id = "h1";
  edit.heads = {hash_of(head)};
  edit.cells = {{std::move(cell), 1, 0, false, false, false, false}};
  return edit;
}

class HistoryLogTest : public testing::Test {
 protected:
  HistoryLog open(HistoryLimits limits = {}) {
    auto log = HistoryLog::open(writer(), folder_.path(), limits);
    EXPECT_TRUE(log) << log.error().message;
    return std::move(*log);
  }
  JournalWriter& writer() {
    if (!writer_) writer_ = std::make_unique<JournalWriter>();
    return *writer_;
  }
  /// What was queued is on disk.
  void settle() { writer_.reset(); }
  TemporaryFolder folder_;
  std::unique_ptr<JournalWriter> writer_;
};

TEST_F(HistoryLogTest, OnePersonInOneGoIsOneVersion) {
  auto log = open();
  log.note(edit_of(ann, 1), 1'000);
  log.note(edit_of(ann, 2, "b"), 2'000);
  log.note(edit_of(ann, 3), 61'500);   // within a minute of the last one
  log.note(edit_of(ann, 4), 130'000);  // not within one
  log.note(edit_of(bob, 5), 131'000);
  ASSERT_THAT(log.versions(), SizeIs(3));
  const auto& first = log.versions()[0];
  EXPECT_EQ(first.number, 1U);
  EXPECT_EQ(first.first_ms, 1'000);
  EXPECT_EQ(first.last_ms, 61'500);
  EXPECT_EQ(first.edits, 3U);
  EXPECT_THAT(first.heads, ElementsAre(hash_of(3)));
  ASSERT_THAT(first.cells, SizeIs(2));
  EXPECT_EQ(first.cells[0].inserted, 2U);
  ASSERT_THAT(log.versions()[2].authors, SizeIs(1));
  EXPECT_EQ(log.versions()[2].authors[0].label, "Bob");
}

TEST_F(HistoryLogTest, AVersionDoesNotGrowForEver) {
  auto log = open();
  for (int second = 0; second <= 601; second += 30) log.note(edit_of(ann, 1), second * 1'000);
  log.note(edit_of(ann, 2), 620'000);
  EXPECT_THAT(log.versions(), SizeIs(2));
}

TEST_F(HistoryLogTest, PeopleWhoEditAtOnceShareAVersionAndARunBelongsToWhoeverRuns) {
  auto log = open();
  auto one = edit_of(ann, 1), two = edit_of(bob, 2);
  one.together = two.together = true;
  log.note(one, 1'000);
  log.note(two, 1'100);
  log.note(edit_of({}, 3, "a", "kernel"), 1'200);
  ASSERT_THAT(log.versions(), SizeIs(1));
  EXPECT_THAT(log.versions()[0].authors, SizeIs(2));
  log.note(edit_of({}, 4, "a", "file"), 1'300);
  ASSERT_THAT(log.versions(), SizeIs(2));
  EXPECT_THAT(log.versions()[1].authors, IsEmpty());
}

TEST_F(HistoryLogTest, ARestoreIsAVersionOfItsOwn) {
  auto log = open();
  log.note(edit_of(ann, 1), 1'000);
  auto back = edit_of(ann, 2, "a", "restore");
  back.restored = "1";
  log.note(back, 1'100);
  log.note(back, 1'200);
  log.note(edit_of(ann, 3), 1'300);
  EXPECT_THAT(log.versions(), SizeIs(4));
}

TEST_F(HistoryLogTest, SaysTheSameAfterARestart) {
  {
    auto log = open();
    log.note(edit_of(ann, 1), 1'000);
    log.flush();
    log.note(edit_of(ann, 2), 2'000);
    log.flush();
    log.note(edit_of(bob, 3), 3'000);
    log.flush();
    EXPECT_FALSE(log.dirty());
    settle();
  }
  auto log = open();
  ASSERT_THAT(log.versions(), SizeIs(2));
  EXPECT_EQ(log.versions()[0].edits, 2U);
  EXPECT_EQ(log.versions()[0].authors[0].device, "desk");
  EXPECT_THAT(log.versions()[0].authors[0].actors, ElementsAre(kAnn));
  EXPECT_THAT(log.versions()[1].heads, ElementsAre(hash_of(3)));
  log.note(edit_of(bob, 4), 3'500);
  EXPECT_EQ(log.versions().back().number, 3U) << "numbers are never given twice";
}

TEST_F(HistoryLogTest, ANewNotebookAtAnOldPlaceHasNoPast) {
  {
    auto log = open();
    log.note(edit_of(ann, 1), 1'000);
    log.flush();
    settle();
  }
  {
    auto log = open();
    log.forget();
    log.note(edit_of(bob, 2), 2'000);
    log.flush();
    settle();
  }
  auto log = open();
  ASSERT_THAT(log.versions(), SizeIs(1));
  EXPECT_EQ(log.versions()[0].authors[0].label, "Bob");
}

TEST_F(HistoryLogTest, ADamagedLogIsBegunAnew) {
  {
    auto log = open();
    for (int i = 0; i < 20; ++i) {
      log.note(edit_of(i % 2 == 0 ? ann : bob, 1), i * 1'000);
      log.flush();
    }
    settle();
  }
  const auto file = folder_ / "history.lj";
  auto bytes = test::read_file(file);
  bytes[60] = static_cast<char>(bytes[60] ^ 1);
  test::write_file(file, bytes);
  auto log = open();
  log.note(edit_of(ann, 1), 1'000);
  log.flush();
  settle();
  EXPECT_THAT(open().versions(), SizeIs(1));
}

TEST_F(HistoryLogTest, OldVersionsAreThinned) {
  HistoryLimits limits;
  limits.most_versions = 100;
  auto log = open(limits);
  for (int i = 0; i < 1'000; ++i) log.note(edit_of(i % 2 == 0 ? ann : bob, 1), i * 1'000);
  EXPECT_LE(log.versions().size(), 100U);
  EXPECT_EQ(log.versions().front().first_ms, 0);
  EXPECT_EQ(log.versions().back().number, 1'000U);
  EXPECT_THAT(log.versions().front().authors, SizeIs(2));
  EXPECT_EQ(log.find(1'000), &log.versions().back());
  EXPECT_EQ(log.find(1'001), nullptr);
  log.flush();
  settle();
  EXPECT_LE(open(limits).versions().size(), 100U);
}

// A version that grows is written each time it was flushed.
TEST_F(HistoryLogTest, AFileOfOneLongSessionStaysSmall) {
  auto log = open();
  auto talkative = ann;
  talkative.label = std::string(20'000, 'a');
  for (int i = 0; i < 1'000; ++i) {
    log.note(edit_of(talkative, 1), 1'000 + i);
    log.flush();
  }
  settle();
  EXPECT_LT(std::filesystem::file_size(folder_ / "history.lj"), 6u << 20);
  const auto again = open();
  ASSERT_THAT(again.versions(), SizeIs(1));
  EXPECT_EQ(again.versions().front().edits, 1'000U);
}

TEST_F(HistoryLogTest, WhatTheLogMissedIsNamedByItsActors) {
  auto document = abc();
  auto log = open();
  log.catch_up("h1", document, "import", false, 1'000, nullptr);
  ASSERT_THAT(log.versions(), SizeIs(1));
  EXPECT_EQ(log.versions()[0].source, "import");
  must(document.apply_transaction(kAnn, {SetSource{"a", "1", std::nullopt}}));
  const auto known = [](std::string_view actor) { return actor == kAnn ? ann : Author{}; };
  log.catch_up("h1", document, "import", true, 2'000, known);
  ASSERT_THAT(log.versions(), SizeIs(2));
  EXPECT_EQ(log.versions()[1].source, "recovered");
  ASSERT_THAT(log.versions()[1].authors, SizeIs(1));
  EXPECT_EQ(log.versions()[1].authors[0].label, "Ann");
  log.catch_up("h1", document, "import", true, 3'000, known);
  EXPECT_THAT(log.versions(), SizeIs(2)) << "nothing new";
  log.catch_up("h2", document, "import", true, 4'000, known);
  EXPECT_EQ(log.versions().back().source, "trimmed");
}

// ---- what differs
// -----------------------------------------------------------------------------------------------------

std::vector<Cell> cells_of(const NotebookDocument& document) {
  std::vector<Cell> cells;
  for (const auto* cell : document.cells()) cells.push_back(*cell);
  return cells;
}

TEST(HistoryDifferenceTest, TellsWhatHappenedToEachCell) {
  auto document = notebook({code("a", "1"), code("b", "2"), code("c", "3"), code("d", "4")});
  const auto before = cells_of(document);
  must(document.apply_transaction(
      kAnn, {DeleteCell{"b"}, SetSource{"c", "33", std::nullopt}, MoveCell{"d", "a", std::nullopt},
             CreateCell{"e", "code", "5", std::nullopt, "a"}, SetMetadata{"a", {"x"}, "1"}}));
  const auto after = cells_of(document);
  std::string told;
  for (const auto& one : compare_cells(before, after)) {
    told += one.before == nullptr ? "+" + one.after->id
            : one.after == nullptr
                ? "-" + one.before->id
                : one.after->id + (one.source ? "s" : "") + (one.metadata ? "m" : "") + (one.moved ? "v" : "");
    told += ' ';
  }
  EXPECT_EQ(told, "dv am -b +e cs ");
  EXPECT_THAT(compare_cells(after, after), IsEmpty());
}

TEST(HistoryDifferenceTest, TheWayBackEndsWhereItBegan) {
  std::mt19937 random(7);
  const auto pick = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  for (int round = 0; round < 60; ++round) {
    auto document = notebook({code("c0", "zero\nx"), code("c1", "one"), code("c2", "two"), code("c3", "")});
    const auto target = cells_of(document);
    for (int step = 0; step < 12; ++step) {
      const auto cells = cells_of(document);
      if (cells.empty()) break;
      const auto& cell = cells[pick(cells.size())];
      const auto& other = cells[pick(cells.size())];
      std::vector<Change> changes;
      switch (pick(6)) {
        case 0:
          changes.emplace_back(DeleteCell{cell.id});
          break;
        case 1:
          changes.emplace_back(CreateCell{"n" + std::to_string(step), "markdown", "new", std::nullopt, cell.id});
          break;
        case 2:
          changes.emplace_back(MoveCell{cell.id, other.id, std::nullopt});
          break;
        case 3:
          changes.emplace_back(SetCellType{cell.id, "raw"});
          break;
        case 4:
          changes.emplace_back(SetMetadata{cell.id, {"k"}, std::to_string(step)});
          break;
        default:
          changes.emplace_back(SetSource{cell.id, cell.source + "\nmore", std::nullopt});
      }
      must(document.apply_transaction(kAnn, changes));
    }
    auto applied = must(document.apply_transaction(kBob, changes_toward(document.cells(), target)));
    EXPECT_THAT(applied.dropped, IsEmpty());
    EXPECT_THAT(compare_cells(target, cells_of(document)), IsEmpty()) << "round " << round;
    EXPECT_THAT(changes_toward(document.cells(), target), IsEmpty());
    expect_true_to_engine(document);
  }
}

TEST(HistoryDifferenceTest, OneCellComesBackWhereItStood) {
  auto document = abc();
  const auto target = cells_of(document);
  must(document.apply_transaction(kAnn, {DeleteCell{"b"}, SetSource{"a", "other", std::nullopt}}));
  auto changes = changes_toward_cell(document.cells(), target, "b");
  ASSERT_TRUE(changes);
  must(document.apply_transaction(kAnn, *changes));
  EXPECT_EQ(order(document), "a b c");
  EXPECT_EQ(source(document, "b"), "two");
  EXPECT_EQ(source(document, "a"), "other");
  EXPECT_EQ(code_of(changes_toward_cell(document.cells(), target, "z")), "404 unknown_cell");
}

// ---- looking back
// -----------------------------------------------------------------------------------------------------

class HistoryReaderTest : public testing::Test {
 protected:
  /// A journal as a session keeps one.
  void begin(NotebookDocument& document, const std::string& history_id) {
    Recovered fresh;
    fresh.meta[std::string(meta_key::history_id)] = history_id;
    journal_ = std::move(*Journal::open(writer_, folder_.path(), &fresh));
    ASSERT_TRUE(journal_->rewrite_and_wait(*document.save(), document.sidecar()).has_value());
  }
  std::vector<ChangeHash> edit(NotebookDocument& document, std::string_view actor, std::vector<Change> changes) {
    const auto applied = must(document.apply_transaction(actor, changes));
    std::vector<Record> records;
    for (const auto& chunk : applied.chunks) records.push_back(Record::change(chunk));
    EXPECT_TRUE(journal_->append_and_wait(std::move(records)).has_value());
    return document.heads();
  }
  static std::string told(const Result<std::vector<Cell>>& cells) {
    if (!cells) return cells.error().code;
    std::string out;
    for (const auto& cell : *cells) out += cell.id + "=" + cell.source + " ";
    return out;
  }
  TemporaryFolder folder_;
  JournalWriter writer_;
  std::unique_ptr<Journal> journal_;
};

TEST_F(HistoryReaderTest, ReadsAnyVersionWhileTheJournalGrows) {
  auto document = abc();
  begin(document, "h1");
  HistoryReader reader(folder_.path());
  reader.get_ready();
  const auto first = document.heads();
  EXPECT_EQ(told(reader.cells_at("h1", first)), "a=one b=two c=three ");
  const auto second = edit(document, kAnn, {SetSource{"a", "1", std::nullopt}, DeleteCell{"b"}});
  const auto third = edit(document, kBob, {CreateCell{"d", "code", "4", std::nullopt, std::nullopt, "{}"}});
  EXPECT_EQ(told(reader.cells_at("h1", third)), "a=1 c=three d=4 ");
  EXPECT_EQ(told(reader.cells_at("h1", second)), "a=1 c=three ");
  EXPECT_EQ(told(reader.cells_at("h1", first)), "a=one b=two c=three ");
  // A compacted journal is another file.
  ASSERT_TRUE(journal_->rewrite_and_wait(*document.save(), document.sidecar()).has_value());
  const auto fourth = edit(document, kAnn, {SetSource{"d", "44", std::nullopt}});
  EXPECT_EQ(told(reader.cells_at("h1", fourth)), "a=1 c=three d=44 ");
  EXPECT_EQ(told(reader.cells_at("h1", second)), "a=1 c=three ");
  EXPECT_EQ(told(reader.cells_now()), "a=1 c=three d=44 ");
  const std::vector<ChangeHash> nowhere{hash_of(9)};
  EXPECT_EQ(told(reader.cells_at("h1", nowhere)), "version_gone");
  EXPECT_EQ(told(reader.cells_at("h1", third)), "a=1 c=three d=4 ") << "the question before hurt nothing";
  reader.drop();
  EXPECT_EQ(told(reader.cells_at("h1", first)), "a=one b=two c=three ");
}

TEST_F(HistoryReaderTest, AHistoryThatAnOutsideEditEndedIsInItsKeptJournal) {
  auto document = abc();
  begin(document, "h1");
  const auto old = edit(document, kAnn, {SetSource{"a", "1", std::nullopt}});
  journal_.reset();
  std::filesystem::rename(folder_ / "journal.lj", folder_ / "journal-1.kept.lj");
  auto next = notebook({code("a", "outside")});
  begin(next, "h2");
  HistoryReader reader(folder_.path());
  EXPECT_EQ(told(reader.cells_at("h1", old)), "a=1 b=two c=three ");
  EXPECT_EQ(told(reader.cells_at("h2", next.heads())), "a=outside ");
  EXPECT_EQ(told(reader.cells_at("h3", old)), "version_gone");
}

TEST_F(HistoryReaderTest, KnowsWhoWroteWhichLine) {
  auto document = notebook({code("a", "one\ntwo\nthree")});
  begin(document, "h1");
  std::vector<std::vector<ChangeHash>> versions{document.heads()};
  versions.push_back(edit(document, kAnn, {SetSource{"a", "one\nTWO\nthree", std::nullopt}}));
  versions.push_back(edit(document, kBob, {SetSource{"a", "one\nTWO\nthree\nfour\n", std::nullopt}}));
  const auto last = document.heads();
  edit(document, kAnn, {SetSource{"a", "zero\none\nTWO\nthree\nfour\n", std::nullopt}});
  HistoryReader reader(folder_.path());
  const auto lines = reader.blame("a", versions);
  ASSERT_TRUE(lines) << lines.error().message;
  std::string told;
  for (const auto& line : *lines) {
    told += std::to_string(line.group) + (line.actor == kAnn ? "ann " : line.actor == kBob ? "bob " : "file ");
  }
  // The line break after "three" is Bob's.
  EXPECT_EQ(told, "3ann 0file 1ann 2bob 2bob ");
  EXPECT_EQ(code_of(reader.blame("z", versions)), "404 unknown_cell");
}

}  // namespace
}  // namespace lectern::document
