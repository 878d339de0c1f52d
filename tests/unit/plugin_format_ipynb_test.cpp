// plugins/format-ipynb through the host's adapter: files come back byte for byte, and an edit changes its own lines
// only.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "../support/notebook_formats.hpp"
#include "base/json.hpp"

namespace lectern::plugin {
namespace {

using test::ipynb;
using test::notebook_data;
using ::testing::HasSubstr;

ReadNotebook read(std::string text) {
  auto result = ipynb()->read(std::make_shared<const std::string>(std::move(text)));
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

Error refusal(std::string text, const FormatLimits& limits = {}) {
  auto result = ipynb()->read(std::make_shared<const std::string>(std::move(text)), limits);
  EXPECT_FALSE(result.has_value());
  return result ? Error{} : result.error();
}

WriteNotebook as_read(const ReadNotebook& from) {
  WriteNotebook to;
  to.cells = from.cells;
  for (auto& cell : to.cells) cell.changed = 0;
  to.metadata = from.metadata;
  to.original = from.original;
  to.language = from.language;
  return to;
}

std::string write(const WriteNotebook& notebook) {
  auto result = ipynb()->write(notebook);
  if (!result) throw std::runtime_error(result.error().message);
  return *result;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    out.push_back(text.substr(at, end == std::string::npos ? end : end + 1 - at));
    at = end == std::string::npos ? text.size() : end + 1;
  }
  return out;
}

// What a line diff shows, when the change is in one place: lines taken out and lines put in.
struct Difference {
  std::vector<std::string> removed, added;
};
Difference difference(const std::string& before, const std::string& after) {
  auto a = lines(before), b = lines(after);
  std::size_t head = 0, tail = 0;
  while (head < a.size() && head < b.size() && a[head] == b[head]) ++head;
  while (tail < a.size() - head && tail < b.size() - head && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) ++tail;
  return {{a.begin() + static_cast<long>(head), a.end() - static_cast<long>(tail)},
          {b.begin() + static_cast<long>(head), b.end() - static_cast<long>(tail)}};
}

std::vector<std::string> files(bool old_ones_too) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(LECTERN_TEST_DATA "/notebooks")) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".ipynb") && (old_ones_too || name != "jupyter-3.0.ipynb")) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string id_of(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
}

constexpr auto file_name = [](const auto& one) { return id_of(one.param); };
class EveryFile : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Data, EveryFile, ::testing::ValuesIn(files(true)), file_name);
class EveryVersion4File : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Data, EveryVersion4File, ::testing::ValuesIn(files(false)), file_name);

TEST_P(EveryVersion4File, ComesBackByteForByteWhenNothingChanged) {
  const std::string text = notebook_data(GetParam());
  EXPECT_EQ(write(as_read(read(text))), text);
}

TEST_P(EveryFile, GivesTheSameIdsEveryTime) {
  const auto first = read(notebook_data(GetParam()));
  const auto second = read(notebook_data(GetParam()));
  std::set<std::string_view> ids;
  for (std::size_t i = 0; i < first.cells.size(); ++i) {
    EXPECT_EQ(first.cells[i].id, second.cells[i].id);
    EXPECT_FALSE(first.cells[i].id.empty());
    EXPECT_TRUE(ids.insert(first.cells[i].id).second);
  }
}

TEST_P(EveryFile, KeepsWhatItMeansWhenEverythingIsWrittenAnew) {
  const auto notebook = read(notebook_data(GetParam()));
  auto all_new = as_read(notebook);
  all_new.original = {};
  all_new.changed = notebook_new;
  for (auto& cell : all_new.cells) {
    cell.original = {};
    cell.changed = cell_new;
  }
  const std::string text = write(all_new);
  const auto again = read(text);
  ASSERT_EQ(again.cells.size(), notebook.cells.size());
  for (std::size_t i = 0; i < again.cells.size(); ++i) {
    EXPECT_EQ(again.cells[i].id, notebook.cells[i].id);
    EXPECT_EQ(again.cells[i].cell_type, notebook.cells[i].cell_type);
    EXPECT_EQ(again.cells[i].source, notebook.cells[i].source);
    EXPECT_EQ(again.cells[i].execution_count, notebook.cells[i].execution_count);
    EXPECT_EQ(again.cells[i].changed, 0u);
  }
  EXPECT_EQ(write(as_read(again)), text);
}

TEST_P(EveryVersion4File, AChangedSourceChangesItsOwnLinesOnly) {
  const std::string text = notebook_data(GetParam());
  const auto notebook = read(text);
  for (std::size_t i = 0; i < notebook.cells.size(); ++i) {
    auto edited = as_read(notebook);
    const std::string source = std::string(edited.cells[i].source) + "\nappended \"line\" \\ ü";
    edited.cells[i].source = source;
    edited.cells[i].changed = cell_source_changed;
    const std::string out = write(edited);
    const auto again = read(out);
    ASSERT_EQ(again.cells.size(), notebook.cells.size());
    EXPECT_EQ(again.cells[i].source, source);
    EXPECT_EQ(again.metadata, notebook.metadata);
    for (std::size_t k = 0; k < again.cells.size(); ++k) {
      if (k == i) continue;
      EXPECT_EQ(again.cells[k].original, notebook.cells[k].original) << "cell " << k;
    }
    EXPECT_EQ(again.cells[i].outputs, notebook.cells[i].outputs);
    EXPECT_EQ(again.cells[i].metadata, notebook.cells[i].metadata);
    // And back again: the bytes we began with.
    auto undone = as_read(again);
    undone.cells[i].source = notebook.cells[i].source;
    undone.cells[i].changed = cell_source_changed;
    const auto restored = write(undone);
    EXPECT_EQ(read(restored).cells[i].source, notebook.cells[i].source);
  }
}

TEST(FormatIpynb, AnAppendedLineIsTwoLinesOfDiff) {
  const std::string text = notebook_data("jupyter-4.5.ipynb");
  const auto notebook = read(text);
  auto edited = as_read(notebook);
  const std::string source = std::string(edited.cells[1].source) + "\ny = 2";
  edited.cells[1].source = source;
  edited.cells[1].changed = cell_source_changed;
  const auto diff = difference(text, write(edited));
  EXPECT_THAT(diff.removed, ::testing::ElementsAre("    \"\\tx = '\\\\t\\\"quoted\\\" \\\\\\\\ back'\"\n"));
  EXPECT_THAT(diff.added,
              ::testing::ElementsAre("    \"\\tx = '\\\\t\\\"quoted\\\" \\\\\\\\ back'\\n\",\n", "    \"y = 2\"\n"));
}

TEST(FormatIpynb, IndentationAndLineBreaksOfTheFileAreKept) {
  const std::string text = notebook_data("tabs-crlf.ipynb");
  const auto notebook = read(text);
  auto edited = as_read(notebook);
  edited.cells[2].source = "new";
  edited.cells[2].changed = cell_source_changed;
  const auto diff = difference(text, write(edited));
  EXPECT_THAT(diff.removed, ::testing::ElementsAre("\t\t\t\"source\": [],\r\n"));
  EXPECT_THAT(diff.added, ::testing::ElementsAre("\t\t\t\"source\": [\r\n", "\t\t\t\t\"new\"\r\n", "\t\t\t],\r\n"));
}

TEST(FormatIpynb, EscapedFilesStayEscaped) {
  const std::string text = notebook_data("compact-ascii.ipynb");
  const auto notebook = read(text);
  auto edited = as_read(notebook);
  edited.cells[0].source = "h\xC3\xA9 \xF0\x9F\x8E\x89";
  edited.cells[0].changed = cell_source_changed;
  EXPECT_THAT(write(edited), HasSubstr(R"("source": "h\u00e9 \ud83c\udf89")"));
}

// Wherever it stands: text is looked at sixteen bytes at a time.
TEST(FormatIpynb, EveryCharacterIsWrittenAsJsonAnywhereInAText) {
  const std::string ascii = notebook_data("compact-ascii.ipynb");
  const std::string plain =
      "{\"cells\": [{\"cell_type\": \"raw\", \"id\": \"a\", \"metadata\": {}, \"source\": \"\xC3\xA9\"}],"
      " \"metadata\": {}, \"nbformat\": 4, \"nbformat_minor\": 5}";
  struct Character {
    const char *text, *plain, *ascii;
  };
  for (const Character& c : {Character{"\"", "\\\"", "\\\""},
                             {"\\", "\\\\", "\\\\"},
                             {"\n", "\\n", "\\n"},
                             {"\x1F", "\\u001f", "\\u001f"},
                             {" ", " ", " "},
                             {"~", "~", "~"},
                             {"\x7F", "\x7F", "\\u007f"},
                             {"\xC3\xA9", "\xC3\xA9", "\\u00e9"},
                             {"\xE2\x82\xAC", "\xE2\x82\xAC", "\\u20ac"},
                             {"\xF0\x9F\x8E\x89", "\xF0\x9F\x8E\x89", "\\ud83c\\udf89"}}) {
    for (const std::size_t before : {0, 1, 14, 15, 16, 17, 33}) {
      for (const std::size_t after : {0, 1, 16, 40}) {
        const std::string source = std::string(before, 'b') + c.text + std::string(after, 'a');
        for (const bool escaped : {false, true}) {
          const auto notebook = read(escaped ? ascii : plain);
          auto edited = as_read(notebook);
          edited.cells[0].source = source;
          edited.cells[0].changed = cell_source_changed;
          const auto written = std::string(before, 'b') + (escaped ? c.ascii : c.plain) + std::string(after, 'a');
          EXPECT_THAT(write(edited), HasSubstr("\"" + written + "\""));
        }
      }
    }
  }
}

TEST(FormatIpynb, LinesThatStayKeepTheirEscapes) {
  const auto notebook = read(notebook_data("numbers.ipynb"));
  EXPECT_EQ(notebook.cells[0].source, "a/b \xC3\xA9\nlone \xEF\xBF\xBD surrogate\nlast");
  auto edited = as_read(notebook);
  const std::string source = std::string(edited.cells[0].source) + "!";
  edited.cells[0].source = source;
  edited.cells[0].changed = cell_source_changed;
  const auto diff = difference(notebook_data("numbers.ipynb"), write(edited));
  EXPECT_THAT(diff.removed, ::testing::ElementsAre("    \"last\"\n"));
  EXPECT_THAT(diff.added, ::testing::ElementsAre("    \"last!\"\n"));
}

TEST(FormatIpynb, NumbersAndUnknownMembersKeepTheirText) {
  const auto notebook = read(notebook_data("numbers.ipynb"));
  EXPECT_THAT(std::string(notebook.cells[0].metadata), HasSubstr("\"big\": 12345678901234567890123"));
  EXPECT_EQ(notebook.cells[0].execution_count, -1) << "no 64-bit number says it";
  auto edited = as_read(notebook);
  edited.cells[0].metadata = R"({"big": 12345678901234567890123, "huge": 1e400, "float": 1.0, "new": -0})";
  edited.cells[0].outputs =
      R"([{"output_type":"execute_result","metadata":{},"execution_count":1,"data":{"application/json":[1.10,1e400]}}])";
  edited.cells[0].execution_count = 5;
  edited.cells[0].changed = cell_metadata_changed | cell_outputs_changed;
  edited.metadata = R"({"version": 3.10, "x": 1e400, "z": 0.10})";
  edited.changed = notebook_metadata_changed;
  const std::string out = write(edited);
  for (const char* kept : {"    \"big\": 12345678901234567890123,\n", "    \"huge\": 1e400,\n", "    \"float\": 1.0,\n",
                           "    \"new\": -0\n", "       1.10,\n", "       1e400\n", "  \"version\": 3.10,\n",
                           "  \"z\": 0.10\n", "   \"execution_count\": 5,\n", "{\"kept\":   [ 1.0 , 2 ]}"}) {
    EXPECT_THAT(out, HasSubstr(kept));
  }
}

TEST(FormatIpynb, NewCellsLookAsJupyterWritesThem) {
  const auto notebook = read(notebook_data("jupyter-4.5.ipynb"));
  auto edited = as_read(notebook);
  FormatCell code;
  code.id = "new1";
  code.cell_type = "code";
  code.source = "print(1)\nprint(2)";
  code.metadata = R"({"tags":["x"]})";
  code.outputs = R"([{"text":"1\n2\n","name":"stdout","output_type":"stream"}])";
  code.execution_count = 1;
  code.changed = cell_new;
  FormatCell text;
  text.id = "new2";
  text.cell_type = "markdown";
  text.metadata = "{}";
  text.changed = cell_new;
  edited.cells.insert(edited.cells.begin() + 2, {code, text});
  const std::string out = write(edited);
  const std::string expected = R"json(  {
   "cell_type": "code",
   "execution_count": 1,
   "id": "new1",
   "metadata": {
    "tags": [
     "x"
    ]
   },
   "outputs": [
    {
     "name": "stdout",
     "output_type": "stream",
     "text": [
      "1\n",
      "2\n"
     ]
    }
   ],
   "source": [
    "print(1)\n",
    "print(2)"
   ]
  },
  {
   "cell_type": "markdown",
   "id": "new2",
   "metadata": {},
   "source": []
  },
)json";
  EXPECT_THAT(out, HasSubstr(expected));
  EXPECT_TRUE(difference(notebook_data("jupyter-4.5.ipynb"), out).removed.empty());
}

TEST(FormatIpynb, ANewNotebookIsAsJupyterWritesIt) {
  WriteNotebook fresh;
  fresh.changed = notebook_new;
  fresh.metadata = R"({"kernelspec":{"display_name":"Python 3","language":"python","name":"python3"}})";
  FormatCell cell;
  cell.id = "a1";
  cell.cell_type = "code";
  cell.metadata = "{}";
  cell.changed = cell_new;
  fresh.cells.push_back(cell);
  const std::string expected = R"({
 "cells": [
  {
   "cell_type": "code",
   "execution_count": null,
   "id": "a1",
   "metadata": {},
   "outputs": [],
   "source": []
  }
 ],
 "metadata": {
  "kernelspec": {
   "display_name": "Python 3",
   "language": "python",
   "name": "python3"
  }
 },
 "nbformat": 4,
 "nbformat_minor": 5
}
)";
  EXPECT_EQ(write(fresh), expected);
}

TEST(FormatIpynb, CellsAddedToAnEmptyNotebookAndAllTakenAway) {
  const auto empty = read(notebook_data("no-cells.ipynb"));
  auto edited = as_read(empty);
  FormatCell cell;
  cell.id = "a1";
  cell.cell_type = "raw";
  cell.source = "x";
  cell.metadata = "{}";
  cell.changed = cell_new;
  edited.cells.push_back(cell);
  const std::string one = write(edited);
  EXPECT_THAT(one, HasSubstr("\n  {\n   \"cell_type\": \"raw\","));
  const auto back = read(one);
  auto none = as_read(back);
  none.cells.clear();
  EXPECT_EQ(write(none), notebook_data("no-cells.ipynb"));
}

TEST(FormatIpynb, DeletingAndMovingCellsKeepsTheOthers) {
  const std::string text = notebook_data("jupyter-4.5.ipynb");
  const auto notebook = read(text);
  auto edited = as_read(notebook);
  edited.cells.pop_back();
  std::rotate(edited.cells.begin(), edited.cells.begin() + 1, edited.cells.end());
  const std::string out = write(edited);
  const auto again = read(out);
  ASSERT_EQ(again.cells.size(), notebook.cells.size() - 1);
  EXPECT_EQ(again.cells.back().original, notebook.cells[0].original);
  EXPECT_EQ(again.cells[0].original, notebook.cells[1].original);
  EXPECT_THAT(out, HasSubstr("\n  }\n ],\n"));
}

TEST(FormatIpynb, OldMinorsGetIdsOnlyWhenSomethingIsWritten) {
  const std::string text = notebook_data("jupyter-4.4.ipynb");
  const auto notebook = read(text);
  EXPECT_THAT(notebook.notices, ::testing::ElementsAre(HasSubstr("4.4")));
  EXPECT_EQ(notebook.cells[0].changed, static_cast<std::uint32_t>(cell_id_changed));
  auto edited = as_read(notebook);
  for (auto& cell : edited.cells) cell.changed = cell_id_changed;
  const std::string out = write(edited);
  EXPECT_THAT(out, HasSubstr("\"nbformat_minor\": 5"));
  const auto again = read(out);
  EXPECT_TRUE(again.notices.empty());
  for (std::size_t i = 0; i < again.cells.size(); ++i) EXPECT_EQ(again.cells[i].id, notebook.cells[i].id);
  EXPECT_THAT(out, HasSubstr("   \"execution_count\": 1,\n   \"id\": \""));
  // Only the ids and the version differ.
  auto before = lines(text), after = lines(out);
  std::erase_if(after, [](const std::string& line) { return line.find("   \"id\": ") == 0; });
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i].find("nbformat_minor") == std::string::npos) {
      EXPECT_EQ(before[i], after[i]);
    }
  }
}

TEST(FormatIpynb, ATypeChangeTakesOutputsAwayAndBringsThem) {
  const auto notebook = read(notebook_data("jupyter-4.5.ipynb"));
  auto edited = as_read(notebook);
  edited.cells[1].cell_type = "markdown";
  edited.cells[1].outputs = {};
  edited.cells[1].changed = cell_type_changed;
  edited.cells[0].cell_type = "code";
  edited.cells[0].attachments = {};
  edited.cells[0].changed = cell_type_changed;
  const std::string out = write(edited);
  const auto again = read(out);
  EXPECT_EQ(again.cells[0].cell_type, "code");
  EXPECT_EQ(again.cells[0].outputs, "[]");
  EXPECT_EQ(again.cells[0].original.find("attachments"), std::string_view::npos);
  EXPECT_EQ(again.cells[1].original.find("outputs"), std::string_view::npos);
  EXPECT_EQ(again.cells[1].original.find("execution_count"), std::string_view::npos);
  EXPECT_TRUE(json::parse(out).has_value());
}

TEST(FormatIpynb, Format3IsUpgradedAsNbformatDoesIt) {
  const auto notebook = read(notebook_data("jupyter-3.0.ipynb"));
  EXPECT_THAT(notebook.notices, ::testing::ElementsAre(HasSubstr("format 3")));
  ASSERT_EQ(notebook.cells.size(), 6u);
  EXPECT_EQ(notebook.cells[0].cell_type, "markdown");
  EXPECT_EQ(notebook.cells[0].source, "## A heading over two lines");
  EXPECT_EQ(notebook.cells[2].source, "print 'hi'\n2+2");
  EXPECT_EQ(notebook.cells[2].execution_count, 7);
  const std::string metadata = "{\"collapsed\":false,\n      \"k\": 1.1\n     }";
  EXPECT_EQ(notebook.cells[2].metadata, metadata);
  const auto outputs = json::parse(notebook.cells[2].outputs);
  ASSERT_TRUE(outputs.has_value());
  const auto& list = *outputs->as_array();
  ASSERT_EQ(list.size(), 4u);
  EXPECT_EQ(*list[0].find("name")->as_string(), "stdout");
  EXPECT_EQ(*list[1].find("output_type")->as_string(), "execute_result");
  EXPECT_EQ(*list[1].find("execution_count")->as_int(), 7);
  EXPECT_NE(list[1].find("data")->find("text/html"), nullptr);
  EXPECT_EQ(*list[2].find("data")->find("application/json")->find("a")->as_int(), 1);
  EXPECT_NE(list[2].find("metadata")->find("image/png"), nullptr);
  EXPECT_EQ(*list[3].find("output_type")->as_string(), "error");
  EXPECT_EQ(notebook.cells[4].cell_type, "markdown");
  EXPECT_EQ(notebook.cells[5].source, "x = 1");
  EXPECT_EQ(notebook.metadata.find("Old days"), std::string_view::npos);
}

TEST(FormatIpynb, ProbeKnowsNotebooksByNameAndContent) {
  EXPECT_GT(ipynb()->probe("/x/a.ipynb", "garbage"), 50);
  EXPECT_GT(ipynb()->probe("/x/A.IPYNB", ""), 50);
  EXPECT_GT(ipynb()->probe("/x/a.json", "{\n \"nbformat\": 4"), 0);
  EXPECT_EQ(ipynb()->probe("/x/a.py", "print('nbformat')"), 0);
  EXPECT_THAT(ipynb()->extensions(), ::testing::ElementsAre(".ipynb"));
}

struct Bad {
  const char* name;
  std::string text;
  int line, column;
  const char* says;
};
std::ostream& operator<<(std::ostream& out, const Bad& bad) {
  return out << bad.name;
}
class BadInput : public ::testing::TestWithParam<Bad> {};
const std::string around = R"(,"metadata":{},"nbformat":4,"nbformat_minor":5})";
std::string one_cell(const std::string& cell) {
  return "{\"cells\":[\n" + cell + "]" + around;
}
INSTANTIATE_TEST_SUITE_P(
    FormatIpynb, BadInput,
    ::testing::Values(
        Bad{"Empty", "", 1, 1, "empty"}, Bad{"Blank", " \n \n", 3, 1, "empty"}, Bad{"List", "[]", 1, 1, "begins with"},
        Bad{"Truncated", "{\n \"cells\": [\n  {\"cell_type\": \"co", 3, 17, "does not end"},
        Bad{"TruncatedAfterComma", "{\"cells\": [],", 1, 14, "the text ends"},
        Bad{"CellsNotAList", "{\"cells\":{}" + around, 1, 10, "not a list"},
        Bad{"CellsMissing", "{\"metadata\":{},\"nbformat\":4}", 1, 28, "\"cells\" is missing"},
        Bad{"NoVersion", "{\"cells\":[]}", 1, 12, "nbformat"},
        Bad{"CellNotAnObject", one_cell("7"), 2, 1, "cells[0] is not an object"},
        Bad{"UnknownType", one_cell(R"({"cell_type":"poem","source":""})"), 2, 1, "poem"},
        Bad{"TypeMissing", one_cell(R"({"source":""})"), 2, 1, "missing"},
        Bad{"SourceNumber", one_cell(R"({"cell_type":"raw","source":7})"), 2, 29, "source"},
        Bad{"SourceListOfNumbers", one_cell(R"({"cell_type":"raw","source":["a",7]})"), 2, 34, "source"},
        Bad{"OutputsObject", one_cell(R"({"cell_type":"code","outputs":{}})"), 2, 31, "outputs"},
        Bad{"OutputNull", one_cell(R"({"cell_type":"code","outputs":[null]})"), 2, 32, "outputs"},
        Bad{"MetadataList", one_cell(R"({"cell_type":"raw","metadata":[]})"), 2, 31, "metadata"},
        Bad{"NotebookMetadata", "{\"cells\":[],\"metadata\":7,\"nbformat\":4}", 1, 24, "metadata"},
        Bad{"InvalidUtf8", "{\"cells\":[],\n\"metadata\":{\"x\":\"\xC3(\"},\"nbformat\":4}", 2, 18, "UTF-8"},
        Bad{"Surrogate", "{\"x\":\"\xED\xA0\x80\"}", 1, 7, "UTF-8"},
        Bad{"InvalidUtf8FarInAString", "{\"x\":\"" + std::string(37, 'a') + "\x80" + std::string(40, 'a') + "\"}", 1,
            44, "UTF-8"},
        Bad{"CutUtf8BeforeTheQuote", "{\"x\":\"0123456789abcde\xC3\"}", 1, 22, "UTF-8"},
        Bad{"InvalidUtf8InAKey", "{\"\xFF\":1}", 1, 3, "UTF-8"},
        Bad{"Latin1BetweenValues", "{\"cells\":\xE9}", 1, 10, "UTF-8"},
        Bad{"LetterBetweenValues", "{\"cells\":\xC3\xA9}", 1, 10, "a byte that cannot be there"},
        Bad{"Utf16", std::string("\xFF\xFE{\0\"\0", 6), 1, 1, "UTF-8"},
        Bad{"BadNumber", "{\"cells\":[],\"x\":01}", 1, 18, "number"},
        Bad{"BadEscape", "{\"x\":\"\\x\"}", 1, 7, "escape"},
        Bad{"ControlCharacter", "{\"x\":\"a\nb\"}", 1, 8, "control"},
        Bad{"TrailingComma", "{\"cells\":[1,]" + around, 1, 13, "a value"},
        Bad{"TrailingGarbage", "{\"cells\":[]" + around + "x", 1, 59, "goes on"},
        Bad{"TrailingNul", std::string("{\"cells\":[]") + around + std::string(1, '\0'), 1, 59, "goes on"},
        Bad{"TwoCells", "{\"cells\":[],\"cells\":[]" + around, 1, 21, "twice"},
        Bad{"SingleQuotes", "{'cells':[]}", 1, 2, "a key"},
        Bad{"Version3WithoutWorksheets", "{\"metadata\":{},\"nbformat\":3}", 1, 28, "worksheets"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST_P(BadInput, IsRefusedWithItsPlace) {
  const auto& bad = GetParam();
  const Error error = refusal(bad.text);
  EXPECT_EQ(error.status, 422);
  EXPECT_EQ(error.code, "malformed");
  EXPECT_EQ(error.details, "{\"line\":" + std::to_string(bad.line) + ",\"column\":" + std::to_string(bad.column) + "}")
      << error.message;
  EXPECT_THAT(error.message, HasSubstr(bad.says));
}

TEST(FormatIpynb, OtherMajorsAreRefusedByName) {
  for (const char* version : {"2", "5", "99"}) {
    const Error error = refusal(R"({"cells":[{"cell_type":"video"}],"nbformat":)" + std::string(version) + "}");
    EXPECT_EQ(error.status, 415) << version;
    EXPECT_EQ(error.code, "unknown_format");
    EXPECT_THAT(error.message, HasSubstr(std::string("format ") + version));
  }
}

TEST(FormatIpynb, LimitsAreNamed) {
  FormatLimits limits;
  limits.max_depth = 20;
  const std::string deep =
      "{\"cells\":[],\"metadata\":{\"x\":" + std::string(50, '[') + std::string(50, ']') + "},\"nbformat\":4}";
  EXPECT_THAT(refusal(deep, limits).message, HasSubstr("deeper than 20"));
  EXPECT_EQ(refusal("{\"x\":" + std::string(2'000'000, '[')).status, 422) << "no stack is used up";
  limits = {};
  limits.max_cells = 2;
  const Error cells = refusal(notebook_data("jupyter-4.5.ipynb"), limits);
  EXPECT_EQ(cells.status, 413);
  EXPECT_THAT(cells.message, HasSubstr("max_cells"));
  limits = {};
  limits.max_source_bytes = 10;
  EXPECT_THAT(refusal(notebook_data("jupyter-4.5.ipynb"), limits).message, HasSubstr("max_source_bytes"));
}

TEST(FormatIpynb, WhatCannotBeWrittenIsRefusedNotWrittenWrong) {
  const auto notebook = read(notebook_data("jupyter-4.5.ipynb"));
  for (const char* metadata : {"", "[]", "{", "{} {}", "{\"a\":}"}) {
    auto edited = as_read(notebook);
    edited.cells[0].metadata = metadata;
    edited.cells[0].changed = cell_metadata_changed;
    const auto result = ipynb()->write(edited);
    ASSERT_FALSE(result.has_value()) << metadata;
    EXPECT_EQ(result.error().status, 422);
  }
  auto foreign = as_read(notebook);
  foreign.original = "something else";
  EXPECT_FALSE(ipynb()->write(foreign).has_value());
}

}  // namespace
}  // namespace lectern::plugin
