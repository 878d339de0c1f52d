#include "blocks.hpp"

#include <algorithm>
#include <array>

#include "../text-cells/lines.hpp"
#include "../text-cells/yaml.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace markdown {

namespace json = lectern::sdk::json;
using text_cells::trim;
using Views = std::vector<std::string_view>;

namespace {

// What makes a break a cell although nothing is in it; see markdown_text.hpp.
constexpr std::string_view forced = "\"blank_lines\"";

bool name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '+';
}

// "python" of "{python, echo=FALSE}"; empty for what is no such block.
std::string_view braced_name(std::string_view info) {
  if (!info.starts_with('{') || !info.ends_with('}')) return {};
  const auto inside = info.substr(1, info.size() - 2);
  std::size_t end = 0;
  while (end < inside.size() && name_character(inside[end])) ++end;
  if (end == 0 || (inside[0] >= '0' && inside[0] <= '9') || inside[0] == '-') return {};
  if (end < inside.size() && inside[end] != ' ' && inside[end] != ',') return {};
  return inside.substr(0, end);
}

// The info of a directive `{name} argument`; false for any other.
bool directive(std::string_view info, std::string_view name, std::string_view& argument) {
  if (!info.starts_with('{') || info.substr(1, name.size()) != name || info.substr(1 + name.size(), 1) != "}")
    return false;
  argument = trim(info.substr(name.size() + 2));
  return true;
}

// What a kernel may run. Quarto draws {mermaid} and {dot} itself, {ojs} runs in the browser.
bool runs(std::string_view name) {
  static constexpr std::array<std::string_view, 24> known{
      "python", "r",          "julia",   "bash",   "sh",     "zsh",     "sql",  "javascript",
      "js",     "typescript", "ts",      "rust",   "scala",  "ruby",    "go",   "java",
      "kotlin", "lua",        "haskell", "octave", "matlab", "clojure", "perl", "csharp"};
  return std::find(known.begin(), known.end(), name) != known.end();
}

std::string_view break_body(std::string_view line, const Dialect& dialect, bool& is) {
  line = trim(line);
  is = false;
  if (dialect.quarto) {
    if (!line.starts_with("<!-- cell") || !line.ends_with("-->") || line.size() < 12) return {};
    line = line.substr(9, line.size() - 12);
    is = line.empty() || line.front() == ' ';
  } else {
    if (!line.starts_with("+++")) return {};
    line.remove_prefix(3);
    is = line.empty() || line.front() == ' ' || line.front() == '{';
  }
  return trim(line);
}

struct Cursor {
  Views lines;                      // with their ends
  std::vector<std::size_t> begins;  // of each line, and of the end
};

}  // namespace

bool Fence::closed_by(std::string_view line) const {
  const auto begin = line.find_first_not_of(' ');
  if (begin > 3) return false;  // npos is
  std::size_t n = 0;
  while (begin + n < line.size() && line[begin + n] == mark) ++n;
  return n >= length && text_cells::blank(line.substr(begin + n));
}

Fence open_fence(std::string_view line) {
  Fence out;
  const auto begin = line.find_first_not_of(' ');
  if (begin > 3 || (line[begin] != '`' && line[begin] != '~')) return {};
  out.mark = line[begin];
  out.indent = begin;
  while (begin + out.length < line.size() && line[begin + out.length] == out.mark) ++out.length;
  out.info = trim(line.substr(begin + out.length));
  const bool inline_code = out.mark == '`' && out.info.find('`') != std::string_view::npos;
  return out.length < 3 || inline_code ? Fence{} : out;
}

BlockKind kind_of(const Fence& fence, const Dialect& dialect) {
  if (!fence) return BlockKind::text;
  std::string_view argument;
  if (directive(fence.info, "raw-cell", argument)) return BlockKind::raw;
  if (!dialect.quarto) return directive(fence.info, "code-cell", argument) ? BlockKind::code : BlockKind::text;
  const auto name = braced_name(fence.info);
  return !name.empty() && name == dialect.language ? BlockKind::code : BlockKind::text;
}

namespace {

// Calls visit(fence) for each block that is not inside another, until it returns false.
template <class Visit>
void each_fence(std::string_view text, Visit&& visit) {
  Fence open;
  for (const auto line : text_cells::split(text)) {
    if (open) {
      if (open.closed_by(line)) open = {};
    } else if ((open = open_fence(line)); open && !visit(open)) {
      return;
    }
  }
}

}  // namespace

std::string first_language(std::string_view text) {
  std::string out;
  each_fence(text, [&](const Fence& fence) {
    const auto name = braced_name(fence.info);
    if (!runs(name)) return true;
    out = name;
    return false;
  });
  return out;
}

std::string language_of_kernel(std::string_view kernel) {
  if (kernel == "ir") return "r";
  const auto end = kernel.find_first_of("-.0123456789");
  const auto name = kernel.substr(0, end);
  return runs(name) ? std::string(name) : std::string{};
}

std::string kernel_of_language(std::string_view language) {
  if (language == "python") return "python3";
  if (language == "r" || language == "R") return "ir";
  return runs(language) ? std::string(language) : std::string{};
}

std::string first_argument(std::string_view text) {
  std::string out;
  each_fence(text, [&](const Fence& fence) {
    std::string_view argument;
    if (!directive(fence.info, "code-cell", argument)) return true;
    out = argument;
    return false;
  });
  return out;
}

bool is_break(std::string_view line, const Dialect& dialect) {
  bool is = false;
  (void)break_body(line, dialect, is);
  return is;
}

std::string break_metadata(std::string_view line, const Dialect& dialect) {
  bool is = false;
  const auto body = break_body(line, dialect, is);
  return is && json::is_object(body) && json::valid(body) ? text_cells::compact(body) : "{}";
}

std::string write_break(std::string_view metadata, const Dialect& dialect) {
  const std::string body = text_cells::compact(metadata);
  if (body == "{}") return dialect.quarto ? "<!-- cell -->" : "+++";
  if (!dialect.quarto) return "+++ " + body;
  std::string out = "<!-- cell ";
  std::size_t from = 0;
  for (auto at = body.find("--"); at != std::string::npos; at = body.find("--", from)) {
    out.append(body, from, at - from).append("\\u002d\\u002d");
    from = at + 2;
  }
  return out.append(body, from).append(" -->");
}

std::vector<Block> cut(std::string_view text, const Dialect& dialect) {
  std::vector<Block> out;
  const Views lines = text_cells::split(text);
  std::vector<std::size_t> begins{0};
  for (const auto line : lines) begins.push_back(begins.back() + line.size());
  const auto bare = [&](std::size_t i) { return text_cells::bare(lines[i], dialect.crlf); };
  std::size_t i = 0;
  while (i < lines.size()) {
    Block block;
    const std::size_t first = i;
    std::size_t break_at = lines.size();
    // Breaks and blank lines: the last break counts. One that makes a cell by itself ends the search.
    for (; i < lines.size(); ++i) {
      if (!text_cells::blank(lines[i]) && !is_break(lines[i], dialect)) break;
      if (!is_break(lines[i], dialect)) continue;
      if (break_at < lines.size() && break_metadata(bare(break_at), dialect).find(forced) != std::string::npos) break;
      break_at = i;
    }
    block.has_break = break_at < lines.size();
    if (block.has_break) block.break_metadata = break_metadata(bare(break_at), dialect);
    const bool is_forced = block.break_metadata.find(forced) != std::string::npos;
    Fence fence = i < lines.size() ? open_fence(bare(i)) : Fence{};
    block.kind = kind_of(fence, dialect);
    if (is_forced && (i == lines.size() || is_break(lines[i], dialect) || block.kind != BlockKind::text)) {
      // A text without anything but blank lines: they are all its own.
      block.kind = BlockKind::text;
      fence = {};
    } else if (i == lines.size()) {
      // Nothing more than breaks and blank lines: they are the end of the last block.
      if (out.empty()) return out;
      Block& last = out.back();
      last.text = text.substr(static_cast<std::size_t>(last.text.data() - text.data()));
      return out;
    }
    std::size_t content = i;
    if (block.kind != BlockKind::text) {
      block.opening = lines[i];
      for (++i; i < lines.size() && !fence.closed_by(bare(i)); ++i) {
        auto line = bare(i);
        for (std::size_t n = fence.indent; n > 0 && line.starts_with(' '); --n) line.remove_prefix(1);
        block.lines.push_back(line);
      }
      block.closed = i < lines.size();
      if (block.closed) ++i;
    } else {
      content = block.has_break ? break_at + 1 : i;
      Fence inner;
      for (; i < lines.size(); ++i) {
        const auto line = bare(i);
        if (inner) {
          if (inner.closed_by(line)) inner = {};
          continue;
        }
        if (is_break(line, dialect)) break;
        inner = open_fence(line);
        if (kind_of(inner, dialect) != BlockKind::text) break;
      }
      block.closed = i < lines.size() || !inner;
      for (std::size_t k = content; k < i; ++k) block.lines.push_back(bare(k));
    }
    while (i < lines.size() && text_cells::blank(lines[i])) ++i;
    for (std::size_t k = i; k > content && text_cells::blank(lines[k - 1]); --k) ++block.blanks_after;
    block.lead = text.substr(begins[first], begins[content] - begins[first]);
    block.text = text.substr(begins[first], begins[i] - begins[first]);
    out.push_back(std::move(block));
  }
  return out;
}

}  // namespace markdown
