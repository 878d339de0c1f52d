// The text forms of a request: percent-encoding, query strings, cookies, authorities.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lectern::api {

/// [any] Decodes %XX; `plus_is_space` for query strings. Empty for a broken escape.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);
/// [any] Encodes everything but unreserved characters (and '/' when `keep_slash`).
std::string percent_encode(std::string_view text, bool keep_slash = false);
/// [any] Decoded pairs in order; pairs with broken escapes are left out.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);
/// [any] The query without its `name` parameters, otherwise untouched.
std::string query_without(std::string_view query, std::string_view name);
/// [any] Value of one cookie of a Cookie header.
std::optional<std::string> cookie(std::string_view header, std::string_view name);

/// The host and port of "name", "name:port", "[v6]:port"; the name is lower-cased and keeps no brackets.
struct Authority {
  std::string host;
  std::optional<std::uint16_t> port;
};
/// [any] Empty when the text is not an authority.
std::optional<Authority> parse_authority(std::string_view text);
/// [any] Does an If-None-Match header name `etag` (with its quotes)? A list, `*` and weak ones count (RFC 9110 13.1.2).
bool names_etag(std::string_view header, std::string_view etag);
/// [any] Comparison of ASCII text without case.
bool equal_without_case(std::string_view a, std::string_view b);

}  // namespace lectern::api
