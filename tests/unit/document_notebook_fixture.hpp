// What the notebook document tests share: small notebooks, actors, and a second copy of a document that plays a client.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/crypto.hpp"
#include "document/notebook_document.hpp"

namespace lectern::document {

inline const std::string kImporter(32, 'f');
inline const std::string kAnn = "aa000000000000000000000000000001";
inline const std::string kBob = "bb000000000000000000000000000002";

inline CellInput code(std::string id, std::string source) {
  return {std::move(id), "code", std::move(source)};
}

inline NotebookDocument notebook(std::vector<CellInput> cells, std::string metadata = "{}") {
  auto made = NotebookDocument::import({std::move(cells), std::move(metadata)}, kImporter);
  EXPECT_TRUE(made) << made.error().message;
  return std::move(*made);
}

inline NotebookDocument abc() {
  return notebook({code("a", "one"), code("b", "two"), code("c", "three")});
}

/// The same document on another machine.
inline NotebookDocument copy_of(NotebookDocument& document) {
  auto loaded = NotebookDocument::load(*document.save(), document.sidecar());
  EXPECT_TRUE(loaded) << loaded.error().message;
  return std::move(*loaded);
}

inline std::string order(const NotebookDocument& document) {
  std::string ids;
  for (const auto* cell : document.cells()) ids += (ids.empty() ? "" : " ") + cell->id;
  return ids;
}

inline std::string source(const NotebookDocument& document, std::string_view id) {
  const auto* cell = document.find_cell(id);
  return cell == nullptr ? "<gone>" : cell->source;
}

inline AppliedTransaction must(Result<AppliedTransaction> result) {
  EXPECT_TRUE(result) << result.error().code << ": " << result.error().message;
  return result ? std::move(*result) : AppliedTransaction{};
}

inline AppliedChanges must(Result<AppliedChanges> result) {
  EXPECT_TRUE(result) << result.error().code << ": " << result.error().message;
  return result ? std::move(*result) : AppliedChanges{};
}

template <class T>
std::string code_of(const Result<T>& result) {
  return result ? "ok" : std::to_string(result.error().status) + " " + result.error().code;
}

/// Two documents show the same notebook.
inline void expect_same(const NotebookDocument& a, const NotebookDocument& b) {
  EXPECT_EQ(a.heads(), b.heads());
  ASSERT_EQ(order(a), order(b));
  for (const auto* cell : a.cells()) {
    const auto* other = b.find_cell(cell->id);
    EXPECT_EQ(cell->source, other->source);
    EXPECT_EQ(cell->cell_type, other->cell_type);
    EXPECT_EQ(cell->position, other->position);
    EXPECT_EQ(cell->source_length, other->source_length);
  }
}

/// The cells under the document say what the document itself says.
inline void expect_true_to_engine(NotebookDocument& document) {
  auto again = copy_of(document);
  expect_same(document, again);
  for (const auto* cell : document.cells()) {
    EXPECT_EQ(cell->metadata_json, again.find_cell(cell->id)->metadata_json);
  }
}

}  // namespace lectern::document
