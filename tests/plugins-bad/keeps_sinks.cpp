// A format that misuses the C++ wrapper: it keeps what it was lent for one call. And one with a schema nobody can
// enforce.
#include <memory>
#include <string>

#include "lectern/sdk/format.hpp"

namespace {

using namespace lectern::sdk;

std::unique_ptr<Sink> kept_sink;
std::unique_ptr<NotebookBuilder> kept_builder;

struct KeepsSinks {
  static constexpr std::string_view extensions[] = {".kept"};
  static constexpr std::string_view config_schema = R"({"type":"object","if":{"minProperties":1}})";
  static int probe(std::string_view, std::string_view) { return 1; }
  static void read(std::string_view bytes, const FormatLimits&, const NotebookBuilder& out) {
    Cell cell;
    cell.id = "a";
    cell.cell_type = "code";
    if (bytes == "late" && kept_builder != nullptr) kept_builder->cell(cell);
    kept_builder = std::make_unique<NotebookBuilder>(out);
    out.cell(cell);
    out.notebook({});
  }
  static void write(const Notebook& notebook, const Sink& out) {
    if (notebook.metadata == "late" && kept_sink != nullptr) kept_sink->write("late");
    kept_sink = std::make_unique<Sink>(out);
    out.write("fine");
  }
};

}  // namespace

LECTERN_PLUGIN(FormatOf<KeepsSinks>);
