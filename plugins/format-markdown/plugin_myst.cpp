#include <string_view>

#include "front_matter.hpp"
#include "lectern/sdk/format.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/plugin.hpp"
#include "notebook.hpp"

namespace markdown {
namespace {

struct Myst {
  static constexpr std::string_view extensions[] = {".md"};

  /// Most Markdown is no notebook: a block that runs must be there, or front matter that names a kernel or Jupytext.
  static int probe(std::string_view path, std::string_view head) {
    if (!has_extension(path, extensions[0])) return 0;
    if (has_code(head, false)) return 90;
    const auto front = read_front(head, false);
    const bool named = !lectern::sdk::json::member(front.metadata, "kernelspec").empty() ||
                       front.metadata.find(R"("format_name":"myst")") != std::string::npos;
    return named ? 80 : 0;
  }
  static void read(std::string_view bytes, const lectern::sdk::FormatLimits& limits,
                   const lectern::sdk::NotebookBuilder& out) {
    read_document(bytes, false, limits, out);
  }
  static void write(const lectern::sdk::Notebook& notebook, const lectern::sdk::Sink& out) {
    write_document(notebook, false, out);
  }
};

}  // namespace
}  // namespace markdown

LECTERN_PLUGIN(lectern::sdk::FormatOf<markdown::Myst>);
