// plugins/format-percent, format-markdown and format-quarto through the host's adapter: untouched files come back byte
// for byte, and an edit changes its own cell. Jupytext's reading of the same files is compared in tests/formats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/text_formats.hpp"

namespace lectern::plugin {
namespace {

using test::format_plugin;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class Text {
 public:
  explicit Text(const char* plugin) : format_(format_plugin(plugin)) {}

  [[nodiscard]] int probe(const std::string& path, const std::string& text) const { return format_->probe(path, text); }
  [[nodiscard]] ReadNotebook read(std::string text) const {
    auto result = format_->read(std::make_shared<const std::string>(std::move(text)));
    if (!result) throw std::runtime_error(result.error().message);
    return std::move(*result);
  }
  [[nodiscard]] std::string write(const WriteNotebook& notebook) const {
    auto result = format_->write(notebook);
    if (!result) throw std::runtime_error(result.error().message);
    return *result;
  }
  [[nodiscard]] std::string as_read(const std::string& text) const {
    const auto notebook = read(text);
    return write(given(notebook));
  }
  /// The file after the source of one cell became another.
  [[nodiscard]] std::string edited(const std::string& text, std::size_t cell, std::string_view source) const {
    const auto notebook = read(text);
    auto now = given(notebook);
    now.cells.at(cell).source = source;
    now.cells.at(cell).changed |= cell_source_changed;
    return write(now);
  }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> cells(const std::string& text) const {
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& cell : read(text).cells) out.emplace_back(cell.cell_type, cell.source);
    return out;
  }
  [[nodiscard]] std::string fresh(const std::vector<FormatCell>& cells, std::string_view metadata) const {
    WriteNotebook notebook;
    notebook.cells = cells;
    notebook.metadata = metadata;
    notebook.language = "python";
    notebook.changed = notebook_new;
    return write(notebook);
  }
  static WriteNotebook given(const ReadNotebook& from) {
    return {from.cells, from.metadata, from.original, from.language, 0};
  }

 private:
  FormatPtr format_;
};

FormatCell made(std::string_view type, std::string_view source, std::string_view metadata = "{}") {
  FormatCell cell;
  cell.id = source.empty() ? "empty" : source.substr(0, 200);
  cell.cell_type = type;
  cell.source = source;
  cell.metadata = metadata;
  cell.changed = cell_new;
  return cell;
}

// An object of more than 1 MB.
std::string many_members() {
  std::string out = "{";
  for (std::size_t i = 0; i < 100'000; ++i) out += (i > 0 ? ",\"k" : "\"k") + std::to_string(i) + "\":1";
  return out + "}";
}

constexpr const char* kernel = R"({"kernelspec":{"display_name":"Python 3","language":"python","name":"python3"}})";
const std::string script =
    "# ---\n"
    "# title: Kept\n"
    "# jupyter:\n"
    "#   kernelspec:\n"
    "#     display_name: Python 3\n"
    "#     language: python\n"
    "#     name: python3\n"
    "# ---\n"
    "\n"
    "# %% A title [markdown] tags=[\"a\", \"b\"]\n"
    "# Some *text*\n"
    "\n"
    "# %% odd  spacing   n = 1\n"
    "# %matplotlib inline\n"
    "x=1\n"
    "\n"
    "\n"
    "#%%\n"
    "y = 2\n";

TEST(FormatPercent, CellsTitlesTypesAndMetadata) {
  const Text percent("format-percent");
  const auto notebook = percent.read(script);
  EXPECT_THAT(percent.cells(script), ElementsAre(Pair("markdown", "Some *text*"),
                                                 Pair("code", "%matplotlib inline\nx=1"), Pair("code", "y = 2")));
  EXPECT_EQ(notebook.metadata, kernel);
  EXPECT_EQ(notebook.language, "python");
  EXPECT_EQ(notebook.cells[0].metadata, R"({"title":"A title","tags":["a","b"]})");
  EXPECT_EQ(notebook.cells[1].metadata, R"({"title":"odd  spacing","n":1})");
  EXPECT_EQ(notebook.cells[2].id, "cell-3");
  EXPECT_EQ(notebook.cells[2].changed, cell_id_changed);
  EXPECT_EQ(percent.as_read(script), script);
}

TEST(FormatPercent, AnEditChangesItsCellAlone) {
  const Text percent("format-percent");
  std::string expected = script;
  expected.replace(expected.find("x=1"), 3, "x=1\nprint(x)");
  EXPECT_EQ(percent.edited(script, 1, "%matplotlib inline\nx=1\nprint(x)"), expected);
  expected = script;
  expected.replace(expected.find("# Some *text*"), 13, "# One\n#\n# \\%% two");
  EXPECT_EQ(percent.edited(script, 0, "One\n\n%% two"), expected);
}

TEST(FormatPercent, OtherMetadataRewritesTheMarkerAlone) {
  const Text percent("format-percent");
  const auto notebook = percent.read(script);
  auto now = Text::given(notebook);
  now.cells[1].metadata = R"({"title":"odd  spacing","tags":["x"]})";
  now.cells[1].changed |= cell_metadata_changed;
  std::string expected = script;
  const std::string old = "# %% odd  spacing   n = 1";
  expected.replace(expected.find(old), old.size(), "# %% odd  spacing tags=[\"x\"]");
  EXPECT_EQ(percent.write(now), expected);
}

TEST(FormatPercent, AnotherKernelRewritesItsLinesOfTheHeader) {
  const Text percent("format-percent");
  const auto notebook = percent.read(script);
  auto now = Text::given(notebook);
  now.metadata =
      R"({"kernelspec":{"display_name":"R","language":"R","name":"ir"},"language_info":{"name":"R"},"lectern":{"dependencies":["a: b"]}})";
  now.changed = notebook_metadata_changed;
  const auto written = percent.write(now);
  EXPECT_THAT(
      written,
      HasSubstr("# title: Kept\n# jupyter:\n#   kernelspec:\n#     display_name: R\n#     language: R\n#     name: ir\n"
                "#   lectern:\n#     dependencies: [\"a: b\"]\n# ---\n"));
  EXPECT_EQ(written.substr(written.find("# %%")), script.substr(script.find("# %%")));
}

TEST(FormatPercent, ANewNotebookIsAsJupytextWritesIt) {
  const Text percent("format-percent");
  EXPECT_EQ(percent.fresh({made("markdown", "# Title\n\ntext"), made("code", "%%bash -e\nls\necho"),
                           made("code", "!ls\nx = 1"), made("raw", "raw", R"({"tags":["t"]})"), made("code", "")},
                          kernel),
            "# ---\n# jupyter:\n#   kernelspec:\n#     display_name: Python 3\n#     language: python\n#     name: "
            "python3\n# ---\n\n"
            "# %% [markdown]\n# # Title\n#\n# text\n\n"
            "# %% language=\"bash\" magic_args=\"-e\"\n# ls\n# echo\n\n"
            "# %%\n# !ls\nx = 1\n\n"
            "# %% [raw] tags=[\"t\"]\n# raw\n\n"
            "# %%\n");
}

TEST(FormatPercent, EverySourceComesBack) {
  const Text percent("format-percent");
  for (const char* source : {"",
                             "\n",
                             "\n\n",
                             "x\n",
                             "x\n\n",
                             "x\n\n\n",
                             "\nx",
                             " ",
                             "x\n  ",
                             "# %% x",
                             "# # %% x",
                             "%% x",
                             "\\%% x",
                             "%matplotlib",
                             "# %matplotlib",
                             "#%time x",
                             "'''\n%s\n'''\n%s",
                             "'''\n# %% x",
                             "%%bash",
                             "%%bash\n",
                             "%%bash\n\n# %% x",
                             "# ---\n# a\n# ---",
                             "# In[1]:",
                             "\"\"\"a\"\"\"",
                             "r'''\na\n'''",
                             "x = !ls",
                             "# x = !ls",
                             "#!/bin/sh",
                             "\r",
                             "a\rb"}) {
    for (const char* type : {"code", "markdown", "raw"}) {
      const auto text = percent.fresh({made(type, source), made("code", "last")}, "{}");
      EXPECT_THAT(percent.cells(text), ElementsAre(Pair(type, source), Pair("code", "last"))) << text;
      EXPECT_THAT(percent.cells(percent.edited("# %% [markdown]\n# a\n\n# %%\nb\n\n# %%\nc\n", 1, source)),
                  ElementsAre(Pair("markdown", "a"), Pair("code", source), Pair("code", "c")))
          << source;
    }
  }
}

TEST(FormatPercent, LongMetadataComesBack) {
  const Text percent("format-percent");
  const std::string metadata = R"({"note":"[md] )" + std::string(10'000, 'x') + R"("})";
  const auto text = percent.fresh({made("code", "# a\nx = 1", metadata)}, "{}");
  const auto notebook = percent.read(text);
  ASSERT_EQ(notebook.cells.size(), 1u);
  EXPECT_EQ(notebook.cells[0].cell_type, "code");
  EXPECT_EQ(notebook.cells[0].source, "# a\nx = 1");
  EXPECT_EQ(notebook.cells[0].metadata, metadata);
  EXPECT_EQ(percent.as_read(text), text);
}

// The next tests, and those of their kind below, are about time: what takes the square of the size would not end
// before the test's time is up.
TEST(FormatPercent, LongLinesAreReadOnce) {
  const Text percent("format-percent");
  constexpr std::size_t size = 250'000;
  const std::string line = std::string(size, '#') + "%" + std::string(size, ' ');
  const auto text = percent.fresh({made("code", line)}, "{}");
  EXPECT_TRUE(percent.cells(text).at(0).second == line);
  EXPECT_TRUE(percent.as_read(text) == text);
  const std::string octave = "% %%\n" + std::string(2 * size, '%') + "x\n";
  EXPECT_TRUE(percent.cells(octave).at(0).second + "\n" == octave.substr(5));
  EXPECT_TRUE(percent.edited(octave, 0, octave.substr(5, 2 * size + 1) + "y") ==
              octave.substr(0, octave.size() - 1) + "y\n");
}

// Sources that stand nowhere in the file as they are, and nearly do at every place.
TEST(FormatPercent, SourcesAreFoundInOneGo) {
  const Text percent("format-percent");
  constexpr std::size_t size = 1'000'000;
  const std::string comment = "# %% [markdown]\n# " + std::string(size, 'a') + "\n# " + std::string(size, 'a') + "\n";
  EXPECT_EQ(percent.cells(comment).at(0).second.size(), 2 * size + 1);
  std::string lines = "# %% [markdown]\n", source;
  for (std::size_t i = 0; i < size / 100; ++i) lines += i % 2 == 0 ? "# a\n" : "#\n";
  EXPECT_EQ(percent.as_read(lines).size(), lines.size());
  const std::string code = "# %%\n" + std::string(size / 100, '\n') + "x\n# !y\n" + std::string(size, ' ') + "\n# !z\n";
  EXPECT_TRUE(percent.as_read(code) == code);
}

TEST(FormatPercent, ManyOptionsAreReadOnce) {
  const Text percent("format-percent");
  const std::string metadata = many_members();
  const auto text = percent.fresh({made("code", "x", metadata)}, "{}");
  EXPECT_TRUE(percent.read(text).cells.at(0).metadata == metadata);
}

TEST(FormatPercent, WhatIsNoNotebookIsLeftAlone) {
  const Text percent("format-percent");
  EXPECT_EQ(percent.probe("/a/module.py", "import os\n\nprint('%%')\n"), 0);
  EXPECT_EQ(percent.probe("/a/__init__.py", ""), 0);
  EXPECT_EQ(percent.probe("/a/notes.txt", "# %%\n"), 0);
  EXPECT_EQ(percent.probe("/a/page.py", "# ---\n# title: x\n# ---\n"), 0);
  EXPECT_GE(percent.probe("/a/n.PY", "#%%\n1\n"), 80);
  EXPECT_GE(percent.probe("/a/n.rs", "// %% a\n1\n"), 80);
  EXPECT_GE(percent.probe("/a/n.py", "# ---\n# jupyter:\n#   kernelspec:\n#     name: python3\n# ---\n"), 80);
}

TEST(FormatPercent, BadInputIsRefusedWithAPlace) {
  auto result = format_plugin("format-percent")->read(std::make_shared<const std::string>("# %%\nx = '\xE9'\n"));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, "malformed");
  EXPECT_THAT(result.error().details, HasSubstr(R"("line":2)"));
}

const std::string myst =
    "---\n"
    "kernelspec:\n"
    "  display_name: Python 3\n"
    "  language: python\n"
    "  name: python3\n"
    "---\n"
    "\n"
    "# Title\n"
    "\n"
    "```python\n"
    "shown_only()\n"
    "```\n"
    "\n"
    "```{code-cell} ipython3\n"
    ":tags: [hide-input,  odd]\n"
    "\n"
    "x = 1\n"
    "```\n"
    "\n"
    "Text\n"
    "\n"
    "+++ {\"tags\": [\"b\"]}\n"
    "\n"
    "More\n";

TEST(FormatMarkdown, CellsAndMetadataOfMyst) {
  const Text markdown("format-markdown");
  EXPECT_THAT(markdown.cells(myst),
              ElementsAre(Pair("markdown", "# Title\n\n```python\nshown_only()\n```"), Pair("code", "x = 1"),
                          Pair("markdown", "Text"), Pair("markdown", "More")));
  const auto notebook = markdown.read(myst);
  EXPECT_EQ(notebook.metadata, kernel);
  EXPECT_EQ(notebook.cells[1].metadata, R"({"tags":["hide-input","odd"]})");
  EXPECT_EQ(notebook.cells[3].metadata, R"({"tags":["b"]})");
  EXPECT_EQ(markdown.as_read(myst), myst);
}

TEST(FormatMarkdown, AnEditChangesItsCellAlone) {
  const Text markdown("format-markdown");
  std::string expected = myst;
  expected.replace(expected.find("x = 1"), 5, "y = 2\n\nz");
  EXPECT_EQ(markdown.edited(myst, 1, "y = 2\n\nz"), expected);
  expected = myst;
  expected.replace(expected.find("More"), 4, "Most\n\\+++\nof all");
  EXPECT_EQ(markdown.edited(myst, 3, "Most\n+++\nof all"), expected);
}

TEST(FormatMarkdown, ANewNotebookIsMyst) {
  EXPECT_EQ(
      Text("format-markdown")
          .fresh({made("markdown", "# T"), made("markdown", "two"), made("code", "1", R"({"tags":["a"]})")}, kernel),
      "---\njupytext:\n  text_representation:\n    extension: .md\n    format_name: myst\n"
      "kernelspec:\n  display_name: Python 3\n  language: python\n  name: python3\n---\n\n"
      "# T\n\n+++\n\ntwo\n\n```{code-cell} ipython3\n:tags: [\"a\"]\n\n1\n```\n");
}

TEST(FormatMarkdown, EverySourceComesBack) {
  for (const char* plugin : {"format-markdown", "format-quarto"}) {
    const Text markdown(plugin);
    for (const char* source : {"",
                               "\n",
                               "\n\n",
                               "x\n",
                               "\nx",
                               "x\n\n\n",
                               " ",
                               "+++",
                               "\\+++",
                               "```",
                               "```python\nopen",
                               "```a\nx\n```",
                               "~~~\n```",
                               "```{code-cell}\n1\n```",
                               "```{python}\n1\n```",
                               ":tags: x",
                               "---\nx: 1\n---",
                               "\n:x",
                               "````\n```\n````",
                               "<!-- cell -->",
                               "\\<!-- cell {} -->",
                               "    ```",
                               "#| echo: false\nx",
                               "+++ {\"a\":1}"}) {
      for (const char* type : {"code", "markdown", "raw"}) {
        const auto text =
            markdown.fresh({made("markdown", "first"), made(type, source), made("markdown", "last")}, "{}");
        EXPECT_THAT(markdown.cells(text),
                    ElementsAre(Pair("markdown", "first"), Pair(type, source), Pair("markdown", "last")))
            << text;
        const auto only = markdown.fresh({made(type, source)}, "{}");
        EXPECT_THAT(markdown.cells(only), ElementsAre(Pair(type, source))) << only;
      }
    }
  }
}

TEST(FormatMarkdown, ManyFencesThatStayOpenAreReadOnce) {
  const Text markdown("format-markdown");
  std::string source;
  for (std::size_t i = 0; i < 200'000; ++i) source += i % 2 == 0 ? "```a\n" : "~~~a\n";
  const auto text = markdown.fresh({made("markdown", source)}, "{}");
  EXPECT_TRUE(markdown.cells(text).at(0).second == source);
}

TEST(FormatMarkdown, AFenceBehindOneThatStaysOpenIsKept) {
  const std::string source = "`````a\n~~~~a\n````a\n~~~a\n````\n~~~\n`````b";
  EXPECT_THAT(Text("format-markdown").fresh({made("markdown", source)}, "{}"),
              HasSubstr("\n\\`````a\n\\~~~~a\n````a\n~~~a\n````\n\\~~~\n\\`````b\n"));
}

TEST(FormatMarkdown, ManyKeysOfAHeaderAreReadOnce) {
  const Text markdown("format-markdown");
  const std::string metadata = many_members();
  const auto text = markdown.fresh({made("markdown", "x")}, metadata);
  const auto notebook = markdown.read(text);
  auto now = Text::given(notebook);
  now.metadata = metadata;
  now.changed = notebook_metadata_changed;
  // Below what the header says about the file itself.
  EXPECT_TRUE(markdown.read(markdown.write(now)).metadata.ends_with(metadata.substr(1)));
}

TEST(FormatMarkdown, WhatIsNoNotebookIsLeftAlone) {
  const Text markdown("format-markdown");
  EXPECT_EQ(markdown.probe("/a/README.md", "# Read me\n\n```python\nx\n```\n"), 0);
  EXPECT_EQ(markdown.probe("/a/post.md", "---\ntitle: A post\n---\ntext\n"), 0);
  EXPECT_GE(markdown.probe("/a/n.md", "```{code-cell}\n1\n```\n"), 80);
  EXPECT_GE(markdown.probe("/a/n.md", "---\nkernelspec:\n  name: x\n---\n"), 80);
}

const std::string quarto =
    "---\n"
    "title: \"A report\"\n"
    "jupyter: python3\n"
    "---\n"
    "\n"
    "Text\n"
    "\n"
    "```{python}\n"
    "#| label: fig\n"
    "x = 1\n"
    "```\n"
    "\n"
    "```{mermaid}\n"
    "graph\n"
    "```\n";

TEST(FormatQuarto, BlocksOfTheLanguageRun) {
  const Text format("format-quarto");
  EXPECT_THAT(format.cells(quarto), ElementsAre(Pair("markdown", "Text"), Pair("code", "#| label: fig\nx = 1"),
                                                Pair("markdown", "```{mermaid}\ngraph\n```")));
  EXPECT_EQ(format.read(quarto).metadata,
            R"({"kernelspec":{"display_name":"python3","language":"python","name":"python3"}})");
  EXPECT_EQ(format.as_read(quarto), quarto);
  std::string expected = quarto;
  expected.replace(expected.find("x = 1"), 5, "x = 2");
  EXPECT_EQ(format.edited(quarto, 1, "#| label: fig\nx = 2"), expected);
}

TEST(FormatQuarto, AnotherKernelIsOneLine) {
  const Text format("format-quarto");
  const auto notebook = format.read(quarto);
  auto now = Text::given(notebook);
  now.metadata = R"({"kernelspec":{"display_name":"Mine","language":"python","name":"mine"}})";
  now.changed = notebook_metadata_changed;
  std::string expected = quarto;
  expected.replace(expected.find("jupyter: python3"), 16, "jupyter: mine");
  EXPECT_EQ(format.write(now), expected);
}

TEST(FormatQuarto, ABlockThatTheTextShowsIsNotTheDocumentsLanguage) {
  const Text format("format-quarto");
  const std::string text = "````\n```{sh}\n```\n";
  const auto before = format.read(text);
  ASSERT_EQ(before.cells.size(), 1u);
  const std::string source(before.cells[0].source);
  EXPECT_EQ(format.as_read(text), text);
  // A second cell behind it: what stays open is set right, and what it held is seen.
  auto now = Text::given(before);
  now.cells.push_back(made("code", "1"));
  const auto more = format.write(now);
  EXPECT_THAT(format.cells(more), ElementsAre(Pair("markdown", source), Pair("code", "1"))) << more;
  EXPECT_EQ(format.as_read(more), more);
  const auto edited = format.edited(text, 0, source + "\nmore");
  EXPECT_THAT(format.cells(edited), ElementsAre(Pair("markdown", source + "\nmore"))) << edited;
}

TEST(FormatMarkdown, SourcesAreFoundInOneGo) {
  constexpr std::size_t size = 300'000;
  for (const char* plugin : {"format-markdown", "format-quarto"}) {
    const Text format(plugin);
    const std::string like =
        "```{python}\n" + std::string(size, 'a') + "b\n```\n\n\\+++ " + std::string(size, 'a') + "\n";
    EXPECT_TRUE(format.as_read(like) == like) << plugin;
    const std::string name = format.probe("/a/n.qmd", "x") > 0 ? "{python}" : "{code-cell}";
    const std::string indented =
        "  ```" + name + "\n  " + std::string(size, 'a') + "\n  " + std::string(size, 'a') + "\n  ```\n";
    EXPECT_TRUE(format.as_read(indented) == indented) << plugin;
  }
}

TEST(FormatQuarto, ANewDocument) {
  EXPECT_EQ(Text("format-quarto")
                .fresh({made("markdown", "a"), made("markdown", "b"), made("code", "1", R"({"tags":["x"]})")}, kernel),
            "---\njupyter: python3\n---\n\na\n\n<!-- cell -->\n\nb\n\n<!-- cell {\"tags\":[\"x\"]} "
            "-->\n```{python}\n1\n```\n");
}

TEST(FormatQuarto, ManyDashesInMetadataAreWrittenOnce) {
  const Text format("format-quarto");
  std::string dashes, written;
  for (std::size_t i = 0; i < 2'000'000; ++i) {
    dashes += "--";
    written += "\\u002d\\u002d";
  }
  const std::string metadata = R"({"k":")" + dashes + R"(-"})";
  const auto text = format.fresh({made("markdown", "a", metadata)}, "{}");
  EXPECT_TRUE(format.read(text).cells.at(0).metadata == R"({"k":")" + written + R"(-"})");
}

}  // namespace
}  // namespace lectern::plugin
