#include "api/url.hpp"

#include <algorithm>

#include "base/number.hpp"

namespace lectern::api {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Calls `each(part)` for the parts between separators.
template <class F>
void split(std::string_view text, char separator, F each) {
  while (true) {
    const auto at = text.find(separator);
    each(text.substr(0, at));
    if (at == std::string_view::npos) return;
    text.remove_prefix(at + 1);
  }
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::string percent_encode(std::string_view text, bool keep_slash) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (unreserved(c) || (keep_slash && c == '/')) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  if (query.empty()) return pairs;
  split(query, '&', [&](std::string_view part) {
    if (part.empty()) return;
    const auto equals = part.find('=');
    auto key = percent_decode(part.substr(0, equals), true);
    auto value = equals == std::string_view::npos ? std::optional<std::string>("")
                                                  : percent_decode(part.substr(equals + 1), true);
    if (key && value) pairs.emplace_back(std::move(*key), std::move(*value));
  });
  return pairs;
}

std::string query_without(std::string_view query, std::string_view name) {
  std::string out;
  if (query.empty()) return out;
  split(query, '&', [&](std::string_view part) {
    const auto key = percent_decode(part.substr(0, part.find('=')), true);
    if (part.empty() || (key && *key == name)) return;
    if (!out.empty()) out += '&';
    out += part;
  });
  return out;
}

std::optional<std::string> cookie(std::string_view header, std::string_view name) {
  std::optional<std::string> found;
  split(header, ';', [&](std::string_view part) {
    part = trimmed(part);
    const auto equals = part.find('=');
    if (found || equals == std::string_view::npos || part.substr(0, equals) != name) return;
    found = std::string(part.substr(equals + 1));
  });
  return found;
}

std::optional<Authority> parse_authority(std::string_view text) {
  Authority out;
  std::string_view port;
  bool has_port = false;
  if (!text.empty() && text.front() == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    out.host = text.substr(1, end - 1);
    const auto rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') return std::nullopt;
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
  } else {
    const auto colon = text.find(':');
    out.host = text.substr(0, colon);
    has_port = colon != std::string_view::npos;
    if (has_port) port = text.substr(colon + 1);
  }
  if (out.host.empty()) return std::nullopt;
  std::transform(out.host.begin(), out.host.end(), out.host.begin(), lower);
  for (const char c : out.host) {
    if (!unreserved(c) && c != ':' && c != '%') return std::nullopt;
  }
  if (has_port) {
    const auto number = text::number<std::uint16_t>(port);
    if (!number) return std::nullopt;
    out.port = *number;
  }
  return out;
}

bool names_etag(std::string_view header, std::string_view etag) {
  bool named = false;
  split(header, ',', [&](std::string_view part) {
    part = trimmed(part);
    if (part.starts_with("W/")) part.remove_prefix(2);
    named = named || part == "*" || part == etag;
  });
  return named;
}

bool equal_without_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace lectern::api
