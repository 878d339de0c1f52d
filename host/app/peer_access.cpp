#include "app/peer_access.hpp"

#include <unistd.h>

#include "app/running.hpp"
#include "base/log.hpp"
#include "presence/device_key.hpp"
#include "presence/endpoints.hpp"

namespace lectern::app {
namespace {

/// "127.0.0.1:8899" of "http://127.0.0.1:8899".
std::string authority_of(const std::string& url) {
  const auto from = url.find("://");
  const auto rest = from == std::string::npos ? url : url.substr(from + 3);
  return rest.substr(0, rest.find_first_of("/?"));
}

bool is_secure(const std::string& url) {
  return url.starts_with("https:");
}

std::optional<attach::Access> access_of(const RunningServer& server) {
  attach::Access out;
  out.token = server.token;
  if (!is_secure(server.url)) return out;
  auto pin = presence::certificate_pin(server.tls_cert);
  if (!pin) {
    log::warning("attach", "the certificate of " + server.url + " cannot be used: " + pin.error().message);
    return std::nullopt;
  }
  out.pin = std::move(*pin);
  return out;
}

/// Only a server of this person's on this very machine is in the list, and a token from it leaves for nowhere else.
std::optional<attach::Access> from_running_list(const presence::Endpoint& endpoint) {
  if (presence::may_dial(endpoint, false))
    return std::nullopt;  // not one of those that are dialled on this machine only
  const auto running = running_servers();
  if (!running) return std::nullopt;
  for (const auto& server : *running) {
    if (server.pid == ::getpid() || authority_of(server.url) != endpoint.address) continue;
    if (is_secure(server.url) == (endpoint.scheme == "wss")) return access_of(server);
  }
  return std::nullopt;
}

}  // namespace

std::optional<attach::Access> peer_access(const presence::RemoteSession& session, const presence::Endpoint& endpoint,
                                          const presence::DeviceCredentials* devices) {
  if (auto own = from_running_list(endpoint)) return own;
  if (devices == nullptr) return std::nullopt;
  auto paired = devices->outgoing(session.device_id);
  // Without TLS nothing proves who listens: a device that has shown its key is reached by that key alone.
  if (!paired || (endpoint.scheme == "ws" && !paired->plaintext)) return std::nullopt;
  return attach::Access{std::move(paired->token), std::move(paired->pin)};
}

}  // namespace lectern::app
