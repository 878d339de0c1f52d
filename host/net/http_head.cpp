#include "net/http_head.hpp"

#include <Poco/MemoryStream.h>
#include <Poco/Net/HTTPRequest.h>

#include <algorithm>
#include <charconv>

#include "api/url.hpp"
#include "base/text.hpp"

namespace lectern::net {
namespace {

using api::equal_without_case;

bool is_token_char(char c) {
  if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Does a comma-separated header hold `token`?
bool lists(const std::string* header, std::string_view token) {
  if (header == nullptr) return false;
  std::string_view rest = *header;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    if (equal_without_case(trim(rest.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return false;
}

auto bad(std::string message, std::string hint = {}) {
  return fail(400, "bad_request", std::move(message), std::move(hint));
}

/// RFC 7230 line by line. Poco takes folded lines, names with blanks and lone line feeds, each of which some proxy
/// reads in another way.
Status check_lines(std::string_view bytes, const HeadLimits& limits) {
  std::size_t line_number = 0;
  while (!bytes.empty()) {
    const auto end = bytes.find("\r\n");
    const auto line = bytes.substr(0, end);
    bytes.remove_prefix(end + 2);
    if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
      return bad("line " + std::to_string(line_number + 1) + " of the request head has a stray CR, LF or NUL",
                 "End every line with CRLF.");
    }
    if (line_number++ == 0) {
      if (line.size() > limits.request_line) {
        return fail(414, "uri_too_long",
                    "the request line is longer than " + std::to_string(limits.request_line) + " bytes",
                    "Send long data in the body.");
      }
      continue;
    }
    if (line.empty()) break;
    if (line.size() > limits.header_line) {
      return fail(431, "headers_too_large",
                  "header line " + std::to_string(line_number) + " is longer than " +
                      std::to_string(limits.header_line) + " bytes");
    }
    if (line_number > limits.headers + 1) {
      return fail(431, "headers_too_large", "the request has more than " + std::to_string(limits.headers) + " headers");
    }
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
      return bad("header line " + std::to_string(line_number) + " has no valid name before a colon",
                 "Send `Name: value`, without blanks before the colon and without folded lines.");
    }
  }
  return {};
}

/// Exactly one value of a header that may come once only; null when absent.
Result<const std::string*> single(const api::Request& request, std::string_view name) {
  const std::string* found = nullptr;
  for (const auto& [key, value] : request.headers) {
    if (!equal_without_case(key, name)) continue;
    if (found != nullptr) return bad("the request has more than one " + std::string(name) + " header");
    found = &value;
  }
  return found;
}

Result<std::uint64_t> content_length(std::string_view text) {
  std::uint64_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  const bool digits =
      !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || error != std::errc{} || end != text.data() + text.size()) {
    return bad("Content-Length must be a whole number, not \"" + text::label(text, 40) + "\"");
  }
  return length;
}

Result<BodyPlan> plan_body(const api::Request& request, bool http_1_1) {
  BodyPlan plan;
  LECTERN_TRY(const auto* length, single(request, "Content-Length"));
  LECTERN_TRY(const auto* coding, single(request, "Transfer-Encoding"));
  LECTERN_TRY(const auto* expect, single(request, "Expect"));
  if (length != nullptr && coding != nullptr) {
    return bad("the request has both Content-Length and Transfer-Encoding", "Send one of them.");
  }
  if (coding != nullptr) {
    if (!http_1_1) return bad("Transfer-Encoding needs HTTP/1.1");
    if (!equal_without_case(trim(*coding), "chunked")) {
      return fail(501, "unsupported_transfer_encoding",
                  "Transfer-Encoding \"" + text::label(*coding, 40) + "\" is not supported", "Only chunked is.");
    }
    plan.kind = BodyPlan::Kind::chunked;
  } else if (length != nullptr) {
    LECTERN_TRY(plan.length, content_length(trim(*length)));
    plan.kind = plan.length == 0 ? BodyPlan::Kind::none : BodyPlan::Kind::fixed;
  } else {
    plan.unsaid = request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  }
  if (expect != nullptr) {
    if (!equal_without_case(trim(*expect), "100-continue")) {
      return fail(417, "expectation_failed", "Expect \"" + text::label(*expect, 40) + "\" is not supported");
    }
    plan.expects_continue = http_1_1 && plan.kind != BodyPlan::Kind::none;
  }
  return plan;
}

/// A target in the absolute form says whose it is, whatever the Host header says (RFC 9112 3.2.2).
void set_host(api::Request& request, const std::string& authority) {
  bool sent = false;
  for (auto& [name, value] : request.headers) {
    if (!equal_without_case(name, "Host")) continue;
    value = authority;
    sent = true;
  }
  if (!sent) request.headers.emplace_back("Host", authority);
}

Status split_target(std::string target, api::Request& request) {
  if (target.empty() || target.front() != '/') {
    // The absolute form is for proxies; servers must take it too (RFC 7230 5.3.2).
    const auto scheme = target.find("://");
    if (scheme == std::string::npos) return bad("the request target must start with /");
    const auto slash = target.find_first_of("/?#", scheme + 3);
    set_host(request, target.substr(scheme + 3, slash == std::string::npos ? slash : slash - scheme - 3));
    target = slash == std::string::npos ? "/" : target.substr(slash);
    if (target.front() != '/') target.insert(0, "/");
  }
  if (const auto fragment = target.find('#'); fragment != std::string::npos) target.resize(fragment);
  const auto question = target.find('?');
  if (question != std::string::npos) request.query = target.substr(question + 1);
  const auto path = api::percent_decode(std::string_view(target).substr(0, question), false);
  const bool controls =
      path && std::any_of(path->begin(), path->end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (!path || controls || !text::valid_utf8(*path)) {
    return bad("the path of the request is not valid percent-encoded UTF-8 text");
  }
  request.path = *path;
  return {};
}

}  // namespace

Result<std::optional<std::size_t>> head_size(std::string_view buffer, const HeadLimits& limits) {
  if (const auto end = buffer.find("\r\n\r\n"); end != std::string_view::npos && end + 4 <= limits.head) {
    return std::optional<std::size_t>(end + 4);
  }
  const auto first_line = std::min(buffer.find('\n'), buffer.size());
  if (first_line > limits.request_line) {
    return fail(414, "uri_too_long",
                "the request line is longer than " + std::to_string(limits.request_line) + " bytes",
                "Send long data in the body.");
  }
  if (buffer.size() >= limits.head) {
    return fail(431, "headers_too_large", "the request head is larger than " + std::to_string(limits.head) + " bytes");
  }
  if (buffer.find("\n\n") != std::string_view::npos) {
    return bad("the lines of the request head end with LF alone", "End every line with CRLF.");
  }
  return std::optional<std::size_t>();
}

Result<Head> parse_head(std::string_view bytes, const HeadLimits& limits) {
  LECTERN_CHECK(check_lines(bytes, limits));
  Poco::Net::HTTPRequest parsed;
  try {
    Poco::MemoryInputStream stream(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    parsed.read(stream);
  } catch (const std::exception& error) {
    return bad(std::string("the request line is malformed: ") + error.what(), "Send `METHOD /path HTTP/1.1`.");
  }
  Head head;
  auto& request = head.request;
  request.method = parsed.getMethod();
  if (!is_token(request.method)) return bad("the request method is malformed");
  head.http_1_1 = parsed.getVersion() == "HTTP/1.1";
  if (!head.http_1_1 && parsed.getVersion() != "HTTP/1.0") {
    return fail(505, "http_version", "only HTTP/1.1 and HTTP/1.0 are spoken here");
  }
  request.headers.reserve(parsed.size());
  for (const auto& [name, value] : parsed) request.headers.emplace_back(name, value);
  LECTERN_CHECK(split_target(parsed.getURI(), request));
  LECTERN_TRY(const auto* host, single(request, "Host"));
  if (host == nullptr && head.http_1_1) return bad("the request has no Host header");
  LECTERN_TRY(head.body, plan_body(request, head.http_1_1));
  const auto* connection = request.header("Connection");
  head.keep_alive = head.http_1_1 ? !lists(connection, "close") : lists(connection, "keep-alive");
  return head;
}

Status check_websocket(const Head& head, std::string_view subprotocol) {
  const auto& request = head.request;
  auto refuse = [](std::string message) {
    return fail(400, "bad_upgrade", std::move(message), "Open it as a WebSocket (RFC 6455).");
  };
  if (request.method != "GET") {
    return fail(405, "method_not_allowed", "a WebSocket is opened with GET, not " + request.method);
  }
  if (!head.http_1_1) return refuse("a WebSocket handshake needs HTTP/1.1");
  if (head.body.kind != BodyPlan::Kind::none) return refuse("a WebSocket handshake has no body");
  if (!lists(request.header("Upgrade"), "websocket")) return refuse("the Upgrade header must name websocket");
  if (!lists(request.header("Connection"), "upgrade")) return refuse("the Connection header must name Upgrade");
  LECTERN_TRY(const auto* version, single(request, "Sec-WebSocket-Version"));
  if (version == nullptr || trim(*version) != "13") {
    return fail(426, "websocket_version", "Sec-WebSocket-Version must be 13");
  }
  LECTERN_TRY(const auto* key, single(request, "Sec-WebSocket-Key"));
  const auto decoded = key == nullptr ? std::nullopt : text::from_base64(trim(*key));
  if (!decoded || decoded->size() != 16) return refuse("Sec-WebSocket-Key must be 16 bytes in base64");
  if (!subprotocol.empty()) {
    const bool offered = std::any_of(request.headers.begin(), request.headers.end(), [&](const auto& header) {
      return equal_without_case(header.first, "Sec-WebSocket-Protocol") && lists(&header.second, subprotocol);
    });
    if (!offered) return refuse("the subprotocol " + std::string(subprotocol) + " was not offered");
  }
  return {};
}

}  // namespace lectern::net
