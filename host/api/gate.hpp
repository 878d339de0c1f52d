// Who may talk to this server at all: the server token, scoped ones and those of paired devices, the names the server
// answers to, cross-site requests, and the pace of failed tries. Knows nothing of routes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/http.hpp"
#include "api/pace.hpp"
#include "api/tokens.hpp"
#include "presence/credentials.hpp"

namespace lectern::api {

struct GateOptions {
  /// Empty: everybody who passes the other checks is let in (--no-token, loopback only), but a scoped token that is no
  /// good any more does not make anybody the owner.
  std::string token;
  std::vector<std::string> hosts = {"localhost", "127.0.0.1", "::1"};  // names answered to, lower case, no port
  std::uint32_t failures_allowed = 20;                                 // per peer, then one more per second
  const Tokens* tokens = nullptr;                                      // scoped ones; outlives the gate; null = none
  const presence::DeviceCredentials* devices = nullptr;                // likewise, of paired devices
};

class Gate {
 public:
  explicit Gate(GateOptions options);

  /// [any] 421 `misdirected` for a Host this server does not answer to (DNS rebinding).
  [[nodiscard]] Status check_host(const Request& head) const;
  /// [any] 403 `cross_site` for a request another site's page made. `page` = the route is a page people navigate to:
  /// following a link to it is allowed, whatever site the link is on.
  [[nodiscard]] Status check_site(const Request& head, bool page) const;
  /// [any] What the request's credentials allow; 401 `unauthorized`, or 429 `too_many_failures` for a peer that keeps
  /// failing.
  [[nodiscard]] Result<Access> authenticate(const Request& head);

  /// [any] True when `?token=` holds the server token or a scoped one.
  [[nodiscard]] bool token_in_query(const Request& head) const;
  /// [any] The Set-Cookie value that stands for the token in `?token=` from now on.
  [[nodiscard]] std::string set_cookie(const Request& head) const;
  [[nodiscard]] bool open() const { return options_.token.empty(); }

 private:
  enum class Credentials { missing, wrong, wrong_scoped, right };  // wrong_scoped: one was of a scoped token's form
  /// `access` is set when they are right.
  [[nodiscard]] Credentials credentials(const Request& head, Access& access) const;
  [[nodiscard]] std::optional<Access> access_of(std::string_view token) const;
  [[nodiscard]] std::optional<Access> access_of_cookie(std::string_view value) const;
  [[nodiscard]] std::optional<Access> access_of_device(std::string_view token) const;

  GateOptions options_;
  std::string cookie_value_;  // derived, so that a leaked cookie does not disclose the token
  Pace failures_;
  Pace local_failures_;  // a loopback address stands for everybody on the machine: ten times as many
};

}  // namespace lectern::api
