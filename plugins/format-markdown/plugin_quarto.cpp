#include <string_view>

#include "lectern/sdk/format.hpp"
#include "lectern/sdk/plugin.hpp"
#include "notebook.hpp"

namespace markdown {
namespace {

struct Quarto {
  static constexpr std::string_view extensions[] = {".qmd"};

  /// Nothing else has this extension; a document without a block that runs is one too.
  static int probe(std::string_view path, std::string_view head) {
    if (!has_extension(path, extensions[0]) || head.find('\0') != std::string_view::npos) return 0;
    return has_code(head, true) ? 90 : 60;
  }
  static void read(std::string_view bytes, const lectern::sdk::FormatLimits& limits,
                   const lectern::sdk::NotebookBuilder& out) {
    read_document(bytes, true, limits, out);
  }
  static void write(const lectern::sdk::Notebook& notebook, const lectern::sdk::Sink& out) {
    write_document(notebook, true, out);
  }
};

}  // namespace
}  // namespace markdown

LECTERN_PLUGIN(lectern::sdk::FormatOf<markdown::Quarto>);
