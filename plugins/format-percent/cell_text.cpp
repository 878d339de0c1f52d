#include "cell_text.hpp"

#include <algorithm>
#include <array>

#include "../text-cells/lines.hpp"
#include "../text-cells/yaml.hpp"
#include "code_text.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace percent {

namespace json = lectern::sdk::json;
using text_cells::blank;
using Views = std::vector<std::string_view>;

namespace {

// In the marker only: how many blank lines at the end belong to the cell, where counting would go wrong.
constexpr std::string_view kept_lines = "lines_at_end";

/// A cell's text in its parts; all lines without their ends.
struct Parts {
  bool has_marker = false;
  std::string_view marker_line;  // with its end
  Options options;
  Views body;
  std::size_t separators = 0;  // blank lines after the body
};

// Of the blank lines at the end, one belongs to the file's layout; of exactly two both do, as PEP 8 wants two.
std::size_t separators(std::size_t blanks, const Options& options) {
  if (const auto* kept = options.find(kept_lines)) {
    const auto n = json::integer(*kept).value_or(0);
    if (n >= 0 && static_cast<std::size_t>(n) <= blanks) return blanks - static_cast<std::size_t>(n);
  }
  return blanks == 0 ? 0 : blanks == 2 ? 2 : 1;
}

Parts take_apart(std::string_view text, const Dialect& dialect) {
  Parts out;
  auto lines = text_cells::split(text);
  std::size_t first = 0;
  if (!lines.empty() && is_marker(lines[0], dialect.prefix)) {
    out.has_marker = true;
    out.marker_line = lines[0];
    out.options = read_marker(text_cells::bare(lines[0], dialect.crlf), dialect.prefix);
    first = 1;
  }
  for (std::size_t i = first; i < lines.size(); ++i) out.body.push_back(text_cells::bare(lines[i], dialect.crlf));
  out.separators = separators(text_cells::blank_at_end(out.body), out.options);
  out.body.resize(out.body.size() - out.separators);
  out.options.remove(kept_lines);
  return out;
}

/// `active="ipynb"`, the tag "active-ipynb", or a frozen cell: where a cell is code. What is not active in a script is
/// a comment there, as Jupytext has it.
struct Active {
  bool said = false, notebook = true, script = true;
};

Active active_of(const Options& options) {
  std::string list;
  Active out;
  if (const auto* control = options.find("run_control");
      control != nullptr && json::member(*control, "frozen") == "true") {
    return {true, true, false};
  }
  if (const auto* active = options.find("active"); active != nullptr && json::is_string(*active)) {
    list = json::text(*active);
    out.said = true;
  } else if (const auto* tags = options.find("tags"); tags != nullptr) {
    json::each_item(*tags, [&](std::string_view tag) {
      const auto text = json::text(tag);
      if (!text.starts_with("active-")) return true;
      list = text.substr(7);
      out.said = true;
      return false;
    });
  }
  if (!out.said) return out;
  std::replace_if(
      list.begin(), list.end(), [](char c) { return c == '.' || c == ',' || c == '-'; }, ' ');
  out.notebook = (" " + list + " ").find(" ipynb ") != std::string::npos;
  const auto others = text_cells::trim(list);
  out.script = !others.empty() && others != "ipynb";
  return out;
}

/// A text in triple quotes: what is before and behind it.
struct Quotes {
  std::string left, right;
};

bool take_quotes(std::string_view& text, Quotes& quotes) {
  text = text_cells::trim(text);
  for (const std::string_view left : {"\"\"\"", "'''", "r\"\"\"", "r'''", "R\"\"\"", "R'''"}) {
    const auto right = left.substr(left.size() - 3);
    if (!text.starts_with(left) || !text.ends_with(right) || text.size() < left.size() + 3) continue;
    quotes = {std::string(left), std::string(right)};
    text = text.substr(left.size(), text.size() - left.size() - 3);
    if (text.starts_with('\n')) {
      text.remove_prefix(1);
      quotes.left += '\n';
    }
    if (text.ends_with('\n')) {
      text.remove_suffix(1);
      quotes.right.insert(0, "\n");
    }
    return true;
  }
  return false;
}

std::string joined(const Views& lines) {
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += '\n';
    out += lines[i];
  }
  return out;
}

std::string source_of_text(const Views& body, const Dialect& dialect) {
  const std::string whole = joined(body);
  std::string_view text = whole;
  if (Quotes quotes; dialect.prefix == "#" && take_quotes(text, quotes)) return std::string(text);
  return text_cells::join(decode_comment(body, dialect), "\n");
}

// `# %% language="bash"` with a commented script is the cell `%%bash`.
std::string first_line_of_language(Options& options, const Dialect& dialect) {
  const auto* language = options.find("language");
  if (language == nullptr || !json::is_string(*language)) return {};
  const auto name = json::text(*language);
  if (name == dialect.language || (name == "python" && dialect.python())) return {};
  std::string line = "%%" + name;
  if (const auto* arguments = options.find("magic_args"); arguments != nullptr && json::is_string(*arguments)) {
    line += " " + json::text(*arguments);
  }
  const auto magic = language_magic(line);
  if (magic.language.empty() || line.find('\n') != std::string::npos) return {};
  options.remove("language");
  options.remove("magic_args");
  return line;
}

// What is written: the options of the marker, and the lines below it.
struct Written {
  Options options;
  Lines body;
};

Written canonical(const lectern::sdk::Cell& cell, const Dialect& dialect) {
  Written out;
  out.options.type = std::string(cell.cell_type);
  out.options.members = text_cells::json_members(cell.metadata);
  for (const auto* reserved : {"cell_type", "region_name"}) out.options.remove(reserved);
  out.options.remove(kept_lines);
  const auto source = text_cells::source_lines(cell.source);
  const Active active = active_of(out.options);
  if (cell.cell_type != "code") {
    const bool runs_in_script = cell.cell_type == "raw" && active.said && !active.notebook;
    if (runs_in_script) out.options.type = "code";
    out.body = runs_in_script && active.script ? encode_code(source, dialect) : encode_comment(source, dialect);
    return out;
  }
  const auto magic = language_magic(source.front());
  const bool other_language = !magic.language.empty() && magic.language != dialect.language &&
                              !(magic.language == "python" && dialect.python()) && !active.said &&
                              out.options.find("language") == nullptr && out.options.find("magic_args") == nullptr;
  if (other_language) {
    out.options.members.emplace_back("language", json::quoted(magic.language));
    if (!magic.arguments.empty()) out.options.members.emplace_back("magic_args", json::quoted(magic.arguments));
    out.body = encode_comment({source.begin() + 1, source.end()}, dialect);
  } else if (active.said && !active.script) {
    out.body = encode_comment(source, dialect);
  } else if (!cell.source.empty()) {
    out.body = encode_code(source, dialect);
  }
  return out;
}

bool same(const ScriptCell& read, const lectern::sdk::Cell& wanted) {
  return read.type == wanted.cell_type && read.source == wanted.source;
}

void put_line(std::string& out, std::string_view line, const Dialect& dialect) {
  out += line;
  out += dialect.line_end();
}

/// The cell's text, with as many blank lines behind it as say which of them are its own.
std::string assemble(std::string marker, const Lines& body, std::size_t old_separators, const Dialect& dialect,
                     bool follows) {
  std::string out = std::move(marker);
  for (const auto& line : body) put_line(out, line, dialect);
  const Views views(body.begin(), body.end());
  const auto own = text_cells::blank_at_end(views);
  std::size_t wanted = own == 0 ? (old_separators == 2 && follows ? 2 : follows ? 1 : 0) : 1;
  for (; wanted > 0; --wanted) put_line(out, "", dialect);
  return out;
}

// The text is as it was, the lines that did not change included: only where they changed it is encoded anew.
Lines with_old_lines(const Views& old, const Lines& old_canonical, Lines now) {
  if (old.size() != old_canonical.size()) return now;
  std::size_t head = 0, tail = 0;
  const auto least = std::min(old.size(), now.size());
  while (head < least && old_canonical[head] == now[head]) ++head;
  while (tail < least - head && old_canonical[old.size() - 1 - tail] == now[now.size() - 1 - tail]) ++tail;
  for (std::size_t i = 0; i < head; ++i) now[i] = old[i];
  for (std::size_t i = 0; i < tail; ++i) now[now.size() - 1 - i] = old[old.size() - 1 - i];
  return now;
}

}  // namespace

ScriptCell parse_cell(std::string_view text, const Dialect& dialect) {
  Parts parts = take_apart(text, dialect);
  ScriptCell out;
  out.type = parts.options.type;
  const Active active = active_of(parts.options);
  const std::string language_line =
      out.type == "code" && !active.said ? first_line_of_language(parts.options, dialect) : std::string{};
  if (!language_line.empty()) {
    out.source = language_line;
    if (!parts.body.empty()) out.source += "\n" + text_cells::join(decode_comment(parts.body, dialect), "\n");
  } else if (out.type != "code" || (active.said && !active.script)) {
    out.source = source_of_text(parts.body, dialect);
  } else {
    out.source = text_cells::join(decode_code(parts.body, dialect), "\n");
  }
  if (out.type == "code" && active.said && !active.notebook) out.type = "raw";
  out.metadata = parts.options.metadata();
  return out;
}

std::string render_cell(const lectern::sdk::Cell& cell, const Dialect& dialect, bool first, bool follows) {
  constexpr std::uint32_t content =
      LECTERN_CELL_SOURCE_CHANGED | LECTERN_CELL_METADATA_CHANGED | LECTERN_CELL_TYPE_CHANGED | LECTERN_CELL_NEW;
  const bool is_new = cell.original.empty() || (cell.changed & LECTERN_CELL_NEW) != 0;
  Parts old;
  if (!is_new) old = take_apart(cell.original, dialect);
  if (!is_new && (cell.changed & content) == 0 && (old.has_marker || first)) {
    const bool open_end = follows && !cell.original.ends_with('\n');  // it was the last one
    return std::string(cell.original) + std::string(open_end ? dialect.line_end() : "");
  }
  const Written now = canonical(cell, dialect);
  const bool same_marker = !is_new && (cell.changed & (LECTERN_CELL_METADATA_CHANGED | LECTERN_CELL_TYPE_CHANGED)) == 0;
  if (same_marker && (old.has_marker || first)) {
    std::string marker(old.marker_line);
    if (!marker.empty() && !marker.ends_with('\n')) marker += dialect.line_end();
    const bool implicit_works = old.has_marker || (!cell.source.empty() && !blank(now.body.empty() ? "" : now.body[0]));
    // Another language in the first line is an option of the marker: the old one fits when that is the same.
    const auto attempt = [&](const Lines& body) -> std::string {
      auto text = assemble(marker, body, old.separators, dialect, follows);
      return same(parse_cell(text, dialect), cell) ? text : std::string{};
    };
    if (Quotes quotes; implicit_works && cell.cell_type != "code" && dialect.prefix == "#") {
      const std::string whole = joined(old.body);
      if (std::string_view text = whole; take_quotes(text, quotes)) {
        const std::string quoted = quotes.left + std::string(cell.source) + quotes.right;
        const auto views = text_cells::source_lines(quoted);
        const auto breaks = [&](std::string_view line) { return is_marker(line, dialect.prefix); };
        if (std::none_of(views.begin(), views.end(), breaks)) {
          if (auto out = attempt({views.begin(), views.end()}); !out.empty()) return out;
        }
      }
    }
    if (implicit_works) {
      lectern::sdk::Cell before = cell;
      const ScriptCell was = parse_cell(cell.original, dialect);
      before.source = was.source;
      if (auto out = attempt(with_old_lines(old.body, canonical(before, dialect).body, now.body)); !out.empty())
        return out;
      if (auto out = attempt(now.body); !out.empty()) return out;
    }
  }
  Options options = now.options;
  const auto text = [&] {
    std::string marker = write_marker(options, dialect.prefix);
    marker += dialect.line_end();
    return assemble(std::move(marker), now.body, old.separators, dialect, follows);
  };
  std::string out = text();
  if (!same(parse_cell(out, dialect), cell)) {
    const Views views(now.body.begin(), now.body.end());
    options.members.emplace_back(kept_lines, std::to_string(text_cells::blank_at_end(views)));
    out = text();
  }
  return out;
}

}  // namespace percent
