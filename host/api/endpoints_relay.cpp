// The WebSocket of another host, whose viewers share it (relay/carrier.hpp).
#include <algorithm>

#include "api/endpoints.hpp"
#include "api/upgrade.hpp"
#include "base/text.hpp"
#include "relay/carrier.hpp"

namespace lectern::api {
namespace {

constexpr std::size_t name_limit = 64;  // code points, as presence::device_name() has it

}  // namespace

/// Whose device a request comes from. What proved itself is believed; a host of the owner's own on this machine may say
/// what it is called, anybody else counts as local.
std::string Endpoints::device_of(const Call& call) const {
  if (!call.device.empty()) return call.device;
  const bool own = call.request.loopback_peer && call.principal == Access{}.principal;
  const auto* said = call.request.header("Lectern-Device-Name");
  auto name = own && said != nullptr && text::valid_utf8(*said) ? text::label(*said, name_limit) : std::string();
  return name.empty() ? parts_.device_name : name;
}

Outcome Endpoints::relay(Call call) {
  auto found = session_of(call);
  if (!found) return error_response(found.error());
  const auto offers = bindings(plugin::Carrier::ws_message, "connect");
  const bool spoken =
      std::any_of(offers.begin(), offers.end(), [](const auto* one) { return one->name == "lectern.v1"; });
  if (!spoken) {
    return error_response({404, "plugin_missing", "no transport plugin speaks lectern.v1, which a relay carries",
                           "put transport-websocket into the plugin path and restart", ""});
  }
  relay::Carrier::Options options;
  options.principal = call.principal;
  options.device = device_of(call);
  options.scope = scope_bits(call.scope);
  options.ended = [this, id = (*found)->id(), principal = call.principal,
                   scope = call.scope]() -> std::optional<relay::Carrier::Ending> {
    using Ending = relay::Carrier::Ending;
    if (!lives(principal, scope)) return Ending{1008, "UNAUTHORIZED"};
    if (!parts_.directory->find(id)) return Ending{1000, "SESSION_ENDED"};
    return std::nullopt;
  };
  auto out = std::make_unique<Upgrade>();
  out->loop = &(*found)->loop();
  out->kind = Upgrade::Kind::websocket;
  out->subprotocol = relay::subprotocol;
  out->max_message = relay::max_message;
  // Asked again on the session's reactor, where a revocation comes before this or finds the connection.
  out->connected = [session = *found,
                    options = std::move(options)](session::Link& link) mutable -> std::unique_ptr<session::LinkEvents> {
    if (auto ended = options.ended()) {
      link.close(ended->code, std::move(ended->reason));
      return nullptr;
    }
    return std::make_unique<relay::Carrier>(session, link, std::move(options));
  };
  return out;
}

}  // namespace lectern::api
