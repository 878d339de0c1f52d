// A format whose file says in its first line how to die; any other file is one cell with its text. Written back, a cell
// whose source names a way dies of it too.
#include <string>

#include "crash.hpp"
#include "lectern/sdk/format.hpp"

namespace {

using namespace lectern::sdk;

struct Crashing {
  static constexpr std::string_view extensions[] = {".crash"};
  static int probe(std::string_view path, std::string_view) { return path.ends_with(".crash") ? 100 : 0; }
  static void read(std::string_view bytes, const FormatLimits&, const NotebookBuilder& out) {
    std::string said;
    Cell cell;
    cell.id = "only";
    cell.cell_type = "code";
    cell.source = crash::try_it(bytes.substr(0, bytes.find('\n')), said) ? std::string_view(said) : bytes;
    cell.metadata = "{}";
    out.cell(cell);
    Notebook notebook;
    notebook.metadata = "{}";
    out.notebook(notebook);
  }
  static void write(const Notebook& notebook, const Sink& out) {
    for (const Cell& cell : notebook.cells) {
      std::string said;
      crash::try_it(cell.source, said);
      out.write(cell.source);
    }
  }
};

}  // namespace

LECTERN_PLUGIN(FormatOf<Crashing>);
