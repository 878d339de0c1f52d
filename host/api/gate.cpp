#include "api/gate.hpp"

#include <algorithm>

#include "api/url.hpp"
#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/text.hpp"

namespace lectern::api {
namespace {

Authority host_of(const Request& head) {
  const auto* host = head.header("Host");
  auto authority = host ? parse_authority(*host) : std::nullopt;
  if (!authority) return {};
  if (!authority->port) authority->port = head.secure ? 443 : 80;
  return *authority;
}

// Cookies know no ports, so two servers on one machine need two names.
std::string cookie_name(const Request& head) {
  return "lectern-" + std::to_string(host_of(head).port.value_or(0));
}

bool same_origin(const std::string& origin, const Request& head) {
  const auto scheme_end = origin.find("://");
  if (scheme_end == std::string::npos) return false;
  auto authority = parse_authority(std::string_view(origin).substr(scheme_end + 3));
  if (!authority) return false;
  // A proxy may end TLS in front of us, so the scheme is not compared, only what it says about the port.
  const auto default_port = equal_without_case(std::string_view(origin).substr(0, scheme_end), "https") ? 443 : 80;
  const auto host = host_of(head);
  const auto port = authority->port.value_or(static_cast<std::uint16_t>(default_port));
  const bool default_ports = (port == 443 || port == 80) && (host.port == 443 || host.port == 80);
  return authority->host == host.host && (port == host.port || default_ports);
}

}  // namespace

Gate::Gate(GateOptions options)
    : options_(std::move(options)),
      cookie_value_(text::to_hex(crypto::hmac_sha256(options_.token, "lectern cookie 1"))),
      failures_(options_.failures_allowed),
      local_failures_(10 * options_.failures_allowed) {}

Status Gate::check_host(const Request& head) const {
  const auto host = host_of(head).host;
  if (!host.empty() && std::find(options_.hosts.begin(), options_.hosts.end(), host) != options_.hosts.end()) return {};
  const auto* sent = head.header("Host");
  return fail(421, "misdirected",
              sent ? "this server does not answer to the host name '" + text::label(*sent, 100) + "'"
                   : "the request has no Host header",
              "use a name the server was started with, or add it with --host-name");
}

Status Gate::check_site(const Request& head, bool page) const {
  const auto refusal = [](std::string_view why) {
    return fail(403, "cross_site", "a page of another site may not use this server: " + std::string(why),
                "open Lectern's own page, or call the API without a browser");
  };
  if (const auto* origin = head.header("Origin"); origin && !same_origin(*origin, head)) {
    return refusal("Origin is '" + text::label(*origin, 100) + "'");
  }
  const auto* site = head.header("Sec-Fetch-Site");
  if (!site || *site == "same-origin" || *site == "none") return {};
  const auto* mode = head.header("Sec-Fetch-Mode");
  const auto* destination = head.header("Sec-Fetch-Dest");
  const bool followed_link = page && (head.method == "GET" || head.method == "HEAD") && mode && *mode == "navigate" &&
                             destination && *destination == "document";
  if (followed_link) return {};
  return refusal("Sec-Fetch-Site is '" + text::label(*site, 40) + "'");
}

std::optional<Access> Gate::access_of(std::string_view token) const {
  if (!open() && crypto::equal(token, options_.token)) return Access{};
  return options_.tokens == nullptr ? std::nullopt : options_.tokens->find(token, clock::wall_ms());
}

std::optional<Access> Gate::access_of_cookie(std::string_view value) const {
  if (!open() && crypto::equal(value, cookie_value_)) return Access{};
  return options_.tokens == nullptr ? std::nullopt : options_.tokens->find_cookie(value, clock::wall_ms());
}

// In the header only: a device's token is never in an address, and makes no cookie.
std::optional<Access> Gate::access_of_device(std::string_view token) const {
  if (options_.devices == nullptr) return {};
  const auto accepted = options_.devices->accept(token);
  const auto scope = accepted ? scope_of_name(accepted->scope) : std::nullopt;
  if (!scope) return {};
  return Access{*scope, accepted->principal(), {}, accepted->device_name};
}

Gate::Credentials Gate::credentials(const Request& head, Access& access) const {
  auto otherwise = Credentials::missing;
  const auto wrong = [&otherwise](bool scoped) {
    if (otherwise != Credentials::wrong_scoped) otherwise = scoped ? Credentials::wrong_scoped : Credentials::wrong;
  };
  const auto right = [&access](const std::optional<Access>& found) {
    if (found) access = *found;
    return found.has_value();
  };
  if (const auto* header = head.header("Authorization")) {
    const auto space = header->find(' ');
    const auto scheme = std::string_view(*header).substr(0, space);
    if (space != std::string::npos && (equal_without_case(scheme, "bearer") || equal_without_case(scheme, "token"))) {
      const auto text = std::string_view(*header).substr(space + 1);
      if (right(access_of(text)) || right(access_of_device(text))) return Credentials::right;
      wrong(looks_like_token(text) || presence::looks_like_device_token(text));
    }
  }
  if (const auto token = head.parameter("token")) {
    if (right(access_of(*token))) return Credentials::right;
    wrong(looks_like_token(*token));
  }
  if (const auto* header = head.header("Cookie")) {
    if (const auto value = cookie(*header, cookie_name(head))) {
      if (right(access_of_cookie(*value))) return Credentials::right;
      wrong(looks_like_token_cookie(*value));
    }
  }
  return otherwise;
}

Result<Access> Gate::authenticate(const Request& head) {
  Access access;
  if (open()) {
    // Even where everybody is let in, who comes with a scoped token gets no more than that, and nothing when it ended.
    if (credentials(head, access) != Credentials::wrong_scoped) return access;
    return fail(401, "unauthorized", "the scoped token or its cookie is not this server's, was revoked or has expired",
                "ask whoever handed it out for another, or close the browser, which forgets the cookie");
  }
  const auto limited = [] {
    return fail(429, "too_many_failures", "too many wrong tokens came from this address",
                "wait a few seconds, then use the token from the server's start line");
  };
  // A loopback address is shared by everybody on the machine, so there a right token is never refused.
  if (!head.loopback_peer && failures_.exhausted(head.peer, false)) return limited();
  switch (credentials(head, access)) {
    case Credentials::right:
      return access;
    case Credentials::missing:
      return fail(401, "unauthorized", "this server needs its token",
                  "send 'Authorization: Bearer TOKEN'; the token is in the URL the server printed at its start");
    case Credentials::wrong:
    case Credentials::wrong_scoped:
      break;
  }
  if ((head.loopback_peer ? local_failures_ : failures_).exhausted(head.peer, true)) return limited();
  return fail(401, "unauthorized", "the token or cookie is not this server's",
              "tokens change with each start: use the URL the server printed last");
}

bool Gate::token_in_query(const Request& head) const {
  const auto token = head.parameter("token");
  return token && access_of(*token).has_value();
}

std::string Gate::set_cookie(const Request& head) const {
  const auto token = head.parameter("token");
  const auto scoped = token && options_.tokens != nullptr ? options_.tokens->cookie_for(*token) : std::string();
  return cookie_name(head) + "=" + (scoped.empty() ? cookie_value_ : scoped) + "; Path=/; HttpOnly; SameSite=Strict" +
         (head.secure ? "; Secure" : "");
}

}  // namespace lectern::api
