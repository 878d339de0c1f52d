// An edit of the file meets edits of the document: who changed what is taken, what both changed is kept twice.
#include "document/merge.hpp"

#include <deque>

#include "document/live_cells.hpp"
#include "document_notebook_fixture.hpp"

namespace lectern::document {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Spec {
  std::string id, source, type = "code", metadata = "{}";
};

/// A file as a format plugin would have read it. Ids that begin with '?' are invented ones.
std::shared_ptr<const LoadedNotebook> file_of(std::vector<Spec> specs, std::string metadata = "{}") {
  struct Text {
    std::deque<Spec> cells;
    std::string metadata;
  };
  auto text = std::make_shared<Text>();
  text->metadata = std::move(metadata);
  auto file = std::make_shared<LoadedNotebook>();
  for (auto& spec : specs) {
    const bool invented = spec.id.starts_with('?');
    text->cells.push_back(std::move(spec));
    const auto& kept = text->cells.back();
    auto& cell = file->cells.emplace_back();
    cell.id = kept.id;
    cell.cell_type = kept.type;
    cell.source = kept.source;
    cell.metadata = kept.metadata;
    if (invented) cell.changed = plugin::cell_id_changed;
  }
  file->metadata = text->metadata;
  file->keeps = std::move(text);
  return file;
}

NotebookDocument document_of(const LoadedNotebook& file) {
  std::vector<CellInput> cells;
  for (const auto& cell : file.cells) {
    CellInput made = code(std::string(cell.id), std::string(cell.source));
    made.cell_type = cell.cell_type;
    made.metadata_json = cell.metadata;
    cells.push_back(std::move(made));
  }
  return notebook(std::move(cells), std::string(file.metadata));
}

class MergeTest : public testing::Test {
 protected:
  void begin(std::vector<Spec> specs, std::string metadata = "{}") {
    base_file_ = file_of(std::move(specs), std::move(metadata));
    base_ = merge_base_of(*base_file_);
    document_ = document_of(*base_file_);
  }
  void ours(const std::vector<Change>& changes) { must(document_->apply_transaction(kAnn, changes)); }
  OutsideMerge theirs(std::vector<Spec> specs, std::string metadata = "{}") {
    const auto file = file_of(std::move(specs), std::move(metadata));
    auto merged = merge_outside(base_, document_->cells(), document_->metadata_json(), *file);
    const auto applied = must(document_->apply_transaction(kBob, merged.changes));
    EXPECT_THAT(applied.dropped, IsEmpty());
    base_ = merged.base;
    return merged;
  }
  std::string text() const {
    std::string out;
    for (const auto* cell : document_->cells()) out += (out.empty() ? "" : " ") + cell->id + "=" + cell->source;
    return out;
  }
  std::shared_ptr<const LoadedNotebook> base_file_;
  MergeBase base_;
  std::optional<NotebookDocument> document_;
};

TEST_F(MergeTest, WhatOnlyOneSideChangedIsTaken) {
  begin({{"a", "one"}, {"b", "two"}, {"c", "three"}});
  ours({SetSource{"a", "ours", {}}});
  const auto merged = theirs({{"a", "one"}, {"b", "theirs"}, {"c", "three"}});
  EXPECT_EQ(text(), "a=ours b=theirs c=three");
  EXPECT_THAT(merged.conflicts, IsEmpty());
  EXPECT_THAT(merged.from_there, ElementsAre("b"));
}

TEST_F(MergeTest, TheSameEditOnBothSidesIsNone) {
  begin({{"a", "one"}});
  ours({SetSource{"a", "same", {}}});
  const auto merged = theirs({{"a", "same"}});
  EXPECT_THAT(merged.changes, IsEmpty());
  EXPECT_THAT(merged.conflicts, IsEmpty());
}

TEST_F(MergeTest, NewCellsComeWhereTheyStandAndGoneOnesGo) {
  begin({{"a", "one"}, {"b", "two"}, {"c", "three"}});
  ours({CreateCell{"mine", "code", "m", {}, "a"}});
  theirs({{"0", "first"}, {"a", "one"}, {"c", "three"}, {"d", "four", "markdown"}});
  EXPECT_EQ(text(), "0=first a=one mine=m c=three d=four");
  EXPECT_EQ(document_->find_cell("d")->cell_type, "markdown");
}

TEST_F(MergeTest, EditsOfOneCellOnBothSidesAreKeptUntilSomebodyChooses) {
  begin({{"a", "one"}, {"b", "two"}});
  ours({SetSource{"a", "ours", {}}});
  const auto merged = theirs({{"a", "theirs"}, {"b", "two"}});
  EXPECT_EQ(text(), "a=ours b=two");
  ASSERT_EQ(merged.conflicts.size(), 1u);
  EXPECT_EQ(merged.conflicts[0].source, "theirs");
  EXPECT_EQ(kind_name(merged.conflicts[0].kind), "both_edited");
  EXPECT_THAT(changes_of(merged.conflicts[0], MergeChoice::ours, document_->find_cell("a")), IsEmpty());
  ours(changes_of(merged.conflicts[0], MergeChoice::both, document_->find_cell("a")));
  ASSERT_EQ(document_->cells().size(), 3u);
  EXPECT_EQ(document_->cells()[1]->source, "theirs");
  ours(changes_of(merged.conflicts[0], MergeChoice::theirs, document_->find_cell("a")));
  EXPECT_EQ(source(*document_, "a"), "theirs");
}

TEST_F(MergeTest, AConflictNobodyHasSettledComesBackWithTheNextEdit) {
  begin({{"a", "one"}, {"b", "two"}, {"c", "three"}});
  ours({SetSource{"a", "ours", {}}, SetSource{"b", "edited", {}}, DeleteCell{"c"}});
  EXPECT_EQ(theirs({{"a", "theirs"}, {"c", "changed"}}).conflicts.size(), 3u);
  const auto again = theirs({{"a", "theirs"}, {"c", "changed"}, {"d", "new"}});
  EXPECT_EQ(again.conflicts.size(), 3u);
  EXPECT_EQ(text(), "a=ours d=new b=edited") << "d stands behind what is still there of those before it";
  for (const auto& conflict : again.conflicts) settle(base_, conflict);
  EXPECT_THAT(theirs({{"a", "theirs"}, {"c", "changed"}, {"d", "new"}}).conflicts, IsEmpty());
  EXPECT_EQ(text(), "a=ours d=new b=edited") << "d stands behind what is still there of those before it";
}

TEST_F(MergeTest, DeletedHereAndEditedThereCanBeBroughtBack) {
  begin({{"a", "one"}, {"b", "two"}});
  ours({DeleteCell{"b"}});
  const auto merged = theirs({{"a", "one"}, {"b", "worked on"}});
  EXPECT_EQ(text(), "a=one");
  ASSERT_EQ(merged.conflicts.size(), 1u);
  EXPECT_EQ(kind_name(merged.conflicts[0].kind), "deleted_here");
  ours(changes_of(merged.conflicts[0], MergeChoice::theirs, nullptr));
  EXPECT_EQ(text(), "a=one b=worked on");
}

TEST_F(MergeTest, EditedHereAndDeletedThereStaysUntilSomebodyChooses) {
  begin({{"a", "one"}, {"b", "two"}});
  ours({SetSource{"b", "worked on", {}}});
  const auto merged = theirs({{"a", "one"}});
  EXPECT_EQ(text(), "a=one b=worked on");
  ASSERT_EQ(merged.conflicts.size(), 1u);
  EXPECT_EQ(kind_name(merged.conflicts[0].kind), "deleted_there");
  EXPECT_THAT(changes_of(merged.conflicts[0], MergeChoice::both, document_->find_cell("b")), IsEmpty());
  ours(changes_of(merged.conflicts[0], MergeChoice::theirs, document_->find_cell("b")));
  EXPECT_EQ(text(), "a=one");
}

TEST_F(MergeTest, TheFilesOrderIsTakenWhenNobodyMovedAnythingHere) {
  begin({{"a", "1"}, {"b", "2"}, {"c", "3"}});
  ours({CreateCell{"m", "code", "m", {}, "b"}});
  theirs({{"c", "3"}, {"a", "1"}, {"b", "2"}});
  EXPECT_EQ(order(*document_), "c a b m");
}

TEST_F(MergeTest, WhenBothMovedOursStays) {
  begin({{"a", "1"}, {"b", "2"}, {"c", "3"}});
  ours({MoveCell{"c", "a", {}}});
  EXPECT_TRUE(theirs({{"b", "2"}, {"a", "1"}, {"c", "3"}}).passed_over);
  EXPECT_EQ(order(*document_), "c a b");
}

TEST_F(MergeTest, MetadataIsMergedKeyByKey) {
  begin({{"a", "1", "code", R"({"tags":["x"],"n":1})"}}, R"({"kernelspec":{"name":"p"},"old":1})");
  ours({SetMetadata{"a", {"n"}, "2"}, SetMetadata{{}, {"mine"}, "true"}});
  const auto merged = theirs({{"a", "1", "code", R"({"tags":["x","y"],"n":3})"}}, R"({"kernelspec":{"name":"q"}})");
  EXPECT_TRUE(same_json(document_->find_cell("a")->metadata_json, R"({"tags":["x","y"],"n":2})"));
  EXPECT_TRUE(same_json(document_->metadata_json(), R"({"kernelspec":{"name":"q"},"mine":true})"));
  EXPECT_TRUE(merged.passed_over);
}

TEST_F(MergeTest, AChangeOfTypeIsAnEdit) {
  begin({{"a", "text"}});
  theirs({{"a", "text", "markdown"}});
  EXPECT_EQ(document_->find_cell("a")->cell_type, "markdown");
}

// ---- files without ids --------------------------------------------------------------------------------------------

TEST_F(MergeTest, CellsWithoutIdsAreKnownByTheirContent) {
  begin({{"?0", "import x"}, {"?1", "y = 1"}, {"?2", "plot()"}});
  ours({SetSource{"?2", "plot(y)", {}}});
  // One is new at the beginning, so every place, and with it every invented id, has moved.
  const auto merged = theirs({{"?0", "# title", "markdown"}, {"?1", "import x"}, {"?2", "y = 2"}, {"?3", "plot()"}});
  ASSERT_EQ(merged.ids.size(), 4u);
  EXPECT_EQ(merged.ids[1], "?0");
  EXPECT_EQ(merged.ids[2], "?1") << "between two that stayed, the one in the same gap";
  EXPECT_EQ(merged.ids[3], "?2");
  EXPECT_EQ(document_->cells().size(), 4u);
  EXPECT_EQ(document_->cells()[0]->source, "# title");
  EXPECT_EQ(source(*document_, "?1"), "y = 2");
  EXPECT_EQ(source(*document_, "?2"), "plot(y)");
  EXPECT_THAT(merged.conflicts, IsEmpty());
}

TEST_F(MergeTest, AFileThatWasGivenIdsIsStillTheSameNotebook) {
  begin({{"?0", "a"}, {"?1", "b"}});
  const auto merged = theirs({{"x", "a"}, {"y", "b changed"}});
  EXPECT_EQ(text(), "?0=a ?1=b changed");
  EXPECT_THAT(merged.ids, ElementsAre("?0", "?1"));
}

TEST_F(MergeTest, RepeatedContentIsMatchedInOrder) {
  begin({{"?0", "x"}, {"?1", "x"}, {"?2", "x"}});
  theirs({{"?0", "x"}, {"?1", "x"}, {"?2", "x"}, {"?3", "x"}});
  EXPECT_EQ(document_->cells().size(), 4u);
  theirs({{"?0", "x"}});
  EXPECT_EQ(text(), "?0=x");
}

// A conflict is open, or the host dies, and the journal still has the base of before the merge.
TEST_F(MergeTest, MergingTheSameFileAgainFromTheOldBaseMakesNothingTwice) {
  begin({{"?0", "x"}, {"?1", "y"}, {"?2", "z"}});
  ours({SetSource{"?1", "ours", {}}});
  const auto before = base_;
  const std::vector<Spec> file = {{"?0", "new"}, {"?1", "x"}, {"?2", "theirs"}, {"?3", "z"}, {"?4", "new"}};
  const auto first = theirs(file);
  const auto once = text();
  EXPECT_EQ(document_->cells().size(), 5u);
  EXPECT_EQ(first.conflicts.size(), 1u);
  base_ = before;
  const auto second = theirs(file);
  EXPECT_EQ(text(), once);
  EXPECT_EQ(second.ids, first.ids);
  EXPECT_EQ(second.conflicts.size(), 1u);
  base_ = before;
  auto more = file;
  more.push_back({"?5", "new"});
  theirs(more);
  EXPECT_EQ(document_->cells().size(), 6u) << "two of the three are there already";
}

// ---- no base ------------------------------------------------------------------------------------------------------

TEST_F(MergeTest, WithoutABaseNothingIsDeletedAndDifferencesAreAskedAbout) {
  begin({{"a", "one"}, {"b", "two"}, {"only-here", "h"}});
  base_ = {};
  const auto merged = theirs({{"a", "one"}, {"b", "other"}, {"new", "n"}});
  EXPECT_EQ(text(), "a=one b=two new=n only-here=h");
  ASSERT_EQ(merged.conflicts.size(), 1u);
  EXPECT_EQ(merged.conflicts[0].cell_id, "b");
}

// ---- what it is made of -------------------------------------------------------------------------------------------

TEST_F(MergeTest, ABaseSurvivesTheJournal) {
  begin({{"a", "one", "code", R"({"tags":["é"]})"}, {"?1", "two", "markdown"}}, R"({"k":"v"})");
  const auto again = merge_base_from_json(to_json(base_));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(to_json(*again), to_json(base_));
  EXPECT_EQ(again->cells[0].source_hash, base_.cells[0].source_hash);
  EXPECT_TRUE(again->cells[1].id_invented);
  EXPECT_TRUE(again->known);
  for (const auto* bad : {"", "[]", "{}", R"({"metadata":"{}","cells":[["a"]]})",
                          R"({"metadata":"{}","cells":[["a","code","zz"]]})", R"({"metadata":1,"cells":[]})"}) {
    EXPECT_FALSE(merge_base_from_json(bad).has_value()) << bad;
  }
}

TEST(MergeOutputsTest, WritersStyleIsNoChange) {
  EXPECT_EQ(outputs_hash(R"([{"text": ["\u00e9\n"]}])"), outputs_hash("[ {\"text\":\n[\"é\\n\"]} ]"));
  EXPECT_NE(outputs_hash(R"([{"text":["a"]}])"), outputs_hash(R"([{"text":["b"]}])"));
  EXPECT_EQ(outputs_hash(""), outputs_hash("[]"));
}

TEST(MergeRenamedTest, CellsAreCalledAsTheNotebookCallsThem) {
  std::shared_ptr<const LoadedNotebook> other;
  {
    const auto file = file_of({{"?0", "a"}, {"?1", "b"}});
    EXPECT_EQ(renamed(file, {"?0", "?1"}), file);
    other = renamed(file, {"?0", "long enough to need memory of its own"});
  }
  EXPECT_EQ(other->cells[1].id, "long enough to need memory of its own");
  EXPECT_EQ(other->cells[1].source, "b");
}

}  // namespace
}  // namespace lectern::document
