#include "format_samples.hpp"

namespace lectern::validate {

namespace {

using plugin::FormatCell;
using plugin::WriteNotebook;

FormatCell cell(std::string_view id, std::string_view type, std::string_view source, std::string_view outputs = {},
                std::int64_t count = -1, std::string_view metadata = "{}") {
  FormatCell made;
  made.id = id;
  made.cell_type = type;
  made.source = source;
  made.metadata = metadata;
  made.outputs = type == "code" && outputs.empty() ? "[]" : outputs;
  made.execution_count = count;
  made.changed = plugin::cell_new;
  return made;
}

WriteNotebook notebook(std::vector<FormatCell> cells) {
  WriteNotebook made;
  made.cells = std::move(cells);
  made.metadata = R"({"kernelspec":{"name":"python3","display_name":"Python 3","language":"python"}})";
  made.language = "python";
  made.changed = plugin::notebook_new;
  return made;
}

}  // namespace

const std::vector<std::pair<std::string, WriteNotebook>>& new_notebooks() {
  static const std::vector<std::pair<std::string, WriteNotebook>> all{
      {"two cells",
       notebook({cell("a1", "code", "x = 1\nprint(x)"), cell("b2", "markdown", "# A title\n\nand a text")})},
      {"no cells", notebook({})},
      {"empty cells", notebook({cell("a1", "code", ""), cell("b2", "markdown", ""), cell("c3", "code", "\n\n")})},
      {"marks of other formats",
       notebook({cell("a1", "code", "# %% not a cell\n# In[1]:\n%%timeit\n```python\n\"\"\"\n'''"),
                 cell("b2", "markdown", "```python\ncode\n```\n---\n+++\n<!-- #region -->"),
                 cell("c3", "code", "s = \"\\n\\\\ \\u00e9 \\\"\"\n\tif True:\n\t\tpass   ")})},
      {"letters of the world", notebook({cell("a1", "code", "x = 'ünïcödé 漢字 \xF0\x9F\x98\x80 \xE2\x80\xA8 \x01'"),
                                         cell("b2", "markdown", "שלום \xE2\x80\xAE")})},
      {"outputs",
       notebook(
           {cell(
                "a1", "code", "print(1)",
                R"([{"output_type":"stream","name":"stdout","text":["1\n"]},{"output_type":"execute_result","execution_count":3,"data":{"text/plain":["1.0"]},"metadata":{}}])",
                3, R"({"tags":["kept"],"number":1.0})"),
            cell("b2", "raw", "raw text")})},
  };
  return all;
}

std::vector<std::pair<std::string, std::string>> built_in_files(const std::string& extension) {
  if (extension != ".ipynb") return {};
  return {
      {"minimal", R"({"cells":[],"metadata":{},"nbformat":4,"nbformat_minor":5})"},
      {"indented by one, as Jupyter writes",
       "{\n \"cells\": [\n  {\n   \"cell_type\": \"code\",\n   \"execution_count\": 1,\n   \"id\": \"0a1b\",\n"
       "   \"metadata\": {\"x\": 1.0e5, \"y\": -0.0},\n   \"outputs\": [],\n   \"source\": [\n    \"a = 1\\n\",\n"
       "    \"b\"\n   ]\n  },\n  {\n   \"cell_type\": \"markdown\",\n   \"id\": \"0a1c\",\n   \"metadata\": {},\n"
       "   \"source\": [\n    \"caf\\u00e9\"\n   ]\n  }\n ],\n \"metadata\": {\n  \"unknown\": {\"kept\": [1, 2.50, "
       "1e3]}\n },\n"
       " \"nbformat\": 4,\n \"nbformat_minor\": 5\n}\n"},
      {"4.4, without ids",
       R"({"cells":[{"cell_type":"code","execution_count":null,"metadata":{},"outputs":[],"source":"x"},{"cell_type":"raw","metadata":{},"source":["a\n","b"]}],"metadata":{},"nbformat":4,"nbformat_minor":4})"
       "\n"},
      {"nbformat 3",
       R"({"metadata":{"name":"old"},"nbformat":3,"nbformat_minor":0,"worksheets":[{"cells":[{"cell_type":"code","collapsed":false,"input":["1+1"],"language":"python","metadata":{},"outputs":[],"prompt_number":2}],"metadata":{}}]})"},
      {"not JSON", "# %%\nprint(1)\n"},
      {"another JSON", R"({"name":"package","version":"1.0.0"})"},
      {"deep", std::string(5000, '[')},
  };
}

}  // namespace lectern::validate
