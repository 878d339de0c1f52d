#include "header.hpp"

#include <algorithm>
#include <optional>

#include "../text-cells/lines.hpp"
#include "../text-cells/yaml.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace percent {

namespace json = lectern::sdk::json;
using text_cells::trim;
using Lines = std::vector<std::string>;

namespace {

// What a kernel's language is called in a header adds nothing to kernelspec.language; Jupytext leaves it out too.
const std::vector<std::string_view> left_out{"language_info"};

bool names_encoding(std::string_view line) {
  const auto at = line.find("coding");
  return at != std::string_view::npos && line.substr(at + 6, 1).find_first_of(":=") == 0;
}

struct Yaml {
  std::size_t open = 0, close = 0;  // the lines "# ---"
  std::string_view prefix;
};

std::string_view uncommented(std::string_view line, std::string_view prefix) {
  line.remove_prefix(prefix.size());
  if (line.starts_with(' ')) line.remove_prefix(1);
  return line;
}

std::optional<Yaml> find_yaml(const std::vector<std::string_view>& lines, std::size_t from) {
  while (from < lines.size() && text_cells::blank(lines[from])) ++from;
  if (from >= lines.size()) return std::nullopt;
  for (const auto prefix : prefixes()) {
    const auto is_rule = [&](std::string_view line) {
      return line.starts_with(prefix) && trim(uncommented(line, prefix)) == "---";
    };
    if (!is_rule(lines[from])) continue;
    for (std::size_t i = from + 1; i < lines.size() && lines[i].starts_with(prefix); ++i) {
      if (is_rule(lines[i])) return Yaml{from, i, prefix};
      if (is_marker(lines[i], prefix)) break;
    }
  }
  return std::nullopt;
}

Lines yaml_lines(const std::vector<std::string_view>& lines, const Yaml& yaml) {
  Lines out;
  for (std::size_t i = yaml.open + 1; i < yaml.close; ++i) {
    auto line = uncommented(lines[i], yaml.prefix);
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    out.emplace_back(line);
  }
  return out;
}

std::string language_in(std::string_view metadata) {
  auto language = json::text(json::member(json::member(metadata, "kernelspec"), "language"));
  if (language.empty()) language = json::text(json::member(json::member(metadata, "language_info"), "name"));
  return language;
}

// The lines below "jupyter:", and where they are.
struct Nested {
  Lines lines;
  std::size_t first = 0, last = 0;
  bool found = false, block = false;
};

Nested jupyter_block(const Lines& yaml) {
  Nested out;
  const auto entries = text_cells::yaml_mapping(yaml);
  if (!entries) return out;
  for (const auto& entry : *entries) {
    if (entry.key != "jupyter") continue;
    out.found = true;
    out.first = entry.first;
    out.last = entry.last;
    out.block = entry.last > entry.first + 1;
    out.lines.assign(yaml.begin() + static_cast<std::ptrdiff_t>(entry.first) + 1,
                     yaml.begin() + static_cast<std::ptrdiff_t>(entry.last));
  }
  return out;
}

std::string metadata_in(const Lines& yaml) {
  const Nested jupyter = jupyter_block(yaml);
  const auto entries = text_cells::yaml_mapping(jupyter.lines);
  return entries ? text_cells::json_object(*entries) : "{}";
}

Lines updated(const Lines& yaml, std::string_view metadata) {
  if (!text_cells::yaml_mapping(yaml)) return yaml;
  const Nested jupyter = jupyter_block(yaml);
  Lines below = jupyter.lines;
  if (text_cells::yaml_mapping(below)) {
    const bool empty =
        std::all_of(below.begin(), below.end(), [](const auto& line) { return text_cells::blank(line); });
    below = text_cells::updated_yaml(below, metadata, left_out);
    if (empty) {
      for (auto& line : below) line.insert(0, "  ");
    }
  }
  Lines out(yaml.begin(), yaml.begin() + static_cast<std::ptrdiff_t>(jupyter.found ? jupyter.first : yaml.size()));
  out.emplace_back(below.empty() ? "jupyter: {}" : "jupyter:");
  out.insert(out.end(), below.begin(), below.end());
  if (jupyter.found) out.insert(out.end(), yaml.begin() + static_cast<std::ptrdiff_t>(jupyter.last), yaml.end());
  return out;
}

}  // namespace

Header read_header(std::string_view bytes) {
  Header out;
  const auto mark = text_cells::byte_order_mark(bytes);
  const auto lines = text_cells::split(bytes.substr(mark.size()));
  out.dialect.crlf = text_cells::has_crlf(bytes);
  std::size_t last = 0;
  if (!lines.empty() && lines[0].starts_with("#!")) last = 1;
  if (last < lines.size() && last < 2 && lines[last].starts_with('#') && names_encoding(lines[last])) ++last;
  std::size_t after = last;
  if (const auto yaml = find_yaml(lines, last)) {
    out.metadata = metadata_in(yaml_lines(lines, *yaml));
    out.dialect.prefix = yaml->prefix;
    out.dialect.language = language_in(out.metadata);
    after = yaml->close + 1;
  } else if (const auto prefix = first_prefix(bytes.substr(mark.size())); !prefix.empty()) {
    out.dialect.prefix = prefix;
  }
  while (after < lines.size() && text_cells::blank(lines[after])) ++after;
  std::size_t size = mark.size();
  for (std::size_t i = 0; i < after; ++i) size += lines[i].size();
  out.text = bytes.substr(0, size);
  out.had_cells = size < bytes.size();
  return out;
}

std::string updated_header(std::string_view text, std::string_view metadata, const Dialect& dialect) {
  const auto mark = text_cells::byte_order_mark(text);
  const auto lines = text_cells::split(text.substr(mark.size()));
  const auto yaml = find_yaml(lines, lines.empty() || !lines[0].starts_with("#!") ? 0 : 1);
  const auto found = yaml ? yaml : find_yaml(lines, std::min<std::size_t>(lines.size(), 2));
  const auto write = [&](const Lines& content) {
    std::string out;
    const auto put = [&](std::string_view line) {
      out += dialect.prefix;
      if (!line.empty()) out += ' ';
      out += line;
      out += dialect.line_end();
    };
    put("---");
    for (const auto& line : content) put(line);
    put("---");
    return out;
  };
  std::string out(mark);
  if (!found) {
    for (const auto line : lines) out += line;
    if (!lines.empty() && !out.ends_with('\n')) out += dialect.line_end();
    return out + write(updated({}, metadata)) + std::string(dialect.line_end());
  }
  for (std::size_t i = 0; i < found->open; ++i) out += lines[i];
  const Lines before = yaml_lines(lines, *found), after = updated(before, metadata);
  if (before == after) return std::string(text);
  out += write(after);
  for (std::size_t i = found->close + 1; i < lines.size(); ++i) out += lines[i];
  return out;
}

std::string pack(const Header& header) {
  return header.dialect.prefix + (header.dialect.crlf ? "\r\n" : "\n") + (header.had_cells ? "+" : "-") +
         header.dialect.language + "\n" + std::string(header.text);
}

bool unpack(std::string_view packed, Header& header) {
  const auto first = packed.find('\n');
  const auto second = first == std::string_view::npos ? first : packed.find('\n', first + 1);
  if (second == std::string_view::npos) return false;
  auto prefix = packed.substr(0, first);
  header.dialect.crlf = prefix.ends_with('\r');
  if (header.dialect.crlf) prefix.remove_suffix(1);
  if (std::find(prefixes().begin(), prefixes().end(), prefix) == prefixes().end()) return false;
  header.dialect.prefix = prefix;
  const auto language = packed.substr(first + 1, second - first - 1);
  if (language.empty()) return false;
  header.had_cells = language.front() == '+';
  header.dialect.language = language.substr(1);
  header.text = packed.substr(second + 1);
  return true;
}

}  // namespace percent
