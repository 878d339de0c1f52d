#include "marker.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <unordered_set>

#include "../text-cells/lines.hpp"
#include "../text-cells/yaml.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace percent {

namespace json = lectern::sdk::json;
using text_cells::trim;

namespace {

// Longer ones that are no JSON object are titles: the rules below look at each "=" of a line.
constexpr std::size_t longest_options = 4096;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
std::string_view skip_space(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}

bool name_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.';
}
bool digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_identifier(std::string_view text) {
  return !text.empty() && name_letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return name_letter(c) || digit(c); });
}
bool is_key(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return name_letter(c) || digit(c) || c == '-' || c == '/' || c == '@';
  });
}

// The title ends before the words at its end that begin with a dot: those are attributes.
std::string_view without_attributes(std::string_view title) {
  while (true) {
    title = trim(title);
    const auto word = title.rfind(' ') + 1;  // npos + 1 is 0
    if (!title.substr(word).starts_with('.') || !is_identifier(title.substr(word))) return title;
    title = title.substr(0, word);
  }
}

// `In[12]:` and `<codecell>`, alone on the line.
bool is_old_tail(std::string_view text) {
  text = trim(text);
  if (text == "<codecell>") return true;
  if (!text.starts_with("In[")) return false;
  text.remove_prefix(3);
  while (!text.empty() && (digit(text.front()) || text.front() == ' ')) text.remove_prefix(1);
  return text == "]" || text == "]:";
}

// A value as JSON, or as Python writes simple ones; empty when it is neither.
std::string value_of(std::string_view text) {
  text = trim(text);
  if (text == "True") return "true";
  if (text == "False") return "false";
  if (text == "None") return "null";
  if (json::valid(text)) return text_cells::compact(text);
  if (text.size() >= 2 && text.front() == '\'' && text.back() == '\'') {
    const auto inside = text.substr(1, text.size() - 2);
    if (inside.find_first_of("'\\") == std::string_view::npos) return json::quoted(inside);
  }
  return {};
}

using Members = std::vector<std::pair<std::string, std::string>>;

// From the right, as Jupytext reads it: the shortest value that is JSON wins. False when something is left over.
bool key_values(std::string_view text, Members& out) {
  text = trim(text);
  while (!text.empty()) {
    const auto space = text.rfind(' ');
    const auto word = text.substr(space == std::string_view::npos ? 0 : space + 1);
    if (is_identifier(word)) {
      out.emplace_back(word, "null");
      text = space == std::string_view::npos ? std::string_view{} : trim(text.substr(0, space));
      continue;
    }
    bool found = false;
    for (auto equals = text.rfind('='); !found && equals != std::string_view::npos && equals > 0;
         equals = equals == 0 ? std::string_view::npos : text.rfind('=', equals - 1)) {
      const auto before = trim(text.substr(0, equals));
      const auto key_begins = before.rfind(' ') + 1;  // npos + 1 is 0
      const auto key = before.substr(key_begins);
      const auto value = is_key(key) ? value_of(text.substr(equals + 1)) : std::string{};
      if (value.empty()) continue;
      out.emplace_back(key, value);
      text = trim(before.substr(0, key_begins));
      found = true;
    }
    if (!found) return false;
  }
  std::reverse(out.begin(), out.end());
  return true;
}

// Takes "[markdown]" and the like out of the title.
std::string take_type(std::string& title) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> types{
      {{"[markdown]", "markdown"}, {"[raw]", "raw"}, {"[md]", "markdown"}}};
  for (const auto& [mark, type] : types) {
    const auto at = title.find(mark);
    if (at == std::string::npos) continue;
    title.erase(at, mark.size());
    title = trim(title);
    return std::string(type);
  }
  return "code";
}

// Of members with the same key the last one counts.
Members without_repeated(Members members) {
  Members out;
  std::unordered_set<std::string> seen;
  for (auto member = members.rbegin(); member != members.rend(); ++member) {
    if (seen.insert(member->first).second) out.push_back(std::move(*member));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

Options read_options(std::string_view text) {
  Options out;
  std::size_t depth = 0;
  while (depth < text.size() && text[depth] == '%') ++depth;
  text = trim(text.substr(depth));
  std::string title(text);
  Members members;
  const auto brace = text.find('{'), equals = text.find('=');
  const bool is_json = brace != std::string_view::npos && (equals == std::string_view::npos || brace < equals);
  if (is_json) {
    if (const auto object = trim(text.substr(brace)); json::valid(object)) {
      members = text_cells::json_members(object);
      title = trim(text.substr(0, brace));
    }
  } else if (text.size() <= longest_options) {
    const auto before = trim(text.substr(0, equals));
    const bool no_key = equals == std::string_view::npos;
    const auto head = without_attributes(no_key ? before : before.substr(0, before.rfind(' ') + 1));
    if (key_values(text.substr(head.size()), members)) {
      title = head;
    } else {
      members.clear();
    }
  }
  out.type = take_type(title);
  Members all;
  if (!title.empty()) all.emplace_back("title", json::quoted(title));
  if (depth > 0) all.emplace_back("cell_depth", std::to_string(depth));
  std::move(members.begin(), members.end(), std::back_inserter(all));
  out.members = without_repeated(std::move(all));
  return out;
}

}  // namespace

bool is_marker_tail(std::string_view text) {
  text = skip_space(text);
  if (!text.starts_with("%%")) return is_old_tail(text);
  while (!text.empty() && text.front() == '%') text.remove_prefix(1);
  return text.empty() || is_space(text.front());
}

bool is_marker(std::string_view line, std::string_view prefix) {
  line = skip_space(line);
  return line.starts_with(prefix) && is_marker_tail(line.substr(prefix.size()));
}

const std::vector<std::string_view>& prefixes() {
  static const std::vector<std::string_view> all{"#", "//", "--", ";;", "%"};
  return all;
}

std::string_view first_prefix(std::string_view text) {
  for (const auto line : text_cells::split(text)) {
    if (line.find('%') == std::string_view::npos && line.find("In[") == std::string_view::npos) continue;
    for (const auto prefix : prefixes()) {
      if (is_marker(line, prefix)) return prefix;
    }
  }
  return {};
}

std::string_view prefix_of(std::string_view language) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 24> known{
      {{"javascript", "//"}, {"typescript", "//"}, {"rust", "//"},   {"c++", "//"},    {"cpp", "//"},   {"C++17", "//"},
       {"java", "//"},       {"scala", "//"},      {"kotlin", "//"}, {"groovy", "//"}, {"go", "//"},    {"c#", "//"},
       {"csharp", "//"},     {"C#", "//"},         {"fsharp", "//"}, {"F#", "//"},     {"sql", "--"},   {"lua", "--"},
       {"haskell", "--"},    {"clojure", ";;"},    {"scheme", ";;"}, {"matlab", "%"},  {"octave", "%"}, {"C++", "//"}}};
  const auto found = std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.first == language; });
  return found == known.end() ? "#" : found->second;
}

const std::string* Options::find(std::string_view key) const {
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const auto& member) { return member.first == key; });
  return found == members.end() ? nullptr : &found->second;
}

void Options::remove(std::string_view key) {
  std::erase_if(members, [&](const auto& member) { return member.first == key; });
}

std::string Options::metadata() const {
  std::string out = "{";
  for (const auto& [key, value] : members) {
    if (out.size() > 1) out += ',';
    out += json::quoted(key) + ":" + value;
  }
  return out + "}";
}

Options read_marker(std::string_view line, std::string_view prefix) {
  line = skip_space(line);
  line = skip_space(line.substr(prefix.size()));
  if (!line.starts_with("%%")) return {};
  return read_options(line.substr(2));
}

std::string write_marker(const Options& options, std::string_view prefix) {
  const std::string begin = std::string(prefix) + " %%";
  const std::string type = options.type == "code" ? "" : " [" + options.type + "]";
  std::string title, depth, values;
  for (const auto& [key, value] : options.members) {
    if (key == "title") {
      title = json::text(value);
    } else if (key == "cell_depth") {
      depth =
          std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(json::integer(value).value_or(0), 0, 20)), '%');
    } else {
      values.append(" ").append(key).append("=").append(value);
    }
  }
  // Readable where that reads back as the same, in whatever order; else as one JSON object, which always does.
  std::string line = begin + depth + (title.empty() ? "" : " " + title) + type + values;
  if (line.find('\n') == std::string::npos && line.find('\r') == std::string::npos && is_marker(line, prefix)) {
    auto expected = options, back = read_marker(line, prefix);
    std::sort(expected.members.begin(), expected.members.end());
    std::sort(back.members.begin(), back.members.end());
    if (back == expected) return line;
  }
  return begin + type + " " + options.metadata();
}

}  // namespace percent
