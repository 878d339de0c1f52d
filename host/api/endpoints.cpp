#include "api/endpoints.hpp"

#include "api/url.hpp"
#include "base/clock.hpp"
#include "base/text.hpp"

namespace lectern::api {

Endpoints::Endpoints(Parts parts)
    : parts_(std::move(parts)), static_files_(parts_.web_dir), started_at_(clock::rfc3339_now()) {}

void answer(Respond& respond, int status, const Result<json::Value>& value) {
  respond(value ? json_response(status, json::write(*value)) : error_response(value.error()));
}

Result<json::Value> body_object(const Request& request) {
  if (request.body.find_first_not_of(" \t\r\n") == std::string::npos) return json::Value(json::Object{});
  json::Limits limits;
  limits.bytes = request.body.size();  // bounded by the route before it was read
  LECTERN_TRY(auto value, json::parse(request.body, limits));
  LECTERN_CHECK(json::Fields(value, "body").check());
  return value;
}

std::uint32_t scope_bits(Scope scope) {
  if (scope >= Scope::edit) return 3;
  return scope == Scope::interact ? 2 : 0;
}

std::string connect_url(const Request& request, std::string_view session_id) {
  const auto* host = request.header("Host");
  std::string url = request.secure ? "wss://" : "ws://";
  url += host ? std::string_view(*host) : std::string_view("127.0.0.1");
  return url + "/api/v1/sessions/" + percent_encode(session_id) + "/connect";
}

json::Value connection_info(const session::ConnectionInfo& info, const Request& request) {
  json::Value out;
  out.set("protocol", "lectern.v1");
  out.set("notebook_id", info.notebook_id);
  out.set("session_id", info.session_id);
  out.set("path", info.path);
  out.set("format", info.format);
  out.set("cell_count", info.cell_count);
  out.set("needs_trust_approval", info.needs_trust_approval);
  out.set("connect_url", connect_url(request, info.session_id));
  return out;
}

Result<session::SessionPtr> Endpoints::session_of(const Call& call) const {
  if (auto found = parts_.directory->find(call.arguments.at(0))) return found;
  return fail(404, "session_not_found", "there is no live session '" + text::label(call.arguments[0], 80) + "'",
              "GET /api/v1/sessions lists them; POST /api/v1/notebooks/open opens a notebook");
}

bool Endpoints::lives(std::string_view principal, Scope scope) const {
  const auto device = presence::device_of_principal(principal);
  if (device.empty()) return parts_.tokens->lives(principal, clock::wall_ms());
  const auto accepted = parts_.devices == nullptr ? std::nullopt : parts_.devices->accepted(device);
  return accepted && scope_of_name(accepted->scope).value_or(Scope::none) >= scope;
}

Error Endpoints::token_ended() {
  return {401, "unauthorized", "the token was revoked or has expired", "ask whoever handed it out for another", ""};
}

Result<std::string> Endpoints::client_key(const Call& call, const std::string& session_id) {
  if (const auto* key = call.request.header("Lectern-Client")) return *key;
  const auto ticket = call.request.parameter("ticket");
  if (!ticket) return std::string();
  if (auto key = tickets_.redeem(*ticket, session_id, clock::now_ms())) return std::move(*key);
  return fail(401, "client_unknown", "the ticket is unknown, used up or older than 30 s",
              "get another from POST /api/v1/sessions/{session_id}/clients, or send the Lectern-Client header");
}

std::vector<const plugin::Binding*> Endpoints::bindings(plugin::Carrier carrier, std::string_view route) const {
  std::vector<const plugin::Binding*> found;
  for (const auto& transport : parts_.transports) {
    for (const auto& candidate : transport->bindings()) {
      if (candidate.carrier == carrier && candidate.route == route) found.push_back(&candidate);
    }
  }
  return found;
}

std::pair<plugin::TransportPtr, std::uint32_t> Endpoints::transport_of(const plugin::Binding& binding) const {
  for (const auto& transport : parts_.transports) {
    const auto& offers = transport->bindings();
    for (std::uint32_t i = 0; i < offers.size(); ++i) {
      if (&offers[i] == &binding) return {transport, i};
    }
  }
  return {};
}

}  // namespace lectern::api
