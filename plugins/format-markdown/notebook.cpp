#include "notebook.hpp"

#include <algorithm>
#include <string>

#include "../text-cells/lines.hpp"
#include "blocks.hpp"
#include "front_matter.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "markdown_text.hpp"

namespace markdown {

namespace json = lectern::sdk::json;
using lectern::sdk::Cell;
using lectern::sdk::Failure;

namespace {

// What is kept for writing: the dialect, whether there were cells, and the text before the first one.
std::string pack(const Dialect& dialect, bool had_cells, std::string_view head) {
  return std::string(dialect.crlf ? "crlf" : "lf") + (had_cells ? "+" : "-") + dialect.language + "\n" +
         std::string(head);
}

bool unpack(std::string_view packed, Dialect& dialect, bool& had_cells, std::string_view& head) {
  const auto end = packed.find('\n');
  dialect.crlf = packed.starts_with("crlf");
  const std::size_t at = dialect.crlf ? 4 : 2;
  if (end == std::string_view::npos || end <= at || !(dialect.crlf || packed.starts_with("lf"))) return false;
  had_cells = packed[at] == '+';
  dialect.language = packed.substr(at + 1, end - at - 1);
  head = packed.substr(end + 1);
  return true;
}

// What the front matter says counts; else the first block that could run.
std::string quarto_language(const Front& front, std::string_view body) {
  std::string language = front.language == "R" ? "r" : front.language;
  if (language.empty()) language = first_language(body);
  return language.empty() ? "python" : language;
}

std::string argument_for(std::string_view language) {
  return language.empty() || language == "python" ? "ipython3" : std::string(language);
}

}  // namespace

bool has_extension(std::string_view path, std::string_view extension) {
  return path.size() > extension.size() &&
         std::equal(extension.begin(), extension.end(), path.end() - static_cast<std::ptrdiff_t>(extension.size()),
                    [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + 32) : b); });
}

bool has_code(std::string_view text, bool quarto) {
  Dialect dialect;
  dialect.quarto = quarto;
  dialect.language = quarto ? quarto_language(read_front(text, true), text) : "";
  const auto blocks = cut(text, dialect);
  return std::any_of(blocks.begin(), blocks.end(), [](const Block& block) { return block.kind == BlockKind::code; });
}

void read_document(std::string_view bytes, bool quarto, const lectern::sdk::FormatLimits& limits,
                   const lectern::sdk::NotebookBuilder& out) {
  text_cells::check_bytes(bytes, limits);
  const Front front = read_front(bytes, quarto);
  const auto body = bytes.substr(front.text.size());
  Dialect dialect;
  dialect.quarto = quarto;
  dialect.crlf = text_cells::has_crlf(bytes);
  dialect.language = quarto ? quarto_language(front, body) : first_argument(body);
  if (dialect.language.empty()) dialect.language = argument_for(front.language);
  const auto blocks = cut(body, dialect);
  std::size_t number = 0;
  for (const Block& block : blocks) {
    text_cells::check_cell(++number, 0, limits);
    const DocumentCell read = parse_block(block, dialect);
    text_cells::check_cell(number, read.source.size(), limits);
    const std::string id = "cell-" + std::to_string(number);  // the document has none: the place is the name
    Cell cell;
    cell.id = id;
    cell.changed = LECTERN_CELL_ID_CHANGED;
    cell.cell_type = read.type;
    // Where the source stands in the document as it is, it is handed over from there: nothing is copied.
    cell.source = text_cells::where_it_stands(block.text, read.source);
    cell.metadata = read.metadata;
    cell.original = block.text;
    out.cell(cell);
  }
  const auto head_size = blocks.empty() ? bytes.size() : static_cast<std::size_t>(blocks[0].text.data() - bytes.data());
  const std::string packed = pack(dialect, !blocks.empty(), bytes.substr(0, head_size));
  lectern::sdk::Notebook notebook;
  notebook.metadata = front.metadata;
  notebook.original = packed;
  notebook.language = quarto && front.language.empty() ? std::string_view(dialect.language) : front.language;
  out.notebook(notebook);
}

void write_document(const lectern::sdk::Notebook& notebook, bool quarto, const lectern::sdk::Sink& sink) {
  Dialect dialect;
  dialect.quarto = quarto;
  bool had_cells = false;
  std::string_view old_head;
  const bool fresh = notebook.original.empty();
  std::string metadata(notebook.metadata);
  if (fresh && quarto) {
    dialect.language = notebook.language.empty()  ? "python"
                       : notebook.language == "R" ? "r"
                                                  : std::string(notebook.language);
    // A document without blocks, or with a text about another language, would not tell its own.
    const auto kernel = kernel_of_language(dialect.language);
    const bool named = !json::member(json::member(metadata, "kernelspec"), "name").empty();
    if (!named && !kernel.empty()) metadata = R"({"kernelspec":{"name":)" + json::quoted(kernel) + "}}";
  } else if (fresh) {
    dialect.language = argument_for(notebook.language);
  } else if (!unpack(notebook.original, dialect, had_cells, old_head)) {
    throw Failure(LECTERN_INVALID, "The document's original text was not made by this format.");
  }
  std::string head(old_head);
  // Without cells and front matter a .md file would not be known for a notebook again.
  const bool bare = !quarto && had_cells && notebook.cells.empty() && !read_front(head, quarto).found;
  if (fresh || bare || (notebook.changed & (LECTERN_NOTEBOOK_METADATA_CHANGED | LECTERN_NOTEBOOK_NEW)) != 0) {
    head = updated_front(head, metadata, dialect);
  }
  const bool open_end = head.size() > text_cells::byte_order_mark(head).size() && !head.ends_with('\n');
  if (open_end && !notebook.cells.empty()) head += dialect.line_end();
  const auto cells = [&](bool begins) {
    std::string out = head;
    Place place;
    place.document_begins = begins;
    for (std::size_t i = 0; i < notebook.cells.size(); ++i) {
      place.last = i + 1 == notebook.cells.size();
      out += render_cell(notebook.cells[i], dialect, place);
      place.document_begins = false;
      place.after_text = notebook.cells[i].cell_type == "markdown";
    }
    return out;
  };
  const auto written = [&] {
    std::string out = cells(false);
    const bool begins = text_cells::byte_order_mark(head).size() == head.size();
    // A text that begins with a rule must not be taken for front matter.
    return begins && read_front(out, quarto).found ? cells(true) : out;
  };
  std::string document = written();
  // The text may show a block of another language now, which would then be the document's.
  if (const Front front = read_front(document, true);
      quarto && quarto_language(front, std::string_view(document).substr(front.text.size())) != dialect.language) {
    const auto kernel = kernel_of_language(dialect.language);
    if (!kernel.empty()) {
      head = updated_front(head, R"({"kernelspec":{"name":)" + json::quoted(kernel) + "}}", dialect);
      document = written();
    }
  }
  sink.write(document);
}

}  // namespace markdown
