// A store over one notebook in a folder of its own, for the tests of what it does and of who may.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "../support/notebook_formats.hpp"
#include "document/notebook_store.hpp"

namespace lectern::document {

namespace fs = std::filesystem;
using test::ipynb;
using test::notebook_data;
using test::read_file;
using test::write_file;
using testing::HasSubstr;

class NotebookStoreTest : public testing::Test {
 protected:
  NotebookStoreTest() {
    fs::create_directory(root());
    write_file(file(), notebook_data("jupyter-4.5.ipynb"));
    store_ = std::move(*NotebookStore::create({folder_ / "state", {}}, writer_));
  }
  std::string root() const { return folder_ / "root"; }
  std::string file() const { return root() + "/a.ipynb"; }
  ResolvedPath at(const std::string& name) { return *PathPolicy::create(root())->resolve(name); }
  OpenedNotebook open(const std::string& name = "a.ipynb") {
    auto result = store_->open(at(name), formats_);
    if (!result) throw std::runtime_error(result.error().message);
    return std::move(*result);
  }
  // What a session does first with an imported notebook.
  OpenedNotebook begin() {
    auto book = open();
    EXPECT_EQ(book.start, Start::imported);
    EXPECT_TRUE(book.journal->rewrite_and_wait("snapshot", "").has_value());
    return book;
  }
  SaveRequest edited(const OpenedNotebook& book, const std::string& source) {
    SaveRequest request;
    request.path = book.path;
    request.format = ipynb();
    request.baseline = book.file;
    request.heads = "heads of " + source;
    if (book.file != nullptr) request.metadata = book.file->metadata;
    CellContent cell;
    cell.id = "c1";
    cell.cell_type = "code";
    cell.source = source + std::string(4000, '#');
    request.cells.push_back(cell);
    return request;
  }
  test::TemporaryFolder folder_;
  JournalWriter writer_;
  std::unique_ptr<NotebookStore> store_;
  Formats formats_{ipynb()};
};

}  // namespace lectern::document
