// A format whose file says what to do wrong, and one way to do it right.
#include <string>

#include "lectern/sdk/format.hpp"

namespace {

using namespace lectern::sdk;

struct Garbage {
  static constexpr std::string_view extensions[] = {".garbage", ".junk"};
  static int probe(std::string_view path, std::string_view head) {
    return path.ends_with(".garbage") ? 1000 : static_cast<int>(head.size()) - 4200;
  }
  static void read(std::string_view bytes, const FormatLimits& limits, const NotebookBuilder& out) {
    const std::string_view what = bytes.substr(0, bytes.find('\n'));
    Cell cell;
    cell.id = "a";
    cell.cell_type = "code";
    const std::string copied = "copied text";
    cell.source = copied;
    cell.outputs = bytes;
    if (what == "malformed") throw Failure(LECTERN_INVALID, "no notebook", "Mend it.").at(3, 14);
    if (what == "throw") throw std::runtime_error("odd");
    if (what == "latin1") cell.source = "caf\xe9";
    if (what == "cut") cell.outputs = bytes.substr(bytes.find("\xc3") + 1);
    if (what == "type") cell.cell_type = "poem";
    if (what == "no-id") cell.id = "";
    if (what == "same-id") out.cell(cell);
    std::string id;  // outlives the loop: in a process of its own the refusal comes later than the cell that earned it
    if (what == "many") {
      for (std::uint64_t i = 0; i <= limits.max_cells; ++i) {
        id = std::to_string(i);
        cell.id = id;
        out.cell(cell);
      }
    }
    out.cell(cell);
    if (what == "no-notebook") return;
    if (what == "notice") out.notice("a notice");
    Notebook notebook;
    notebook.metadata = "{\"k\": 1.0}";
    out.notebook(notebook);
    if (what == "late-cell") out.cell(cell);
  }
  static void write(const Notebook& notebook, const Sink& out) {
    for (const Cell& cell : notebook.cells) out.write(cell.source);
    out.write(notebook.metadata);
  }
};

}  // namespace

LECTERN_PLUGIN(FormatOf<Garbage>);
