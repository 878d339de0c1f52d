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
