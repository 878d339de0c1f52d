// Reading JSON by slicing its text: no tree, no allocation, numbers keep their text because nothing touches them. For
// plugins that look at a few members of a message and pass the rest on.
//
//   for each member:  json::each_member(text, [](std::string_view key, std::string_view value) { …; return true; });
//   one member:       json::text(json::member(text, "name"))
//
// A slice is the exact text of one value. Every function checks what it walks over and answers "not there" for text
// that is not JSON; it never reads past the end.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace lectern::sdk::json {

inline constexpr int max_depth = 200;

namespace detail {

inline void skip_space(const char*& p, const char* end) {
  while (p != end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) ++p;
}

inline bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/// From the opening quote to past the closing one.
inline bool skip_string(const char*& p, const char* end) {
  if (p == end || *p != '"') return false;
  ++p;
  while (true) {
    const auto* quote = static_cast<const char*>(std::memchr(p, '"', static_cast<std::size_t>(end - p)));
    if (quote == nullptr) return false;
    for (; p < quote; ++p) {
      if (static_cast<unsigned char>(*p) < 0x20) return false;
      if (*p != '\\') continue;
      if (++p == end) return false;
      if (*p == 'u') {
        if (end - p < 5) return false;
        for (int i = 1; i <= 4; ++i) {
          if (!is_hex(p[i])) return false;
        }
        p += 4;
      } else if (std::strchr("\"\\/bfnrt", *p) == nullptr || *p == '\0') {
        return false;
      }
    }
    if (p == quote) {
      ++p;
      return true;
    }
    // The quote was escaped; p is past it.
  }
}

inline bool skip_digits(const char*& p, const char* end) {
  const char* from = p;
  while (p != end && *p >= '0' && *p <= '9') ++p;
  return p != from;
}

inline bool skip_number(const char*& p, const char* end) {
  if (p != end && *p == '-') ++p;
  if (p == end) return false;
  if (*p == '0') {
    ++p;
  } else if (!skip_digits(p, end)) {
    return false;
  }
  if (p != end && *p == '.' && !skip_digits(++p, end)) return false;
  if (p != end && (*p == 'e' || *p == 'E')) {
    ++p;
    if (p != end && (*p == '+' || *p == '-')) ++p;
    return skip_digits(p, end);
  }
  return true;
}

inline bool skip_word(const char*& p, const char* end, std::string_view word) {
  if (static_cast<std::size_t>(end - p) < word.size() || std::memcmp(p, word.data(), word.size()) != 0) return false;
  p += word.size();
  return true;
}

bool skip_value(const char*& p, const char* end, int depth);

/// Walks an object or array; `visit(key, value)` ends the walk by returning false.
template <class Visit>
bool walk(const char*& p, const char* end, int depth, Visit&& visit) {
  const bool object = *p == '{';
  const char close = object ? '}' : ']';
  if (depth <= 0) return false;
  ++p;
  skip_space(p, end);
  if (p != end && *p == close) return ++p, true;
  while (true) {
    skip_space(p, end);
    std::string_view key;
    if (object) {
      const char* from = p;
      if (!skip_string(p, end)) return false;
      key = std::string_view(from, static_cast<std::size_t>(p - from));
      skip_space(p, end);
      if (p == end || *p++ != ':') return false;
      skip_space(p, end);
    }
    const char* from = p;
    if (!skip_value(p, end, depth - 1)) return false;
    if (!visit(key, std::string_view(from, static_cast<std::size_t>(p - from)))) return true;
    skip_space(p, end);
    if (p == end) return false;
    if (*p == close) return ++p, true;
    if (*p++ != ',') return false;
  }
}

inline bool skip_value(const char*& p, const char* end, int depth) {
  if (p == end) return false;
  switch (*p) {
    case '"':
      return skip_string(p, end);
    case '{':
    case '[':
      return walk(p, end, depth, [](std::string_view, std::string_view) { return true; });
    case 't':
      return skip_word(p, end, "true");
    case 'f':
      return skip_word(p, end, "false");
    case 'n':
      return skip_word(p, end, "null");
    default:
      return skip_number(p, end);
  }
}

inline void append_utf8(std::string& out, std::uint32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | (point >> 6));
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | (point >> 12));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (point >> 18));
    out += static_cast<char>(0x80 | ((point >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  }
}

inline std::uint32_t hex4(const char* p) {
  std::uint32_t value = 0;
  std::from_chars(p, p + 4, value, 16);
  return value;
}

}  // namespace detail

/// [any] `text` without the space around it.
inline std::string_view trim(std::string_view text) {
  const char* p = text.data();
  const char* end = p + text.size();
  detail::skip_space(p, end);
  while (end != p && (end[-1] == ' ' || end[-1] == '\n' || end[-1] == '\r' || end[-1] == '\t')) --end;
  return {p, static_cast<std::size_t>(end - p)};
}

/// [any] True when `text` is exactly one JSON value (space around it allowed). UTF-8 is not checked.
inline bool valid(std::string_view text) {
  const auto slice = trim(text);
  const char* p = slice.data();
  const char* end = p + slice.size();
  return p != end && detail::skip_value(p, end, max_depth) && p == end;
}

/// [any] Calls visit(raw key with its quotes, slice) for each member; it ends the walk by returning false. False when
/// `object` is not an object, or not JSON as far as it was walked.
template <class Visit>
bool each_member(std::string_view object, Visit&& visit) {
  const auto slice = trim(object);
  if (slice.empty() || slice.front() != '{') return false;
  const char* p = slice.data();
  return detail::walk(p, p + slice.size(), max_depth, visit);
}

/// [any] The same for the items of an array: visit(slice).
template <class Visit>
bool each_item(std::string_view array, Visit&& visit) {
  const auto slice = trim(array);
  if (slice.empty() || slice.front() != '[') return false;
  const char* p = slice.data();
  return detail::walk(p, p + slice.size(), max_depth,
                      [&](std::string_view, std::string_view value) { return visit(value); });
}

/// [any] The slice of member `key` (compared as it is written: no escapes in keys); empty when it is not there.
inline std::string_view member(std::string_view object, std::string_view key) {
  std::string_view found;
  each_member(object, [&](std::string_view raw, std::string_view value) {
    if (raw.size() != key.size() + 2 || raw.substr(1, key.size()) != key) return true;
    found = value;
    return false;
  });
  return found;
}

/// [any] True when the slice is a string, an object, an array.
inline bool is_string(std::string_view slice) {
  return !slice.empty() && slice.front() == '"';
}
inline bool is_object(std::string_view slice) {
  return !slice.empty() && slice.front() == '{';
}
inline bool is_array(std::string_view slice) {
  return !slice.empty() && slice.front() == '[';
}

/// [any] Appends what the string slice says; false (and possibly a part appended) when it is not a string. A lone
/// surrogate becomes U+FFFD.
inline bool append_text(std::string_view slice, std::string& out) {
  if (slice.size() < 2 || slice.front() != '"' || slice.back() != '"') return false;
  const char* p = slice.data() + 1;
  const char* end = slice.data() + slice.size() - 1;
  while (p != end) {
    const auto* escape = static_cast<const char*>(std::memchr(p, '\\', static_cast<std::size_t>(end - p)));
    if (escape == nullptr) escape = end;
    out.append(p, escape);
    p = escape;
    if (p == end) break;
    if (++p == end) return false;
    const char c = *p++;
    if (c != 'u') {
      constexpr std::string_view from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
      const auto at = from.find(c);
      if (at == std::string_view::npos) return false;
      out += to[at];
      continue;
    }
    if (end - p < 4) return false;
    std::uint32_t point = detail::hex4(p);
    p += 4;
    if (point >= 0xD800 && point < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
      const std::uint32_t low = detail::hex4(p + 2);
      if (low >= 0xDC00 && low < 0xE000) {
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
        p += 6;
      }
    }
    if (point >= 0xD800 && point < 0xE000) point = 0xFFFD;
    detail::append_utf8(out, point);
  }
  return true;
}

/// [any] What the string slice says; empty for anything else.
inline std::string text(std::string_view slice) {
  std::string out;
  if (!append_text(slice, out)) out.clear();
  return out;
}

/// [any] The integer the slice says, if it is one in range.
inline std::optional<std::int64_t> integer(std::string_view slice) {
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(slice.data(), slice.data() + slice.size(), value);
  if (problem != std::errc() || end != slice.data() + slice.size()) return std::nullopt;
  return value;
}

/// [any] Appends `text` (valid UTF-8) as a JSON string.
inline void quote(std::string_view text, std::string& out) {
  constexpr char digits[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out += digits[static_cast<unsigned char>(c) >> 4];
          out += digits[static_cast<unsigned char>(c) & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}
inline std::string quoted(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  quote(text, out);
  return out;
}

}  // namespace lectern::sdk::json
