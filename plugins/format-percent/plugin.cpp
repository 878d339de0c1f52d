#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "../text-cells/lines.hpp"
#include "cell_text.hpp"
#include "header.hpp"
#include "lectern/sdk/format.hpp"
#include "lectern/sdk/plugin.hpp"
#include "write.hpp"

namespace percent {
namespace {

struct Percent {
  static constexpr std::string_view extensions[] = {".py",  ".r",    ".jl",    ".sh",  ".js",  ".ts",  ".rs",
                                                    ".cpp", ".java", ".scala", ".lua", ".sql", ".clj", ".m"};

  static bool has_extension(std::string_view path) {
    const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b; };
    return std::any_of(std::begin(extensions), std::end(extensions), [&](std::string_view extension) {
      return path.size() > extension.size() &&
             std::equal(extension.begin(), extension.end(), path.end() - static_cast<std::ptrdiff_t>(extension.size()),
                        [&](char wanted, char is) { return same(is, wanted); });
    });
  }

  /// Most scripts are no notebooks: a marker or a notebook's header must be there.
  static int probe(std::string_view path, std::string_view head) {
    if (!has_extension(path)) return 0;
    if (!first_prefix(head).empty()) return 90;
    return read_header(head).metadata != "{}" || head.find("jupyter: {}") != std::string_view::npos ? 80 : 0;
  }

  static void read(std::string_view bytes, const lectern::sdk::FormatLimits& limits,
                   const lectern::sdk::NotebookBuilder& out) {
    text_cells::check_bytes(bytes, limits);
    const Header header = read_header(bytes);
    const auto lines = text_cells::split(bytes.substr(header.text.size()));
    std::size_t number = 0;
    std::size_t at = header.text.size();
    for (std::size_t i = 0; i < lines.size();) {
      std::size_t size = lines[i++].size();
      while (i < lines.size() && !is_marker(lines[i], header.dialect.prefix)) size += lines[i++].size();
      text_cells::check_cell(++number, 0, limits);
      const auto original = bytes.substr(at, size);
      at += size;
      const ScriptCell read = parse_cell(original, header.dialect);
      text_cells::check_cell(number, read.source.size(), limits);
      const std::string id = "cell-" + std::to_string(number);  // the script has none: the place is the name
      lectern::sdk::Cell cell;
      cell.id = id;
      cell.changed = LECTERN_CELL_ID_CHANGED;
      cell.cell_type = read.type;
      // Where the source stands in the script as it is, it is handed over from there: nothing is copied.
      cell.source = text_cells::where_it_stands(original, read.source);
      cell.metadata = read.metadata;
      cell.original = original;
      out.cell(cell);
    }
    lectern::sdk::Notebook notebook;
    const std::string packed = pack(header);
    notebook.metadata = header.metadata;
    notebook.original = packed;
    notebook.language = header.dialect.language;
    out.notebook(notebook);
  }

  static void write(const lectern::sdk::Notebook& notebook, const lectern::sdk::Sink& out) {
    write_script(notebook, out);
  }
};

}  // namespace
}  // namespace percent

LECTERN_PLUGIN(lectern::sdk::FormatOf<percent::Percent>);
