// Which host, and what to say to it over HTTP.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "lectern/client/notebook.hpp"
#include "net.hpp"

namespace lectern::client {

inline constexpr std::string_view protocol = "lectern.v1";

struct Options;

struct Server {
  net::Endpoint endpoint;
  std::string token;

  /// [any] The host that `options` name, else LECTERN_URL, else the newest running one of this user. Reads small files.
  static Result<Server> find(const Options& options);
  /// [any] Authorization, when there is a token.
  [[nodiscard]] net::Headers headers() const;
};

/// [any] Everything but unreserved characters as %XX.
std::string percent_encode(std::string_view text);
/// [any] What the host says in a refusal's body.
Error refusal(int status, const std::string& body);
/// [any] `protocol_mismatch`, naming both.
Error mismatch(const std::string& theirs);
/// [any] The protocol is looked at before anything else: another one may have other keys.
Result<ConnectionInfo> connection_info(const Json& answer);
/// [loop] An exchange in JSON; the host's refusal is its error.
void ask(const Server& server, const std::string& method, const std::string& target, const Json& body,
         net::Milliseconds timeout, std::uint64_t max_body, std::function<void(Result<std::string>)> done);

}  // namespace lectern::client
