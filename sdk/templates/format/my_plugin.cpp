// A notebook as plain text: every cell begins with a line "== code", "== markdown" or "== raw". Pure functions of
// bytes, several at once. What the file has no place for (outputs, metadata) is not kept: a format of yours may do
// better.
#include <lectern/sdk/format.hpp>

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

namespace {

using namespace lectern::sdk;

constexpr std::string_view mark = "== ";

// The first line of `text`, its end included, and the rest.
std::pair<std::string_view, std::string_view> cut_line(std::string_view text) {
  const auto end = text.find('\n');
  const auto n = end == std::string_view::npos ? text.size() : end + 1;
  return {text.substr(0, n), text.substr(n)};
}

// The type a line names when it begins a cell; empty for any other line.
std::string_view cell_type(std::string_view line) {
  if (!line.starts_with(mark)) return {};
  line.remove_prefix(mark.size());
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  return line == "code" || line == "markdown" || line == "raw" ? line : std::string_view();
}

// A line of a source that would read as the beginning of a cell gets a backslash, and so does one that has it already.
bool needs_backslash(std::string_view line) {
  const auto at = line.find_first_not_of('\\');
  return at != std::string_view::npos && !cell_type(line.substr(at)).empty();
}

std::string escaped(std::string_view source) {
  std::string out;
  for (auto [line, rest] = cut_line(source); !line.empty(); std::tie(line, rest) = cut_line(rest)) {
    if (needs_backslash(line)) out += '\\';
    out += line;
  }
  return out;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (auto [line, rest] = cut_line(text); !line.empty(); std::tie(line, rest) = cut_line(rest)) {
    out += line.starts_with('\\') && needs_backslash(line) ? line.substr(1) : line;
  }
  return out;
}

// How many bytes at the beginning are whole UTF-8 sequences: all texts that cross to the host are UTF-8.
std::size_t utf8_part(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t n = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    if (n == 0 || n > text.size() - at) break;
    std::uint32_t point = lead & (0x7Fu >> n);
    for (std::size_t i = 1; i < n; ++i) {
      const auto next = static_cast<unsigned char>(text[at + i]);
      point = (next & 0xC0) == 0x80 ? (point << 6) | (next & 0x3Fu) : 0xFFFFFF;
      if (point > 0x10FFFF) return at;
    }
    const bool overlong = (n == 3 && point < 0x800) || (n == 4 && point < 0x10000);
    if (overlong || (point >= 0xD800 && point < 0xE000)) break;
    at += n;
  }
  return at;
}

struct MyPlugin {
  static constexpr std::string_view extensions[] = {".my-plugin"};

  // 0 to 100: how sure this plugin is that the file is its own.
  static int probe(std::string_view path, std::string_view head) {
    if (!path.ends_with(extensions[0])) return 0;
    return head.empty() || !cell_type(cut_line(head).first).empty() ? 90 : 50;
  }

  static void read(std::string_view bytes, const FormatLimits& limits, const NotebookBuilder& out) {
    if (const auto good = utf8_part(bytes); good != bytes.size()) {
      const auto line = 1 + std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(good), '\n');
      throw Failure(LECTERN_INVALID, "the file is not UTF-8").at(static_cast<std::uint64_t>(line), 0);
    }
    auto rest = bytes;
    while (!rest.empty() && cell_type(cut_line(rest).first).empty()) rest = cut_line(rest).second;
    Notebook notebook;
    notebook.original = bytes.substr(0, bytes.size() - rest.size());  // what comes before the first cell
    for (std::uint64_t n = 1; !rest.empty(); ++n) {
      if (n > limits.max_cells) {
        throw Failure(LECTERN_TOO_LARGE, "more than " + std::to_string(limits.max_cells) + " cells");
      }
      rest = read_cell(rest, n, limits, out);
    }
    out.notebook(notebook);
  }

  static void write(const Notebook& notebook, const Sink& out) {
    as_read(notebook.original, notebook.cells.empty(), out);
    for (const Cell& cell : notebook.cells) {
      constexpr auto rewritten = LECTERN_CELL_NEW | LECTERN_CELL_SOURCE_CHANGED | LECTERN_CELL_TYPE_CHANGED;
      if ((cell.changed & rewritten) == 0) {
        as_read(cell.original, &cell == &notebook.cells.back(), out);
      } else {
        out.write(std::string(mark) + std::string(cell.cell_type) + "\n" + escaped(cell.source) + "\n");
      }
    }
  }

 private:
  // Byte for byte; but a last line without an end needs one when something follows.
  static void as_read(std::string_view text, bool last, const Sink& out) {
    out.write(text);
    if (!last && !text.empty() && !text.ends_with('\n')) out.write("\n");
  }
  static std::string_view read_cell(std::string_view text, std::uint64_t number, const FormatLimits& limits,
                                    const NotebookBuilder& out) {
    const auto [heading, body] = cut_line(text);
    auto rest = body;
    bool plain = true;
    while (!rest.empty()) {
      const auto [line, after] = cut_line(rest);
      if (!cell_type(line).empty()) break;
      plain = plain && !needs_backslash(line);
      rest = after;
    }
    auto source = body.substr(0, body.size() - rest.size());
    if (source.ends_with('\n')) source.remove_suffix(1);  // the one that write adds
    if (source.size() > limits.max_source_bytes) {
      throw Failure(LECTERN_TOO_LARGE, "cell " + std::to_string(number) + " is too long");
    }
    const auto mended = plain ? std::string() : unescaped(source);
    const auto id = "cell-" + std::to_string(number);  // the file has no ids: the place is the name
    Cell cell;
    cell.id = id;
    cell.cell_type = cell_type(heading);
    cell.source = plain ? source : mended;  // text that lies in the file is not copied by the host
    cell.original = text.substr(0, text.size() - rest.size());
    out.cell(cell);
    return rest;
  }
};

}  // namespace

LECTERN_PLUGIN(FormatOf<MyPlugin>);
