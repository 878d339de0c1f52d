#include <algorithm>
#include <string_view>

#include "lectern/sdk/format.hpp"
#include "lectern/sdk/plugin.hpp"
#include "read.hpp"
#include "write.hpp"

namespace ipynb {
namespace {

struct Ipynb {
  static constexpr std::string_view extensions[] = {".ipynb"};

  static int probe(std::string_view path, std::string_view head) {
    const bool named =
        path.size() > 6 && std::equal(path.end() - 6, path.end(), extensions[0].begin(), [](char a, char b) {
          return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
        });
    const auto first = head.find_first_not_of(" \n\r\t");
    const bool looks =
        first != std::string_view::npos && head[first] == '{' &&
        (head.find("\"nbformat\"") != std::string_view::npos || head.find("\"cell_type\"") != std::string_view::npos);
    // By its name it is one whatever is in it: an error with line and column says more than "unknown format".
    if (named) return looks ? 100 : 90;
    return looks ? 50 : 0;
  }
  static void read(std::string_view bytes, const lectern::sdk::FormatLimits& limits,
                   const lectern::sdk::NotebookBuilder& out) {
    read_notebook(bytes, limits, out);
  }
  static void write(const lectern::sdk::Notebook& notebook, const lectern::sdk::Sink& out) {
    write_notebook(notebook, out);
  }
};

}  // namespace
}  // namespace ipynb

LECTERN_PLUGIN(lectern::sdk::FormatOf<ipynb::Ipynb>);
