#include "write.hpp"

#include <string>

#include "../text-cells/lines.hpp"
#include "cell_text.hpp"
#include "header.hpp"

namespace percent {

using lectern::sdk::Failure;

void write_script(const lectern::sdk::Notebook& notebook, const lectern::sdk::Sink& sink) {
  Header header;
  const bool fresh = notebook.original.empty();
  if (fresh) {
    header.dialect.prefix = prefix_of(notebook.language);
    header.dialect.language = notebook.language;
  } else if (!unpack(notebook.original, header)) {
    throw Failure(LECTERN_INVALID, "The script's original text was not made by this format.");
  }
  const Dialect& dialect = header.dialect;
  std::string head(header.text);
  // A script that lost its cells and has no header would not be known for a notebook again.
  const bool bare = notebook.cells.empty() && header.had_cells && read_header(head).metadata == "{}";
  if (fresh || bare || (notebook.changed & (LECTERN_NOTEBOOK_METADATA_CHANGED | LECTERN_NOTEBOOK_NEW)) != 0) {
    head = updated_header(head, notebook.metadata, dialect);
  }
  const bool open_end = head.size() > text_cells::byte_order_mark(head).size() && !head.ends_with('\n');
  if (open_end && !notebook.cells.empty()) head += dialect.line_end();
  sink.write(head);
  for (std::size_t i = 0; i < notebook.cells.size(); ++i) {
    sink.write(render_cell(notebook.cells[i], dialect, i == 0, i + 1 < notebook.cells.size()));
  }
}

}  // namespace percent
