// From a document to what of it is safe to show.
#include "session/notebook_import.hpp"

#include <gtest/gtest.h>

namespace lectern::session {
namespace {

using document::Change;
using document::NotebookDocument;
using document::NotebookInput;

constexpr const char* ann = "aa000000000000000000000000000001";
constexpr const char* ben = "bb000000000000000000000000000002";

NotebookDocument made() {
  NotebookInput input;
  input.metadata_json = R"({ "kept" : 1.10 })";
  auto& cell = input.cells.emplace_back();
  cell.id = "a";
  cell.cell_type = "code";
  cell.source = "old";
  return std::move(*build_notebook(nullptr, input, "history"));
}

TEST(DocumentWithout, IsTheDocumentBeforeTheChangesWereMade) {
  auto document = made();
  const auto safe = document.apply_transaction(ann, {document::SetSource{"a", "safe", {}}});
  ASSERT_TRUE(safe.has_value()) << safe.error().message;
  const auto heads = document.heads();
  std::vector<std::string> unsafe;
  for (const auto* actor : {ben, ann}) {
    const auto more = document.apply_transaction(actor, {document::SetSource{"a", std::string("by ") + actor, {}}});
    ASSERT_TRUE(more.has_value()) << more.error().message;
    unsafe.insert(unsafe.end(), more->chunks.begin(), more->chunks.end());
  }
  const auto bytes = document.save();
  auto without = document_without(*bytes, document.sidecar(), unsafe);
  ASSERT_TRUE(without.has_value()) << without.error().message;
  EXPECT_EQ(without->heads(), heads);
  ASSERT_EQ(without->cells().size(), 1u);
  EXPECT_EQ(without->cells()[0]->source, "safe");
  EXPECT_EQ(without->metadata_json(), R"({ "kept" : 1.10 })");
  EXPECT_EQ(document_without(*bytes, document.sidecar(), {})->heads(), document.heads());
  // What waited comes afterwards, to those who were shown what was safe.
  ASSERT_TRUE(without->apply_changes(unsafe, std::nullopt).has_value());
  EXPECT_EQ(without->heads(), document.heads());
  EXPECT_FALSE(document_without(*bytes, "", {"no change"}).has_value());
}

}  // namespace
}  // namespace lectern::session
