#include "markdown_text.hpp"

#include <algorithm>
#include <optional>

#include "../text-cells/lines.hpp"
#include "../text-cells/yaml.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace markdown {

namespace json = lectern::sdk::json;
using text_cells::blank;
using Views = std::vector<std::string_view>;
using Lines = std::vector<std::string>;

namespace {

// In a break's JSON only: how many blank lines before and after its text belong to the text.
constexpr std::string_view blank_lines = "blank_lines";

std::string without(std::string_view object, std::string_view key) {
  std::string out = "{";
  for (const auto& [name, value] : text_cells::json_members(object)) {
    if (name == key) continue;
    if (out.size() > 1) out += ',';
    out += json::quoted(name) + ":" + value;
  }
  return out + "}";
}

std::string with(std::string_view object, std::string_view key, const std::string& value) {
  std::string out = without(object, key);
  out.pop_back();
  if (out.size() > 1) out += ',';
  return out + json::quoted(key) + ":" + value + "}";
}

// The text behind any backslashes at the beginning of a line that a cell must not begin with.
bool structural(std::string_view line, const Dialect& dialect) {
  const auto begin = line.find_first_not_of(' ');
  if (begin > 3) return false;
  const auto text = line.substr(begin);
  return text.starts_with("```") || text.starts_with("~~~") || is_break(text, dialect);
}
std::size_t slashes_at(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}
bool escaped_structural(std::string_view line, const Dialect& dialect) {
  const auto at = slashes_at(line);
  const auto end = std::min(line.find_first_not_of('\\', at), line.size());
  return end > at && structural(std::string(line.substr(0, at)) + std::string(line.substr(end)), dialect);
}

// Where the fence that opens at `at` is closed; nothing when it is not.
std::optional<std::size_t> closing(const Views& lines, std::size_t at, const Fence& fence) {
  for (std::size_t i = at + 1; i < lines.size(); ++i) {
    if (fence.closed_by(lines[i])) return i;
  }
  return std::nullopt;
}

// A line that would open a block of its own, or part the text, has a backslash, which Markdown does not show.
Lines encode_text(const Views& source, const Dialect& dialect) {
  Lines out;
  // Of ` and ~: the shortest fence that was found to stay open. None of that length or more is closed further down.
  std::size_t stays_open[2] = {std::size_t(-1), std::size_t(-1)};
  for (std::size_t i = 0; i < source.size(); ++i) {
    const auto line = source[i];
    const Fence fence = open_fence(line);
    auto& open_from = stays_open[fence.mark == '~' ? 1 : 0];
    if (fence && fence.length < open_from && kind_of(fence, dialect) == BlockKind::text) {
      const auto end = closing(source, i, fence);
      if (!end) {
        open_from = fence.length;
      } else {
        for (; i < *end; ++i) out.emplace_back(source[i]);
        out.emplace_back(source[*end]);
        continue;
      }
    }
    std::string text(line);
    if (fence || is_break(line, dialect) || escaped_structural(line, dialect)) text.insert(slashes_at(line), "\\");
    out.push_back(std::move(text));
  }
  return out;
}

Lines decode_text(const Views& lines, const Dialect& dialect) {
  Lines out;
  Fence open;
  for (const auto line : lines) {
    std::string text(line);
    if (open) {
      if (open.closed_by(line)) open = {};
    } else if (escaped_structural(line, dialect)) {
      text.erase(slashes_at(line), 1);
    } else {
      open = open_fence(line);
    }
    out.push_back(std::move(text));
  }
  return out;
}

// `---` and YAML, or `:key: value` lines, at the beginning of a MyST block; and the blank line after them.
struct Options {
  Lines yaml;
  bool rules = false;
  std::size_t lines = 0;  // how many of the block
};

Options options_of(const Views& lines) {
  Options out;
  if (!lines.empty() && lines[0].starts_with("---")) {
    const auto end = std::find_if(lines.begin() + 1, lines.end(), [](auto line) { return line.starts_with("---"); });
    for (auto line = lines.begin() + 1; line != end; ++line) out.yaml.emplace_back(*line);
    out.rules = true;
    out.lines = static_cast<std::size_t>(end - lines.begin()) + (end == lines.end() ? 0 : 1);
  } else {
    for (const auto line : lines) {
      const auto begin = std::min(line.find_first_not_of(" \t"), line.size());
      if (line.substr(begin, 1) != ":") break;
      out.yaml.emplace_back(line.substr(begin + 1));
      ++out.lines;
    }
  }
  if (out.lines < lines.size() && blank(lines[out.lines])) ++out.lines;
  return out;
}

std::string joined(const Views& lines, std::size_t from = 0) {
  std::string out;
  for (std::size_t i = from; i < lines.size(); ++i) {
    if (i > from) out += '\n';
    out += lines[i];
  }
  return out;
}

std::string source_of_text(const Block& block, const Dialect& dialect) {
  auto lines = block.lines;
  std::size_t before = 0, after = 0;
  if (const auto kept = json::member(block.break_metadata, blank_lines); !kept.empty()) {
    std::size_t place = 0;
    json::each_item(kept, [&](std::string_view number) {
      const auto n = static_cast<std::size_t>(std::max<std::int64_t>(0, json::integer(number).value_or(0)));
      (place++ == 0 ? before : after) = n;
      return true;
    });
  }
  const auto blanks = text_cells::blank_at_end(lines);
  if (blanks == lines.size()) {
    lines.resize(std::min(before, lines.size()));
    return joined(lines);
  }
  lines.resize(lines.size() - blanks + std::min(after, blanks));
  std::size_t first = 0;
  while (blank(lines[first])) ++first;
  first -= std::min(before, first);
  return text_cells::join(decode_text({lines.begin() + static_cast<std::ptrdiff_t>(first), lines.end()}, dialect),
                          "\n");
}

void put(std::string& out, std::string_view line, const Dialect& dialect) {
  out += line;
  out += dialect.line_end();
}

std::string text_block(const lectern::sdk::Cell& cell, const Dialect& dialect, const Place& place, bool wants_break) {
  const auto source = text_cells::source_lines(cell.source);
  const bool empty = blank(cell.source);
  std::size_t before = 0, after = 0;
  if (empty) {
    before = cell.source.empty() ? 0 : source.size();
  } else {
    while (blank(source[before])) ++before;
    after = text_cells::blank_at_end(source);
  }
  std::string metadata = without(cell.metadata, blank_lines);
  if (empty || before > 0 || after > 0) {
    metadata = with(metadata, blank_lines, "[" + std::to_string(before) + "," + std::to_string(after) + "]");
  }
  std::string out;
  const bool like_front_matter = place.document_begins && cell.source.starts_with("---");
  if (wants_break || place.after_text || metadata != "{}" || like_front_matter) {
    put(out, write_break(metadata, dialect), dialect);
    if (!empty && before == 0) put(out, "", dialect);
  }
  if (empty) {
    for (std::size_t i = 0; i < before; ++i) put(out, source[i], dialect);
  } else {
    for (const auto& line : encode_text(source, dialect)) put(out, line, dialect);
  }
  return out;
}

std::size_t fence_length(const Views& lines) {
  std::size_t longest = 2;
  for (auto line : lines) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    longest = std::max(longest, std::min(line.find_first_not_of('`'), line.size()));
  }
  return longest + 1;
}

void put_options(std::string& out, const Lines& yaml, bool rules, const Dialect& dialect) {
  const bool nested =
      std::any_of(yaml.begin(), yaml.end(), [](const auto& line) { return line.starts_with(' ') && !blank(line); });
  rules = rules || nested;
  if (rules) put(out, "---", dialect);
  for (const auto& line : yaml) put(out, rules ? line : ":" + line, dialect);
  if (rules) put(out, "---", dialect);
}

/// A fenced block. `old` gives what stays: its opening line, and its options as they are written.
std::string fenced_block(const lectern::sdk::Cell& cell, const Dialect& dialect, const Block* old, bool new_metadata) {
  const auto source = text_cells::source_lines(cell.source);
  std::string out;
  const std::string metadata = without(cell.metadata, blank_lines);
  if (dialect.quarto && (new_metadata || old == nullptr)) {
    if (metadata != "{}") put(out, write_break(metadata, dialect), dialect);
  } else if (old != nullptr) {
    out += old->lead;
  }
  const auto length = fence_length(source);
  const Fence fence = old == nullptr ? Fence{} : open_fence(old->opening);
  const BlockKind kind = cell.cell_type == "raw" ? BlockKind::raw : BlockKind::code;
  const bool same_opening =
      old != nullptr && old->kind == kind && fence.indent == 0 &&
      (fence.mark == '~' ? closing(source, std::size_t(-1), fence) == std::nullopt : fence.length >= length);
  std::string closing_line(length, '`');
  if (same_opening) {
    put(out, text_cells::bare(old->opening, dialect.crlf), dialect);
    closing_line.assign(fence.length, fence.mark);
  } else if (kind == BlockKind::raw) {
    put(out, closing_line + "{raw-cell}", dialect);
  } else if (dialect.quarto) {
    put(out, closing_line + "{" + dialect.language + "}", dialect);
  } else {
    put(out, closing_line + "{code-cell}" + (dialect.language.empty() ? "" : " " + dialect.language), dialect);
  }
  if (!dialect.quarto) {
    Options options;
    if (old != nullptr && old->kind != BlockKind::text) options = options_of(old->lines);
    if (new_metadata || old == nullptr) {
      if (!text_cells::yaml_mapping(options.yaml)) options.yaml.clear();
      options.yaml = text_cells::updated_yaml(options.yaml, metadata, {});
      const bool any =
          std::any_of(options.yaml.begin(), options.yaml.end(), [](const auto& line) { return !blank(line); });
      if (!any) options.yaml.clear();
    }
    if (!options.yaml.empty()) put_options(out, options.yaml, options.rules, dialect);
    // One blank line after the options is not the source's, nor is one where options would be.
    const auto first = source.front();
    const bool guard = !options.yaml.empty() || (blank(first) && !cell.source.empty()) || first.starts_with("---") ||
                       text_cells::trim(first).starts_with(':');
    if (guard) put(out, "", dialect);
  }
  if (!cell.source.empty()) {
    for (const auto line : source) put(out, line, dialect);
  }
  put(out, closing_line, dialect);
  return out;
}

bool same(const DocumentCell& read, const lectern::sdk::Cell& wanted) {
  return read.type == wanted.cell_type && read.source == wanted.source;
}

bool reads_back(const std::string& text, const lectern::sdk::Cell& cell, const Dialect& dialect) {
  const auto blocks = cut(text, dialect);
  return blocks.size() == 1 && blocks[0].closed && same(parse_block(blocks[0], dialect), cell);
}

// Two cells are set apart by a blank line, as they were.
std::string end_block(std::string text, std::size_t blanks, const Dialect& dialect, const Place& place) {
  for (std::size_t i = place.last ? 0 : std::max<std::size_t>(1, blanks); i > 0; --i) put(text, "", dialect);
  return text;
}

}  // namespace

DocumentCell parse_block(const Block& block, const Dialect& dialect) {
  DocumentCell out;
  if (block.kind == BlockKind::text) {
    return {"markdown", source_of_text(block, dialect), without(block.break_metadata, blank_lines)};
  }
  out.type = block.kind == BlockKind::raw ? "raw" : "code";
  out.metadata = dialect.quarto ? block.break_metadata : "{}";
  if (dialect.quarto) {
    out.source = joined(block.lines);
    return out;
  }
  const Options options = options_of(block.lines);
  if (const auto entries = text_cells::yaml_mapping(options.yaml)) out.metadata = text_cells::json_object(*entries);
  out.source = joined(block.lines, options.lines);
  return out;
}

std::string render_cell(const lectern::sdk::Cell& cell, const Dialect& dialect, const Place& place) {
  constexpr std::uint32_t content =
      LECTERN_CELL_SOURCE_CHANGED | LECTERN_CELL_METADATA_CHANGED | LECTERN_CELL_TYPE_CHANGED | LECTERN_CELL_NEW;
  const bool is_new = cell.original.empty() || (cell.changed & LECTERN_CELL_NEW) != 0;
  const auto blocks = is_new ? std::vector<Block>{} : cut(cell.original, dialect);
  const Block* old = blocks.empty() ? nullptr : &blocks.front();
  if (old != nullptr && (cell.changed & content) == 0) {
    const bool apart = old->kind != BlockKind::text || old->has_break || !place.after_text;
    const bool front = place.document_begins && !old->has_break && cell.source.starts_with("---");
    if ((old->closed || place.last) && apart && !front) {
      const bool open_end = !place.last && !cell.original.ends_with('\n');
      return std::string(cell.original) + std::string(open_end ? dialect.line_end() : "");
    }
  }
  const bool new_metadata = (cell.changed & (LECTERN_CELL_METADATA_CHANGED | LECTERN_CELL_TYPE_CHANGED)) != 0;
  const std::size_t blanks = old == nullptr ? 1 : old->blanks_after;
  if (cell.cell_type == "markdown") {
    // Below a break that stays, the text is exchanged; else all is written anew.
    const bool same_break = old != nullptr && old->kind == BlockKind::text && old->has_break && !new_metadata &&
                            json::member(old->break_metadata, blank_lines).empty();
    if (same_break) {
      std::string out(old->lead);
      const auto first = std::find_if_not(old->lines.begin(), old->lines.end(), blank);
      for (auto line = old->lines.begin(); line != first && first != old->lines.end(); ++line) put(out, *line, dialect);
      for (const auto& line : encode_text(text_cells::source_lines(cell.source), dialect)) put(out, line, dialect);
      if (reads_back(out, cell, dialect)) return end_block(std::move(out), blanks, dialect, place);
    }
    return end_block(text_block(cell, dialect, place, old != nullptr && old->has_break), blanks, dialect, place);
  }
  auto out = fenced_block(cell, dialect, old != nullptr && old->kind != BlockKind::text ? old : nullptr, new_metadata);
  if (!reads_back(out, cell, dialect)) out = fenced_block(cell, dialect, nullptr, true);
  return end_block(std::move(out), blanks, dialect, place);
}

}  // namespace markdown
