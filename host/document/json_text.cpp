#include "document/json_text.hpp"

#include "base/json.hpp"

namespace lectern::document::json_text {
namespace {

struct Span {
  std::size_t begin = 0, end = 0;
};
struct Place {
  Span key, value;
};

std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r')) ++at;
  return at;
}

std::size_t skip_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size();
}

std::size_t skip_value(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
    } else if (c == '{' || c == '[') {
      ++depth;
      ++at;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return at;
      --depth;
      ++at;
    } else if (depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
      return at;
    } else {
      ++at;
      continue;  // inside a number or a word, or between members of something nested
    }
    if (depth == 0) return at;
  }
  return at;
}

std::vector<Place> places(std::string_view text) {
  std::vector<Place> found;
  std::size_t at = skip_space(text, 0);
  if (at >= text.size() || text[at] != '{') return found;
  at = skip_space(text, at + 1);
  while (at < text.size() && text[at] == '"') {
    Place place;
    place.key = {at, skip_string(text, at)};
    at = skip_space(text, place.key.end);
    if (at >= text.size() || text[at] != ':') break;
    at = skip_space(text, at + 1);
    place.value = {at, skip_value(text, at)};
    if (place.value.end == place.value.begin) break;
    found.push_back(place);
    at = skip_space(text, place.value.end);
    if (at >= text.size() || text[at] != ',') break;
    at = skip_space(text, at + 1);
  }
  return found;
}

std::string_view cut(std::string_view text, Span span) {
  return text.substr(span.begin, span.end - span.begin);
}

std::string key_of(std::string_view token) {
  if (token.find('\\') == std::string_view::npos) return std::string(token.substr(1, token.size() - 2));
  const auto parsed = json::parse(token);
  return parsed && parsed->is_string() ? *parsed->as_string() : std::string(token);
}

std::optional<std::size_t> last_of(std::string_view text, const std::vector<Place>& all, std::string_view key) {
  for (std::size_t i = all.size(); i-- > 0;) {
    if (key_of(cut(text, all[i].key)) == key) return i;
  }
  return std::nullopt;
}

std::string replaced(std::string_view text, Span span, std::string_view with) {
  std::string out;
  out.reserve(text.size() + with.size());
  out.append(text.substr(0, span.begin)).append(with).append(text.substr(span.end));
  return out;
}

bool is_object(std::string_view value) {
  return !value.empty() && value.front() == '{';
}

std::string nested(std::span<const std::string> path, std::string_view value) {
  std::string out;
  for (const auto& key : path) {
    out.push_back('{');
    json::write_string(key, out);
    out.push_back(':');
  }
  out.append(value).append(path.size(), '}');
  return out;
}

}  // namespace

std::vector<Member> members(std::string_view object) {
  std::vector<Member> out;
  for (const auto& place : places(object)) out.push_back({key_of(cut(object, place.key)), cut(object, place.value)});
  return out;
}

std::optional<std::string_view> find(std::string_view object, std::string_view key) {
  const auto all = places(object);
  const auto at = last_of(object, all, key);
  if (!at) return std::nullopt;
  return cut(object, all[*at].value);
}

std::string with(std::string_view object, std::span<const std::string> path, std::string_view value) {
  if (path.empty()) return std::string(object);
  const auto all = places(object);
  const auto rest = path.subspan(1);
  if (const auto at = last_of(object, all, path.front())) {
    const auto old = cut(object, all[*at].value);
    if (rest.empty()) return replaced(object, all[*at].value, value);
    return replaced(object, all[*at].value, is_object(old) ? with(old, rest, value) : nested(rest, value));
  }
  std::string added;
  if (!all.empty()) added.push_back(',');
  json::write_string(path.front(), added);
  added.push_back(':');
  added += nested(rest, value);
  const auto open = skip_space(object, 0);
  if (open >= object.size() || object[open] != '{') return nested(path, value);
  const std::size_t at = all.empty() ? open + 1 : all.back().value.end;
  return replaced(object, {at, at}, added);
}

std::string without(std::string_view object, std::span<const std::string> path) {
  if (path.empty()) return std::string(object);
  const auto all = places(object);
  const auto at = last_of(object, all, path.front());
  if (!at) return std::string(object);
  const auto& place = all[*at];
  if (path.size() > 1) {
    const auto old = cut(object, place.value);
    return is_object(old) ? replaced(object, place.value, without(old, path.subspan(1))) : std::string(object);
  }
  Span gone{place.key.begin, place.value.end};
  if (*at + 1 < all.size()) {
    gone.end = all[*at + 1].key.begin;
  } else if (*at > 0) {
    gone.begin = all[*at - 1].value.end;
  }
  const auto out = replaced(object, gone, "");
  // A repeated key leaves its earlier value behind, which was dead until now.
  return last_of(out, places(out), path.front()) ? without(out, path) : out;
}

}  // namespace lectern::document::json_text
