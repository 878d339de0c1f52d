// The rules of lectern.v1 section 4, "Changes", one by one.
#include "document_notebook_fixture.hpp"

namespace lectern::document {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

CreateCell create(std::string id, std::optional<std::string> before, std::optional<std::string> after) {
  return {std::move(id), "code", "new", std::move(before), std::move(after), "{}"};
}

std::string dropped(const AppliedTransaction& done) {
  std::string all;
  for (const auto& drop : done.dropped) all += std::to_string(drop.index) + ":" + drop.reason + ";";
  return all;
}

TEST(NotebookTransaction, CreatesAtTheEndBeforeAndAfter) {
  auto document = abc();
  const auto done = must(document.apply_transaction(
      kAnn, {create("d", std::nullopt, std::nullopt), create("e", "a", std::nullopt), create("f", std::nullopt, "b"),
             create("g", "f", std::nullopt), create("h", std::nullopt, "g")}));
  EXPECT_EQ(order(document), "e a b g h f c d");
  EXPECT_EQ(done.version, 2U);
  EXPECT_THAT(done.chunks, SizeIs(1));
  EXPECT_EQ(done.hashes, document.heads());
  ASSERT_THAT(done.applied, SizeIs(5));
  EXPECT_EQ(std::get<CreateCell>(done.applied[0]).after, "c");
  EXPECT_EQ(std::get<CreateCell>(done.applied[1]).before, "a");
  EXPECT_EQ(std::get<CreateCell>(done.applied[2]).after, "b");
  expect_true_to_engine(document);
}

TEST(NotebookTransaction, CreatesInAnEmptyNotebook) {
  auto document = notebook({});
  const auto done = must(document.apply_transaction(kAnn, {create("x", std::nullopt, std::nullopt)}));
  const auto& made = std::get<CreateCell>(done.applied.at(0));
  EXPECT_FALSE(made.before || made.after);
  EXPECT_EQ(document.cells().at(0)->position, "80");
  EXPECT_EQ(document.cells().at(0)->execution_count_json, "null");
}

TEST(NotebookTransaction, AnUnknownAnchorPutsTheCellAtTheEnd) {
  auto document = abc();
  const auto done = must(document.apply_transaction(kAnn, {create("d", "nowhere", std::nullopt)}));
  EXPECT_EQ(order(document), "a b c d");
  EXPECT_EQ(dropped(done), "0:the anchor cell is gone; the new cell is not;");
  const auto beside = must(document.apply_transaction(kAnn, {create("e", "nowhere", "a")}));
  EXPECT_EQ(order(document), "a e b c d");
  EXPECT_EQ(dropped(beside), "0:the anchor cell is gone; the new cell is not;");
}

TEST(NotebookTransaction, AnOrderOfCellsOfWhichSomeAreGoneIsThatOfTheOthers) {
  auto document = abc();
  const auto done = must(document.apply_transaction(kAnn, {ReorderCells{{"c", "x", "a", "y"}}}));
  EXPECT_EQ(order(document), "c a b");
  EXPECT_EQ(dropped(done), "0:2 of the cells are not here; the others are in this order;");
}

TEST(NotebookTransaction, ReferencesToWhatIsGoneAreDroppedAndNamed) {
  auto document = abc();
  const auto done = must(document.apply_transaction(
      kAnn,
      {DeleteCell{"x"}, SetSource{"x", "s", std::nullopt}, SpliceSource{"x", 0, 0, "s"}, MoveCell{"x", "a", {}},
       SetMetadata{"x", {"k"}, "1"}, SetCellType{"x", "raw"}, create("a", {}, {}), MoveCell{"a", {}, {}},
       MoveCell{"a", "a", {}}, MoveCell{"a", "gone", {}}, ReorderCells{{"x"}}, SetSource{"b", "kept", std::nullopt}},
      1));
  EXPECT_EQ(dropped(done),
            "0:the cell is gone;1:the cell is gone;2:the cell is gone;3:the cell is gone;4:the cell is gone;"
            "5:the cell is gone;6:the cell exists already;7:neither before nor after is given;"
            "8:a cell cannot be placed next to itself;9:the anchor cell is gone;10:none of the cells is here;");
  EXPECT_THAT(done.applied, ElementsAre(Change(SetSource{"b", "kept", std::nullopt})));
  EXPECT_EQ(source(document, "b"), "kept");
}

TEST(NotebookTransaction, AFullyDroppedOneChangesNothing) {
  auto document = abc();
  const auto heads = document.heads();
  const auto done = must(document.apply_transaction(kAnn, {DeleteCell{"x"}}));
  EXPECT_EQ(done.version, 1U);
  EXPECT_THAT(done.chunks, SizeIs(0));
  EXPECT_EQ(document.heads(), heads);
}

TEST(NotebookTransaction, ContradictionsApplyNothing) {
  const std::vector<std::vector<Change>> contradictions = {
      {DeleteCell{"a"}, DeleteCell{"a"}},
      {DeleteCell{"a"}, SetSource{"a", "x", std::nullopt}},
      {SetSource{"a", "x", std::nullopt}, DeleteCell{"a"}},
      {DeleteCell{"a"}, MoveCell{"a", {}, "b"}},
      {MoveCell{"a", {}, "b"}, DeleteCell{"a"}},
      {DeleteCell{"a"}, SetMetadata{"a", {"k"}, "1"}},
      {DeleteCell{"a"}, SpliceSource{"a", 0, 0, "x"}},
      {DeleteCell{"a"}, SetCellType{"a", "raw"}},
      {SetSource{"a", "x", std::nullopt}, SpliceSource{"a", 0, 0, "x"}},
      {SpliceSource{"a", 0, 0, "x"}, SetSource{"a", "x", std::nullopt}},
  };
  auto document = abc();
  const auto heads = document.heads();
  for (std::size_t i = 0; i < contradictions.size(); ++i) {
    auto changes = contradictions[i];
    changes.insert(changes.begin(), SetSource{"b", "lost", std::nullopt});
    EXPECT_EQ(code_of(document.apply_transaction(kAnn, changes, 1)), "422 contradiction") << i;
  }
  EXPECT_EQ(document.heads(), heads);
  EXPECT_EQ(source(document, "b"), "two");
  EXPECT_EQ(document.version(), 1U);
}

TEST(NotebookTransaction, IdsCreatedEarlierInTheBatchCountAndDeletedOnesStayTaken) {
  auto document = abc();
  const auto done = must(document.apply_transaction(
      kAnn, {create("d", {}, "a"), SpliceSource{"d", 3, 0, "er"}, create("e", {}, "d"), MoveCell{"a", {}, "e"},
             SetMetadata{"d", {"tags"}, "[ 1.0 ]"}, DeleteCell{"c"}, create("c", {}, {})}));
  EXPECT_EQ(order(document), "d e a b");
  EXPECT_EQ(source(document, "d"), "newer");
  EXPECT_EQ(document.find_cell("d")->metadata_json, R"({"tags":[ 1.0 ]})");
  EXPECT_EQ(dropped(done), "6:the cell id was deleted in this transaction;");
  expect_true_to_engine(document);
}

TEST(NotebookTransaction, ACellMadeAndDeletedInOneBatchLeavesNothing) {
  auto document = abc();
  must(document.apply_transaction(kAnn, {create("d", {}, {}), DeleteCell{"d"}}));
  EXPECT_EQ(order(document), "a b c");
  expect_true_to_engine(document);
}

TEST(NotebookTransaction, MovesAndReorders) {
  auto document = notebook({code("a", ""), code("b", ""), code("c", ""), code("d", ""), code("e", "")});
  must(document.apply_transaction(kAnn, {MoveCell{"e", "b", {}}, MoveCell{"a", {}, "d"}}));
  EXPECT_EQ(order(document), "e b c d a");
  EXPECT_TRUE(must(document.apply_transaction(kAnn, {MoveCell{"b", {}, "e"}})).chunks.empty());
  const auto done = must(document.apply_transaction(kAnn, {ReorderCells{{"c", "x", "a", "c", "e"}}}));
  EXPECT_EQ(order(document), "c a e b d");
  EXPECT_EQ(std::get<ReorderCells>(done.applied.at(0)).cell_ids, (std::vector<std::string>{"c", "a", "e", "b", "d"}));
  EXPECT_TRUE(must(document.apply_transaction(kAnn, {ReorderCells{{"c", "a", "e"}}})).chunks.empty());
  must(document.apply_transaction(kAnn, {ReorderCells{{"d", "b", "e", "a", "c"}}}));
  EXPECT_EQ(order(document), "d b e a c");
  expect_true_to_engine(document);
}

TEST(NotebookTransaction, ManyInsertionsAtOnePlaceKeepTheirOrder) {
  auto document = abc();
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    const auto id = "n" + std::to_string(i);
    must(document.apply_transaction(kAnn, {create(id, {}, "a")}));
    expected = " " + id + expected;
  }
  EXPECT_EQ(order(document), "a" + expected + " b c");
  expect_true_to_engine(document);
}

TEST(NotebookTransaction, SetSourceKeepsWhatOthersTypedAround) {
  auto document = notebook({code("a", "h\u00e9llo w\u00f6rld \U0001F600!")});
  auto bob = copy_of(document);
  must(document.apply_transaction(kAnn, {SetSource{"a", "h\u00e9llo brave w\u00f6rld \U0001F600!", std::nullopt}}));
  const auto theirs =
      must(bob.apply_transaction(kBob, {SetSource{"a", "h\u00e9llo w\u00f6rld \U0001F601!", std::nullopt}}));
  must(document.apply_changes(theirs.chunks, kBob));
  EXPECT_EQ(source(document, "a"), "h\u00e9llo brave w\u00f6rld \U0001F601!");
  expect_true_to_engine(document);
}

TEST(NotebookTransaction, SettingTheSameSourceIsNoEdit) {
  auto document = abc();
  EXPECT_TRUE(must(document.apply_transaction(kAnn, {SetSource{"a", "one", std::nullopt}})).chunks.empty());
  must(document.apply_transaction(kAnn, {SetSource{"a", "1", std::nullopt}, SetSource{"a", "2", std::nullopt}}));
  EXPECT_EQ(source(document, "a"), "2");
}

TEST(NotebookTransaction, BaseHashGuardsASource) {
  auto document = abc();
  const auto seen = crypto::sha256_hex("one");
  must(document.apply_transaction(kAnn, {SetSource{"a", "uno", seen}}));
  const auto late =
      document.apply_transaction(kBob, {SetSource{"b", "lost", std::nullopt}, SetSource{"a", "eins", seen}});
  ASSERT_EQ(code_of(late), "409 stale_base");
  EXPECT_THAT(late.error().details, ::testing::HasSubstr(R"("source":"uno")"));
  EXPECT_EQ(source(document, "b"), "two");
}

TEST(NotebookTransaction, SplicesCountCodePointsBeyondTheBasicPlane) {
  auto document = notebook({code("a", "a\U0001F600b\U0001F468\u200D\U0001F469c")});
  must(document.apply_transaction(kAnn, {SpliceSource{"a", 2, 1, "\U0001F389"}, SpliceSource{"a", 7, 0, "!"}}, 1));
  EXPECT_EQ(source(document, "a"), "a\U0001F600\U0001F389\U0001F468\u200D\U0001F469c!");
  EXPECT_EQ(document.find_cell("a")->source_length, 8U);
  EXPECT_EQ(code_of(document.apply_transaction(kAnn, {SpliceSource{"a", 9, 0, "x"}}, 2)), "422 out_of_range");
  EXPECT_EQ(code_of(document.apply_transaction(kAnn, {SpliceSource{"a", 8, 1, "x"}}, 2)), "422 out_of_range");
  expect_true_to_engine(document);
}

TEST(NotebookTransaction, ASpliceAtAnEarlierVersionIsMerged) {
  auto document = notebook({code("a", "hello world"), code("b", "")});
  must(document.apply_transaction(kAnn, {SpliceSource{"a", 0, 0, "\U0001F600 oh "}}, 1));
  must(document.apply_transaction(kAnn, {SpliceSource{"a", 14, 1, ""}}, 2));
  const auto done = must(document.apply_transaction(
      kBob, {SpliceSource{"a", 5, 6, ""}, SetSource{"b", "too", std::nullopt}, SpliceSource{"a", 5, 0, "!"}}, 1));
  EXPECT_EQ(source(document, "a"), "\U0001F600 oh hello!");
  EXPECT_EQ(source(document, "b"), "too");
  EXPECT_EQ(done.version, 4U);
  EXPECT_THAT(done.chunks, SizeIs(2));  // the merge needs a change of its own
  EXPECT_THAT(done.applied, ElementsAre(Change(SpliceSource{"a", 10, 5, "!"}), Change(SetSource{"b", "too", {}})));
  expect_true_to_engine(document);
}

TEST(NotebookTransaction, AnEarlierVersionCostsNothingWhereTheCellDidNotChange) {
  auto document = abc();
  for (int i = 0; i < 5; ++i)
    must(document.apply_transaction(kAnn, {SpliceSource{"a", 0, 0, "x"}}, document.version()));
  const auto done = must(document.apply_transaction(kBob, {SpliceSource{"b", 3, 0, "!"}}, 1));
  EXPECT_THAT(done.chunks, SizeIs(1));
  EXPECT_EQ(source(document, "b"), "two!");
}

TEST(NotebookTransaction, SplicesNeedAVersionThatIsKept) {
  auto document = abc();
  EXPECT_EQ(code_of(document.apply_transaction(kAnn, {SpliceSource{"a", 0, 0, "x"}})), "400 base_required");
  EXPECT_EQ(code_of(document.apply_transaction(kAnn, {SpliceSource{"a", 0, 0, "x"}}, 2)), "409 base_gone");
  EXPECT_EQ(code_of(document.apply_transaction(kAnn, {SpliceSource{"a", 0, 0, "x"}}, 0)), "409 base_gone");
  for (int i = 0; i < 1000; ++i)
    must(document.apply_transaction(kAnn, {SpliceSource{"a", 0, 0, "x"}}, document.version()));
  must(document.apply_transaction(kBob, {SpliceSource{"a", 3, 0, "y"}}, 1));
  EXPECT_EQ(source(document, "a"), std::string(1000, 'x') + "oney");
  while (document.heads_at(1))
    must(document.apply_transaction(kAnn, {SpliceSource{"b", 0, 0, "x"}}, document.version()));
  EXPECT_GT(document.version(), 4000U);
  EXPECT_EQ(code_of(document.apply_transaction(kBob, {SpliceSource{"a", 3, 0, "y"}}, 1)), "409 base_gone");
}

TEST(NotebookTransaction, ALateSpliceOutOfRangeOrOnANewerCellLeavesTheDocumentAsItWas) {
  auto document = abc();
  must(document.apply_transaction(kAnn, {create("d", {}, {}), SetSource{"a", "much longer", std::nullopt}}));
  const auto heads = document.heads();
  EXPECT_EQ(code_of(document.apply_transaction(kBob, {SpliceSource{"a", 4, 0, "x"}}, 1)), "422 out_of_range");
  EXPECT_EQ(document.heads(), heads);
  const auto done = must(document.apply_transaction(kBob, {SpliceSource{"d", 0, 0, "x"}}, 1));
  EXPECT_EQ(dropped(done), "0:the cell was not there at base_version;");
  EXPECT_TRUE(done.chunks.empty());
  must(document.apply_transaction(kBob, {SpliceSource{"a", 3, 0, "!"}}, 1));
  expect_true_to_engine(document);
}

TEST(NotebookTransaction, MetadataKeepsEveryByteItDoesNotName) {
  const std::string metadata = "{ \"z\" : 1.50,\n  \"a\":{\"n\":1e3 , \"m\":[1 ,2]}, \"\\u00e9\": -0 }";
  auto document = notebook({{"a", "code", "", metadata, R"({"x.png":{"image/png":"AA=="}})"}}, metadata);
  EXPECT_EQ(document.metadata_json(), metadata);
  must(document.apply_transaction(
      kAnn, {SetMetadata{"a", {"a", "n"}, "2.00"}, SetMetadata{std::nullopt, {"z"}, std::nullopt}}));
  EXPECT_EQ(document.find_cell("a")->metadata_json,
            "{ \"z\" : 1.50,\n  \"a\":{\"n\":2.00 , \"m\":[1 ,2]}, \"\\u00e9\": -0 }");
  EXPECT_EQ(document.metadata_json(), "{ \"a\":{\"n\":1e3 , \"m\":[1 ,2]}, \"\\u00e9\": -0 }");
  must(document.apply_transaction(
      kAnn, {SetMetadata{"a", {"new", "deep"}, "[]"}, SetMetadata{"a", {"\u00e9"}, std::nullopt}}));
  EXPECT_EQ(document.find_cell("a")->metadata_json,
            "{ \"z\" : 1.50,\n  \"a\":{\"n\":2.00 , \"m\":[1 ,2]}, \"new\":{\"deep\":[]} }");
  EXPECT_EQ(document.find_cell("a")->attachments_json, R"({"x.png":{"image/png":"AA=="}})");
  expect_true_to_engine(document);
}

TEST(NotebookTransaction, RefusesWhatIsNotAnEdit) {
  auto document = abc();
  const std::vector<Change> invalid = {
      CreateCell{"", "code", "", {}, {}, "{}"},
      CreateCell{"d", "prose", "", {}, {}, "{}"},
      CreateCell{"d", "code", "\xff", {}, {}, "{}"},
      CreateCell{"d", "code", "", {}, {}, "[]"},
      CreateCell{"d", "code", "", {}, {}, "{"},
      SetMetadata{"a", {}, "1"},
      SetMetadata{"a", {"k"}, "nope"},
      SetCellType{"a", "prose"},
      SetSource{"a", "\xed\xa0\x80", std::nullopt},
  };
  for (std::size_t i = 0; i < invalid.size(); ++i) {
    EXPECT_EQ(code_of(document.apply_transaction(kAnn, {SetSource{"b", "lost", {}}, invalid[i]})), "400 invalid_change")
        << i;
  }
  EXPECT_EQ(code_of(document.apply_transaction("not hex", {})), "400 invalid_actor");
  EXPECT_EQ(source(document, "b"), "two");
}

TEST(NotebookTransaction, BoundsHold) {
  DocumentLimits limits;
  limits.max_source_bytes = 8;
  limits.max_cells = 2;
  limits.max_metadata_bytes = 8;
  auto document = std::move(*NotebookDocument::import({{code("a", "1234")}, "{}"}, kImporter, limits));
  EXPECT_EQ(code_of(document.apply_transaction(kAnn, {SetSource{"a", "123456789", {}}})), "413 too_large");
  EXPECT_EQ(code_of(document.apply_transaction(kAnn, {SpliceSource{"a", 0, 0, "12345"}}, 1)), "413 too_large");
  EXPECT_EQ(code_of(document.apply_transaction(kAnn, {SetMetadata{"a", {"k"}, "\"1234567\""}})), "413 too_large");
  EXPECT_EQ(code_of(document.apply_transaction(kAnn, {create("b", {}, {}), create("c", {}, {})})), "413 too_large");
  EXPECT_EQ(code_of(NotebookDocument::import({{code("a", ""), code("b", ""), code("c", "")}, "{}"}, kImporter, limits)),
            "413 too_large");
}

TEST(NotebookTransaction, TheCellTypeChanges) {
  auto document = abc();
  const auto done = must(document.apply_transaction(kAnn, {SetCellType{"a", "markdown"}}));
  EXPECT_EQ(document.find_cell("a")->cell_type, "markdown");
  EXPECT_THAT(done.applied, ElementsAre(Change(SetCellType{"a", "markdown"})));
}

}  // namespace
}  // namespace lectern::document
