#include "front_matter.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "../text-cells/lines.hpp"
#include "../text-cells/yaml.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace markdown {

namespace json = lectern::sdk::json;
using text_cells::trim;
using Lines = std::vector<std::string>;

namespace {

struct Yaml {
  std::size_t close = 0;  // the first line is the other rule
  Lines lines;
};

std::optional<Yaml> find_yaml(const std::vector<std::string_view>& lines) {
  const auto rule = [](std::string_view line) { return line.starts_with("---") && trim(line) == "---"; };
  if (lines.empty() || !rule(lines[0])) return std::nullopt;
  Yaml out;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    if (rule(lines[i]) || (lines[i].starts_with("...") && trim(lines[i]) == "...")) {
      out.close = i;
      return out;
    }
    auto line = lines[i];
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    out.lines.emplace_back(line);
  }
  return std::nullopt;
}

const text_cells::YamlEntry* find(const std::vector<text_cells::YamlEntry>& entries, std::string_view key) {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

// Quarto has `jupyter: python3`, or a mapping with the kernelspec in it.
std::string quarto_metadata(const std::vector<text_cells::YamlEntry>& entries) {
  const auto* jupyter = find(entries, "jupyter");
  if (jupyter == nullptr) return "{}";
  if (json::is_object(jupyter->json)) return jupyter->json;
  if (!json::is_string(jupyter->json)) return "{}";
  const std::string language = language_of_kernel(json::text(jupyter->json));
  std::string spec = R"({"kernelspec":{"display_name":)" + jupyter->json;
  if (!language.empty()) spec += R"(,"language":)" + json::quoted(language);
  return spec + R"(,"name":)" + jupyter->json + "}}";
}

bool only_kernelspec(std::string_view metadata) {
  const auto members = text_cells::json_members(metadata);
  return std::all_of(members.begin(), members.end(), [](const auto& member) {
    return member.first == "kernelspec" || member.first == "language_info";
  });
}

Lines updated_quarto(const Lines& yaml, std::string_view metadata) {
  const auto entries = text_cells::yaml_mapping(yaml);
  if (!entries) return yaml;
  const auto* jupyter = find(*entries, "jupyter");
  const auto name = json::member(json::member(metadata, "kernelspec"), "name");
  Lines now;
  if (jupyter == nullptr || !json::is_object(jupyter->json)) {
    const bool named = jupyter != nullptr && jupyter->json == name;
    const std::string value(only_kernelspec(metadata) ? name : metadata);
    if (!value.empty() && !named) now = text_cells::updated_yaml({}, R"({"jupyter":)" + value + "}", {});
    if (now.empty()) return yaml;
  } else {
    const Lines below(yaml.begin() + static_cast<std::ptrdiff_t>(jupyter->first) + 1,
                      yaml.begin() + static_cast<std::ptrdiff_t>(jupyter->last));
    const bool block =
        std::any_of(below.begin(), below.end(), [](const auto& line) { return !text_cells::blank(line); });
    now = {block ? yaml[jupyter->first] : "jupyter: " + std::string(metadata)};
    if (block) {
      const auto updated = text_cells::updated_yaml(below, metadata, {"language_info"});
      now.insert(now.end(), updated.begin(), updated.end());
    }
  }
  Lines out(yaml.begin(), yaml.begin() + static_cast<std::ptrdiff_t>(jupyter ? jupyter->first : yaml.size()));
  out.insert(out.end(), now.begin(), now.end());
  if (jupyter != nullptr) out.insert(out.end(), yaml.begin() + static_cast<std::ptrdiff_t>(jupyter->last), yaml.end());
  return out;
}

}  // namespace

Front read_front(std::string_view bytes, bool quarto) {
  Front out;
  const auto mark = text_cells::byte_order_mark(bytes);
  const auto lines = text_cells::split(bytes.substr(mark.size()));
  std::size_t after = 0;
  if (const auto yaml = find_yaml(lines)) {
    out.found = true;
    after = yaml->close + 1;
    if (const auto entries = text_cells::yaml_mapping(yaml->lines)) {
      out.metadata = quarto ? quarto_metadata(*entries) : text_cells::json_object(*entries);
    }
    out.language = json::text(json::member(json::member(out.metadata, "kernelspec"), "language"));
  }
  while (after < lines.size() && text_cells::blank(lines[after])) ++after;
  std::size_t size = mark.size();
  for (std::size_t i = 0; i < after; ++i) size += lines[i].size();
  out.text = bytes.substr(0, size);
  return out;
}

std::string updated_front(std::string_view text, std::string_view metadata, const Dialect& dialect) {
  const auto mark = text_cells::byte_order_mark(text);
  const auto lines = text_cells::split(text.substr(mark.size()));
  const auto yaml = find_yaml(lines);
  const Lines before = yaml ? yaml->lines : Lines{};
  Lines after = before;
  if (dialect.quarto) {
    after = updated_quarto(before, metadata);
  } else {
    after = text_cells::updated_yaml(before, metadata, {"language_info"});
    // What tells Jupytext, and this plugin, that the document is a notebook.
    const auto entries = text_cells::yaml_mapping(before);
    if (!yaml && (!entries || find(*entries, "jupytext") == nullptr)) {
      const Lines says{"jupytext:", "  text_representation:", "    extension: .md", "    format_name: myst"};
      after.insert(after.begin(), says.begin(), says.end());
    }
  }
  if (before == after) return std::string(text);
  std::string out(mark);
  const auto put = [&](std::string_view line) {
    out += line;
    out += dialect.line_end();
  };
  put("---");
  for (const auto& line : after) put(line);
  put("---");
  if (!yaml) put("");
  for (std::size_t i = yaml ? yaml->close + 1 : 0; i < lines.size(); ++i) out += lines[i];
  return out;
}

}  // namespace markdown
