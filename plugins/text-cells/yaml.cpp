#include "yaml.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "lectern/sdk/json_slice.hpp"
#include "lines.hpp"

namespace text_cells {

namespace json = lectern::sdk::json;

namespace {

constexpr int max_depth = 16;
using Value = std::optional<std::string>;

bool digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool number(std::string_view text) {
  if (text.empty() || !json::valid(text)) return false;
  const char first = text.front() == '-' && text.size() > 1 ? text[1] : text.front();
  return first >= '0' && first <= '9';
}

Value plain_scalar(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return "null";
  for (const char* word : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"}) {
    if (text == word) return "true";
  }
  for (const char* word : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}) {
    if (text == word) return "false";
  }
  if (number(text)) return std::string(text);
  if (text.front() == '+' && digits(text.substr(1)) && number(text.substr(1))) return std::string(text.substr(1));
  if (std::string_view("|>&*!%@`\"'{}[],#?").find(text.front()) != std::string_view::npos) return std::nullopt;
  if (text.find(": ") != std::string_view::npos || text.ends_with(':')) return std::nullopt;
  return json::quoted(text);
}

// Past the end of a quoted scalar, or npos.
std::size_t quoted_end(std::string_view text) {
  const char mark = text.front();
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (mark == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == mark) {
      if (mark == '\'' && i + 1 < text.size() && text[i + 1] == '\'') {
        ++i;
      } else {
        return i + 1;
      }
    }
  }
  return std::string_view::npos;
}

// `text` is the whole scalar, its quotes included.
Value quoted_scalar(std::string_view text) {
  if (text.front() == '"') return json::valid(text) ? Value(json::quoted(json::text(text))) : std::nullopt;
  std::string out;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    out += text[i];
    if (text[i] == '\'') ++i;
  }
  return json::quoted(out);
}

class Flow {
 public:
  explicit Flow(std::string_view text) : text_(text) {}
  Value whole() {
    auto out = value(0);
    space();
    return at_ == text_.size() ? out : std::nullopt;
  }

 private:
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  Value scalar(bool key) {
    space();
    if (at_ >= text_.size()) return std::nullopt;
    const auto rest = text_.substr(at_);
    if (rest.front() == '"' || rest.front() == '\'') {
      const auto end = quoted_end(rest);
      if (end == std::string_view::npos) return std::nullopt;
      at_ += end;
      return quoted_scalar(rest.substr(0, end));
    }
    const auto end = std::min(rest.find_first_of(key ? ",[]{}:" : ",[]{}"), rest.size());
    at_ += end;
    return plain_scalar(trim(rest.substr(0, end)));
  }
  Value value(int depth) {
    if (depth > max_depth) return std::nullopt;
    if (take('[')) return items(depth);
    if (take('{')) return members(depth);
    return scalar(false);
  }
  Value items(int depth) {
    std::string out = "[";
    while (!take(']')) {
      if (out.size() > 1) {
        if (!take(',')) return std::nullopt;
        out += ',';
        if (take(']')) return out.substr(0, out.size() - 1) + "]";
      }
      auto one = value(depth + 1);
      if (!one) return one;
      out += *one;
    }
    return out + "]";
  }
  Value members(int depth) {
    std::string out = "{";
    while (!take('}')) {
      if (out.size() > 1) {
        if (!take(',')) return std::nullopt;
        out += ',';
      }
      const auto key = scalar(true);
      if (!key || !take(':')) return std::nullopt;
      auto one = value(depth + 1);
      if (!one) return one;
      out += (key->front() == '"' ? *key : json::quoted(*key)) + ":" + *one;
    }
    return out + "}";
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::string_view without_comment(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '#' && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '\t')) return trim(text.substr(0, i));
  }
  return trim(text);
}

std::size_t indent_of(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}
bool says_nothing(std::string_view line) {
  const auto text = trim(line);
  return text.empty() || text.front() == '#';
}
bool begins_item(std::string_view text) {
  return text == "-" || text.starts_with("- ");
}

// Splits "key: rest". The key decoded, the rest trimmed.
std::optional<std::pair<std::string, std::string_view>> key_and_rest(std::string_view text) {
  std::string key;
  std::size_t colon = 0;
  if (text.starts_with('"') || text.starts_with('\'')) {
    const auto end = quoted_end(text);
    if (end == std::string_view::npos || text.substr(end, 1) != ":") return std::nullopt;
    const auto value = quoted_scalar(text.substr(0, end));
    if (!value) return std::nullopt;
    key = json::text(*value);
    colon = end;
  } else {
    colon = text.find(':');
    while (colon != std::string_view::npos && colon + 1 < text.size() && text[colon + 1] != ' ') {
      colon = text.find(':', colon + 1);
    }
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    if (std::string_view("|>&*!%@`{}[],#?").find(text.front()) != std::string_view::npos) return std::nullopt;
    key = trim(text.substr(0, colon));
    if (key.find(" #") != std::string::npos) return std::nullopt;
  }
  return std::pair{std::move(key), trim(text.substr(colon + 1))};
}

using Lines = std::vector<std::string>;
Value block(const Lines& lines, std::size_t first, std::size_t last, int depth);

std::optional<std::vector<YamlEntry>> mapping(const Lines& lines, std::size_t first, std::size_t last, int depth) {
  std::vector<YamlEntry> out;
  std::unordered_set<std::string> keys;
  if (depth > max_depth) return std::nullopt;
  while (first < last && says_nothing(lines[first])) ++first;
  if (first == last) return out;
  const auto indent = indent_of(lines[first]);
  for (std::size_t i = first; i < last;) {
    const std::string_view line = lines[i];
    if (indent_of(line) != indent || line.substr(indent, 1) == "\t") return std::nullopt;
    const auto split = key_and_rest(trim(line));
    if (!split) return std::nullopt;
    YamlEntry entry{split->first, {}, i, i + 1};
    bool nested = false;
    for (; entry.last < last; ++entry.last) {
      const std::string_view next = lines[entry.last];
      if (says_nothing(next)) continue;
      if (indent_of(next) < indent) return std::nullopt;
      if (indent_of(next) == indent && !begins_item(next.substr(indent))) break;
      nested = true;
    }
    const auto rest = without_comment(split->second);
    if (!nested) {
      entry.json = yaml_inline(split->second).value_or(std::string{});
    } else if (rest.empty()) {
      entry.json = block(lines, i + 1, entry.last, depth + 1).value_or(std::string{});
    }
    if (!keys.insert(entry.key).second) return std::nullopt;
    i = entry.last;
    out.push_back(std::move(entry));
  }
  return out;
}

Value sequence(const Lines& lines, std::size_t first, std::size_t last) {
  std::string out = "[";
  const auto indent = indent_of(lines[first]);
  for (std::size_t i = first; i < last; ++i) {
    if (says_nothing(lines[i])) continue;
    const auto text = trim(lines[i]);
    if (indent_of(lines[i]) != indent || !begins_item(text)) return std::nullopt;
    const auto item = trim(text.substr(1));
    if (begins_item(item) || (key_and_rest(item) && item.front() != '"' && item.front() != '\'')) return std::nullopt;
    auto one = yaml_inline(item);
    if (!one) return one;
    out += (out.size() > 1 ? "," : "") + *one;
  }
  return out + "]";
}

Value block(const Lines& lines, std::size_t first, std::size_t last, int depth) {
  while (first < last && says_nothing(lines[first])) ++first;
  if (first == last) return "null";
  if (begins_item(trim(lines[first]))) return sequence(lines, first, last);
  const auto entries = mapping(lines, first, last, depth);
  if (!entries) return std::nullopt;
  const auto unread = [](const YamlEntry& entry) { return entry.json.empty(); };
  if (std::any_of(entries->begin(), entries->end(), unread)) return std::nullopt;
  return json_object(*entries);
}

// A string without quotes where YAML reads the same without them.
std::string scalar_text(const std::string& value) {
  if (!json::is_string(value)) return value;
  const std::string text = json::text(value);
  const bool safe =
      !text.empty() && trim(text) == text && text.find_first_of(":#\n\r\t\"'\\,[]{}") == std::string::npos &&
      std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20; }) &&
      !begins_item(text) && text.front() != '-' && text.front() != '.' && text.front() != '=' && text.front() != '<' &&
      !(text.front() >= '0' && text.front() <= '9');
  return safe && plain_scalar(text) == Value(json::quoted(text)) ? text : value;
}

std::string key_text(const std::string& key) {
  const std::string quoted = json::quoted(key);
  return scalar_text(quoted);
}

void write_entry(const std::string& key, const std::string& value, std::size_t indent, int depth, Lines& out) {
  const std::string lead(indent, ' ');
  const auto members = json_members(value);
  if (members.empty() || depth > max_depth) {
    out.push_back(lead + key_text(key) + ": " + scalar_text(value));
    return;
  }
  out.push_back(lead + key_text(key) + ":");
  for (const auto& [name, one] : members) write_entry(name, one, indent + 2, depth + 1, out);
}

}  // namespace

std::optional<std::string> yaml_inline(std::string_view text) {
  text = trim(text);
  if (!text.empty() && (text.front() == '"' || text.front() == '\'')) {
    const auto end = quoted_end(text);
    if (end == std::string_view::npos || !without_comment(text.substr(end)).empty()) return std::nullopt;
    return quoted_scalar(text.substr(0, end));
  }
  if (!text.empty() && (text.front() == '[' || text.front() == '{')) {
    if (json::valid(text)) return compact(text);
    return Flow(without_comment(text)).whole();
  }
  return plain_scalar(without_comment(text));
}

std::optional<std::vector<YamlEntry>> yaml_mapping(const std::vector<std::string>& lines) {
  return mapping(lines, 0, lines.size(), 0);
}

std::string json_object(const std::vector<YamlEntry>& entries) {
  std::string out = "{";
  for (const auto& entry : entries) {
    if (entry.json.empty()) continue;
    if (out.size() > 1) out += ',';
    out += json::quoted(entry.key) + ":" + entry.json;
  }
  return out + "}";
}

std::vector<std::string> updated_yaml(const std::vector<std::string>& lines, std::string_view metadata,
                                      const std::vector<std::string_view>& leave_out) {
  const auto entries = yaml_mapping(lines);
  if (!entries) return lines;
  auto wanted = json_members(metadata);
  std::erase_if(wanted, [&](const auto& member) {
    return std::find(leave_out.begin(), leave_out.end(), member.first) != leave_out.end();
  });
  std::unordered_map<std::string_view, const std::string*> values;  // of those that are still to be written
  for (const auto& [key, value] : wanted) values.emplace(key, &value);
  std::size_t indent = 0, at = entries->empty() ? lines.size() : entries->front().first;
  if (!entries->empty()) indent = indent_of(lines[at]);
  Lines out(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(at));
  for (const auto& entry : *entries) {
    const auto found = values.find(entry.key);
    const bool is_wanted = found != values.end();
    const bool stays = !is_wanted && (entry.json.empty() || entry.key == "jupytext");
    if (stays || (is_wanted && *found->second == entry.json)) {
      for (std::size_t i = entry.first; i < entry.last; ++i) out.push_back(lines[i]);
    } else if (is_wanted) {
      write_entry(entry.key, *found->second, indent, 0, out);
    }
    if (is_wanted) values.erase(found);
  }
  for (const auto& [key, value] : wanted) {
    if (values.erase(key) > 0) write_entry(key, value, indent, 0, out);
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> json_members(std::string_view object) {
  std::vector<std::pair<std::string, std::string>> out;
  json::each_member(object, [&](std::string_view key, std::string_view value) {
    out.emplace_back(json::text(key), compact(value));
    return true;
  });
  return out;
}

std::string compact(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\' && i + 1 < text.size()) {
      out += c;
      out += text[++i];
      continue;
    }
    if (c == '"') quoted = !quoted;
    if (quoted || (c != ' ' && c != '\n' && c != '\r' && c != '\t')) out += c;
  }
  return out;
}

}  // namespace text_cells
