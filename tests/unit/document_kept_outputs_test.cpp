// Outputs of scripts: kept in the state folder by cell and source, given back to the cells that still have theirs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/text_formats.hpp"
#include "document/kept_outputs.hpp"

namespace lectern::document {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* one = R"([{"name":"stdout","output_type":"stream","text":"1"}])";
constexpr const char* two = R"([{"name":"stdout","output_type":"stream","text":"2"}])";

class KeptOutputsTest : public testing::Test {
 protected:
  [[nodiscard]] std::shared_ptr<const LoadedNotebook> load_script() const {
    auto loaded = load(path_, {test::format_plugin("format-percent"), test::ipynb()});
    if (!loaded) throw std::runtime_error(loaded.error().message);
    return with_kept_outputs(*loaded, state_);
  }
  SavedFile save_script(std::vector<CellContent> cells, std::shared_ptr<const LoadedNotebook> baseline = {}) {
    SaveRequest request;
    request.path = path_;
    request.format = test::format_plugin("format-percent");
    request.cells = std::move(cells);
    request.language = "python";
    request.baseline = std::move(baseline);
    request.last_known = request.baseline ? std::optional(request.baseline->fingerprint) : std::nullopt;
    request.outputs_dir = state_;
    auto saved = save(request);
    if (!saved) throw std::runtime_error(saved.error().message);
    return *saved;
  }
  static CellContent cell(std::string id, std::string source, std::optional<std::string> outputs, int count = 1) {
    CellContent made;
    made.id = std::move(id);
    made.cell_type = "code";
    made.source = std::move(source);
    made.outputs = std::move(outputs);
    made.execution_count = count;
    return made;
  }
  static std::vector<std::string> told(const LoadedNotebook& notebook) {
    std::vector<std::string> out;
    for (const auto& cell : notebook.cells) {
      out.push_back(std::string(cell.id) + "|" + std::string(cell.source) + "|" + std::string(cell.outputs));
    }
    return out;
  }

  test::TemporaryFolder folder_;
  std::string path_ = folder_ / "n.py", state_ = folder_ / "state";
};

TEST_F(KeptOutputsTest, TheHostFindsOutWhatAFormatKeeps) {
  EXPECT_TRUE(keeps_outputs(*test::ipynb()));
  for (const char* id : {"format-percent", "format-markdown", "format-quarto"}) {
    EXPECT_FALSE(keeps_outputs(*test::format_plugin(id))) << id;
  }
}

TEST_F(KeptOutputsTest, OutputsAndIdsComeBack) {
  save_script({cell("a", "1", one, 7), cell("b", "2", two), cell("c", "2", std::nullopt)});
  EXPECT_THAT(test::read_file(path_), testing::Not(HasSubstr("stdout")));
  const auto loaded = load_script();
  EXPECT_THAT(told(*loaded), ElementsAre(std::string("a|1|") + one, std::string("b|2|") + two, "c|2|"));
  EXPECT_EQ(loaded->cells[0].execution_count, 7);
}

TEST_F(KeptOutputsTest, WhatOnlyRanIsSavedThoughTheFileStays) {
  save_script({cell("a", "1", std::nullopt)});
  const auto before = load_script();
  EXPECT_TRUE(save_script({cell(std::string(before->cells[0].id), "1", one)}, before).unchanged);
  EXPECT_THAT(told(*load_script()), ElementsAre(std::string("a|1|") + one));
}

TEST_F(KeptOutputsTest, CellsThatWereEditedElsewhereLoseTheirs) {
  save_script({cell("a", "1", one), cell("b", "2", two), cell("c", "3", one)});
  test::write_file(path_, "# %%\n0\n\n# %%\n1\n\n# %%\n2 + 2\n\n# %%\n3\n");
  EXPECT_THAT(told(*load_script()), ElementsAre(testing::HasSubstr("|0|"), std::string("a|1|") + one,
                                                testing::EndsWith("|2 + 2|"), std::string("c|3|") + one));
}

TEST_F(KeptOutputsTest, OutputsThatNobodyTouchedStayThroughAnEditOfAnotherCell) {
  save_script({cell("a", "1", one), cell("b", "2", two)});
  const auto before = load_script();
  save_script({cell("a", "1", std::nullopt), cell("b", "3", std::nullopt)}, before);
  EXPECT_THAT(told(*load_script()), ElementsAre(std::string("a|1|") + one, std::string("b|3|") + two));
}

TEST_F(KeptOutputsTest, ADamagedFileIsNothing) {
  save_script({cell("a", "1", one)});
  test::write_file(state_ + "/outputs.json", "{\"cells\":[{\"id\"");
  EXPECT_THAT(told(*load_script()), ElementsAre("cell-1|1|"));
}

// The log of outputs goes by what is kept: it must be the same thing to who saved and to who opens.
TEST_F(KeptOutputsTest, OfANotebookWithoutCellsNothingIsKeptAndThatIsKnown) {
  const auto saved = save_script({});
  const auto loaded = load_script();
  EXPECT_FALSE(saved.fingerprint.outputs.empty());
  EXPECT_EQ(loaded->fingerprint.outputs, saved.fingerprint.outputs);
  EXPECT_THAT(told(*loaded), ElementsAre());
}

TEST_F(KeptOutputsTest, SaveAsAnotherFormatWritesAllOfItAnew) {
  const std::string ipynb =
      R"({"cells":[{"cell_type":"code","execution_count":3,"id":"a","metadata":{},"outputs":[{"name":"stdout","output_type":"stream","text":"1"}],"source":"1"}],"metadata":{},"nbformat":4,"nbformat_minor":5})";
  test::write_file(folder_ / "n.ipynb", ipynb);
  auto loaded = load(folder_ / "n.ipynb", {test::format_plugin("format-percent"), test::ipynb()});
  ASSERT_TRUE(loaded.has_value());
  SaveRequest request;
  request.path = path_;
  request.format = test::format_plugin("format-percent");
  request.cells = {cell("a", "1", std::nullopt)};
  request.baseline = *loaded;
  request.outputs_dir = state_;
  ASSERT_TRUE(save(request).has_value());
  EXPECT_THAT(test::read_file(path_), testing::EndsWith("# %%\n1\n"));
  const auto script = load_script();
  EXPECT_THAT(told(*script), ElementsAre(std::string("a|1|") + one));
  EXPECT_EQ(script->cells[0].execution_count, 3);
}

}  // namespace
}  // namespace lectern::document
