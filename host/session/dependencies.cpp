#include "session/dependencies.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "base/json.hpp"

namespace lectern::session {
namespace {

constexpr std::array<std::string_view, 4> managers{"uv", "conda", "pixi", "deno"};
// Where tools keep them: beside kernelspec, or in a section of their own (nteract's is "runt").
constexpr std::array<std::string_view, 3> sections{"", "runt", "lectern"};
constexpr std::string_view space = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(space);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(space) - from + 1);
}

bool says_where_from(std::string_view text) {
  return text.find_first_of("@:/\\") != std::string_view::npos || text.starts_with('.');
}

// PEP 503: case and runs of -, _ and . do not tell names apart.
std::string package(std::string_view text) {
  text = trimmed(text);
  if (says_where_from(text)) return std::string(text);
  text = trimmed(text.substr(0, text.find_first_of("<>=!~;[( \t")));
  std::string out;
  for (const char c : text) {
    const bool separator = c == '-' || c == '_' || c == '.';
    if (separator && !out.empty() && out.back() == '-') continue;
    out += separator ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  }
  return out;
}

void add(std::set<std::string>& found, std::string_view manager, std::string_view kind, std::string_view what) {
  const bool literal = manager == "deno" || kind.find("channel") != std::string_view::npos;
  auto name = literal ? std::string(trimmed(what)) : package(what);
  if (name.empty() || (kind == "channels" && name == "conda-forge")) return;  // the default, which installs nothing
  found.insert(std::string(manager) + ' ' + std::string(kind) + ' ' + name);
}

// A table says name = "version", or name = {git = ..., url = ..., path = ...}.
void add_table(std::set<std::string>& found, std::string_view manager, std::string_view kind,
               const json::Object& table) {
  for (const auto& [name, value] : table) {
    const bool plain = value.is_string() && !says_where_from(*value.as_string());
    add(found, manager, kind, plain ? name : name + " @ " + json::write(value));
  }
}

void read_member(std::set<std::string>& found, std::string_view manager, std::string_view kind,
                 const json::Value& value) {
  if (const auto* list = value.as_array()) {
    for (const auto& item : *list) {
      if (item.is_string()) {
        add(found, manager, kind, *item.as_string());
      } else if (!item.is_null()) {
        add(found, manager, kind, "@ " + json::write(item));  // {"pip": [...]} and the like: as it is
      }
    }
  } else if (const auto* table = value.as_object()) {
    add_table(found, manager, kind, *table);
  } else if (value.is_string() && manager == "deno") {
    add(found, manager, kind, *value.as_string());  // import_map, config: what is imported, said elsewhere
  }
}

void read_manager(std::set<std::string>& found, std::string_view manager, const json::Value& value) {
  if (value.is_array()) return read_member(found, manager, "dependencies", value);
  const auto* members = value.as_object();
  if (members == nullptr) return;
  for (const auto& [kind, member] : *members) read_member(found, manager, kind, member);
}

// As POST notebooks/create writes them.
void read_created(std::set<std::string>& found, const json::Value& section) {
  const auto* list = section.find("dependencies");
  if (list == nullptr) return;
  const auto* named = section.find("package_manager");
  const auto manager = named != nullptr && named->is_string() ? *named->as_string() : std::string("uv");
  read_member(found, manager, "dependencies", *list);
}

}  // namespace

std::vector<std::string> dependencies_of(std::string_view metadata_json) {
  const auto metadata = json::parse(metadata_json);
  if (!metadata || !metadata->is_object()) return {};
  std::set<std::string> found;
  for (const auto name : sections) {
    const auto* section = name.empty() ? &*metadata : metadata->find(name);
    if (section == nullptr || !section->is_object()) continue;
    for (const auto manager : managers) {
      if (const auto* value = section->find(manager)) read_manager(found, manager, *value);
    }
    if (name == "lectern") read_created(found, *section);
  }
  return {found.begin(), found.end()};
}

}  // namespace lectern::session
