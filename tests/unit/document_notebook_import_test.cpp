// From a file's cells to a document and back.
#include "document_notebook_fixture.hpp"

namespace lectern::document {
namespace {

TEST(NotebookImport, IsTheSameChangeForTheSameFile) {
  auto first = abc(), second = abc();
  EXPECT_EQ(first.heads(), second.heads());
  EXPECT_EQ(first.version(), 1U);
  EXPECT_EQ(order(first), "a b c");
  EXPECT_TRUE(
      first.contains(*ChangeHash::from_hex("5cb837a3e10c24a4107f4bf04260c35621ad8f003ec7fbcbe63407028a22f33b")));
  EXPECT_NE(notebook({code("a", "one")}).heads(), first.heads());
}

TEST(NotebookImport, RefusesWhatIsNoNotebook) {
  const auto refused = [](NotebookInput input) { return code_of(NotebookDocument::import(input, kImporter)); };
  EXPECT_EQ(refused({{code("a", ""), code("a", "")}, "{}"}), "422 malformed");
  EXPECT_EQ(refused({{code("", "")}, "{}"}), "422 malformed");
  EXPECT_EQ(refused({{{"a", "prose", ""}}, "{}"}), "422 malformed");
  EXPECT_EQ(refused({{code("a", "\xff")}, "{}"}), "422 malformed");
  EXPECT_EQ(refused({{{"a", "code", "", "[]"}}, "{}"}), "422 malformed");
  EXPECT_EQ(refused({{{"a", "code", "", "{}", "nope"}}, "{}"}), "422 malformed");
  EXPECT_EQ(refused({{}, "{\"a\":"}), "422 malformed");
  EXPECT_EQ(refused({{}, std::string(100'000, '[')}), "422 malformed");
}

TEST(NotebookImport, EveryByteOfMetadataSurvivesASaveAndALoad) {
  const std::string metadata =
      "{ \"b\": 1.00, \"a\": {\"big\": 123456789012345678901234567890, \"e\": 1e400}, \"\\u0041\": \"\\u00e9\\/\" }";
  auto document = notebook({{"a", "code", "x", metadata, R"({ "i.png" : {} })", "7"}}, metadata);
  must(document.apply_transaction(kAnn, {SetSource{"a", "xy", {}}}));
  auto again = copy_of(document);
  EXPECT_EQ(again.metadata_json(), metadata);
  EXPECT_EQ(again.find_cell("a")->metadata_json, metadata);
  EXPECT_EQ(again.find_cell("a")->attachments_json, R"({ "i.png" : {} })");
  EXPECT_EQ(again.find_cell("a")->execution_count_json, "7");
  EXPECT_EQ(source(again, "a"), "xy");
}

TEST(NotebookImport, AnOlderSidecarGivesWayWhereTheDocumentWentOn) {
  auto document = notebook({{"a", "code", "", "{ \"keep\": 1.0, \"change\": 1.0, \"drop\": 1.0 }"}});
  const auto older = document.sidecar();
  must(document.apply_transaction(kAnn, {SetMetadata{"a", {"change"}, "2"}, SetMetadata{"a", {"drop"}, std::nullopt},
                                         SetMetadata{"a", {"new"}, "3"}}));
  auto loaded = NotebookDocument::load(*document.save(), older);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->find_cell("a")->metadata_json, "{ \"keep\": 1.0, \"change\": 2,\"new\":3 }");
  auto bare = NotebookDocument::load(*document.save());
  EXPECT_EQ(bare->find_cell("a")->metadata_json, R"({"change":2,"keep":1.0,"new":3})");
}

TEST(NotebookImport, ANewerSidecarCountsOnceItsChangesAreApplied) {
  auto document = notebook({{"a", "code", "", "{ \"n\": 1.0 }"}}, "{ }");
  const auto saved = *document.save();
  std::vector<std::string> journal;
  const auto keep = [&](const std::vector<Change>& changes) {
    for (auto& chunk : must(document.apply_transaction(kAnn, changes)).chunks) journal.push_back(std::move(chunk));
  };
  keep({SetMetadata{"a", {"n"}, "2.00"}, SetMetadata{std::nullopt, {"k"}, "{ \"x\": 1e2 }"}});
  keep({SetMetadata{"a", {"m"}, "[ 1 ]"}, CreateCell{"b", "code", "", {}, {}, "{ \"new\" : 1.0 }"}});
  auto recovered = NotebookDocument::load(saved, document.sidecar());
  ASSERT_TRUE(recovered) << recovered.error().message;
  EXPECT_EQ(recovered->find_cell("a")->metadata_json, "{ \"n\": 1.0 }");
  for (const auto& chunk : journal) must(recovered->apply_changes(std::vector<std::string>{chunk}, std::nullopt));
  EXPECT_EQ(recovered->metadata_json(), "{\"k\":{ \"x\": 1e2 } }");
  EXPECT_EQ(recovered->metadata_json(), document.metadata_json());
  EXPECT_EQ(recovered->find_cell("a")->metadata_json, "{ \"n\": 2.00,\"m\":[ 1 ] }");
  EXPECT_EQ(recovered->find_cell("b")->metadata_json, "{ \"new\" : 1.0 }");
}

TEST(NotebookImport, LoadRefusesOtherBytes) {
  EXPECT_EQ(code_of(NotebookDocument::load("junk")), "422 malformed_document");
  EXPECT_EQ(code_of(NotebookDocument::load("")), "422 malformed_document");
  auto document = abc();
  auto torn = *document.save();
  torn.resize(torn.size() / 2);
  EXPECT_EQ(code_of(NotebookDocument::load(torn)), "422 malformed_document");
}

TEST(NotebookImport, FiveHundredCells) {
  std::vector<CellInput> cells;
  for (int i = 0; i < 500; ++i) cells.push_back(code("cell-" + std::to_string(i), std::string(400, 'x')));
  auto document = notebook(std::move(cells));
  ASSERT_EQ(document.cells().size(), 500U);
  EXPECT_EQ(document.cells()[499]->id, "cell-499");
  EXPECT_EQ(document.changes_since(std::vector<ChangeHash>{})->size(), 2U);  // the first change and the import
  expect_true_to_engine(document);
  // Moving one cell touches one cell.
  const auto before = document.work();
  must(document.apply_transaction(kAnn, {MoveCell{"cell-499", "cell-0", {}}}));
  EXPECT_EQ(document.work().patches - before.patches, 1U);
  EXPECT_EQ(document.cells()[0]->id, "cell-499");
}

}  // namespace
}  // namespace lectern::document
