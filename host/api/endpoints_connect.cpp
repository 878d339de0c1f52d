// Requests that stop being HTTP: the WebSocket of a session, its event stream, the host-wide event stream.
#include <tuple>
#include <utility>

#include "api/endpoints.hpp"
#include "api/upgrade.hpp"
#include "api/url.hpp"
#include "base/text.hpp"
#include "relay/event_stream.hpp"
#include "session/connection.hpp"

namespace lectern::api {
namespace {

using plugin::Carrier;

constexpr std::string_view relayed_subprotocol = "lectern.v1";

bool list_has(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    auto part = list.substr(0, comma);
    while (!part.empty() && (part.front() == ' ' || part.front() == '\t')) part.remove_prefix(1);
    while (!part.empty() && (part.back() == ' ' || part.back() == '\t')) part.remove_suffix(1);
    if (equal_without_case(part, word)) return true;
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return false;
}

// The query as a transport gets it: each parameter once, without what only the front door may know.
std::string query_json(const Request& request, std::string_view without = {}) {
  json::Value out{json::Object{}};
  for (auto& [key, value] : parse_query(request.query)) {
    if (key == "token" || key == "ticket" || key == without || out.find(key)) continue;
    if (text::valid_utf8(key) && text::valid_utf8(value)) out.set(key, std::move(value));
  }
  return json::write(out);
}

using Bindings = std::vector<const plugin::Binding*>;

// The transport whose subprotocol the client offers. Several plugins may serve one route: none of them can push another
// aside.
Result<const plugin::Binding*> offered_binding(const Request& request, const Bindings& bindings) {
  std::string names;
  for (const auto* binding : bindings) names += (names.empty() ? "" : ", ") + binding->name;
  const auto* upgrade = request.header("Upgrade");
  if (!upgrade || !list_has(*upgrade, "websocket")) {
    return fail(426, "upgrade_required", "this route is a WebSocket", "connect with one of the subprotocols: " + names);
  }
  const auto* offered = request.header("Sec-WebSocket-Protocol");
  for (const auto* binding : bindings) {
    if (offered && list_has(*offered, binding->name)) return binding;
  }
  return fail(400, "unknown_subprotocol", "the WebSocket offers no subprotocol that is spoken here",
              "put one of these in Sec-WebSocket-Protocol: " + names);
}

// The transport whose media type the client names in Accept; else event streams, which every client of this route
// means.
const plugin::Binding* accepted_binding(const Request& request, const Bindings& bindings) {
  const auto* accept = request.header("Accept");
  for (const auto* binding : bindings) {
    if (accept && list_has(*accept, binding->name)) return binding;
  }
  for (const auto* binding : bindings) {
    if (binding->name == "text/event-stream") return binding;
  }
  return bindings.front();
}

Error missing_transport(Carrier carrier, std::string_view route) {
  const auto what = carrier == Carrier::ws_message ? std::string("WebSockets") : std::string("event streams");
  return {404, "plugin_missing", "no transport plugin serves " + what + " on '" + std::string(route) + "'",
          "put the plugin that does (" +
              std::string(carrier == Carrier::ws_message ? "transport-websocket" : "transport-sse") +
              ") into the plugin path and restart; 'lectern plugins' shows what was found",
          ""};
}

std::unique_ptr<session::LinkEvents> turn_away(session::Link& link) {
  link.close(1008, "UNAUTHORIZED");
  return nullptr;
}

}  // namespace

Outcome Endpoints::upgrade(Call call, Carrier carrier, std::string_view route) {
  auto found = session_of(call);
  if (!found) return error_response(found.error());
  const auto candidates = bindings(carrier, route);
  if (candidates.empty()) return error_response(missing_transport(carrier, route));
  auto offered = carrier == Carrier::ws_message ? offered_binding(call.request, candidates)
                                                : accepted_binding(call.request, candidates);
  if (!offered) return error_response(offered.error());
  const auto* chosen = *offered;
  auto key = client_key(call, (*found)->id());
  if (!key) return error_response(key.error());
  if (auto known = (*found)->check_key(*key); !known) return error_response(known.error());

  session::ConnectRequest request;
  request.route = route;
  request.query_json = query_json(call.request);
  request.client_key = std::move(*key);
  if (const auto* last = call.request.header("Last-Event-ID")) request.last_event_id = *last;
  request.principal = call.principal;
  request.device = device_of(call);
  request.scope = scope_bits(call.scope);
  if (auto options = session::parse_options(request); !options) return error_response(options.error());

  auto out = std::make_unique<Upgrade>();
  out->loop = &(*found)->loop();
  if (carrier == Carrier::ws_message) {
    out->kind = Upgrade::Kind::websocket;
    out->subprotocol = chosen->name;
    request.subprotocol = chosen->name;
  } else {
    out->kind = Upgrade::Kind::stream;
    out->content_type = chosen->name;
    request.media_type = chosen->name;
  }
  // Asked again on the session's reactor, where a revocation comes before this or finds the connection.
  out->connected = [this, session = *found, request = std::move(request),
                    scope = call.scope](session::Link& link) mutable -> std::unique_ptr<session::LinkEvents> {
    if (!lives(request.principal, scope)) return turn_away(link);
    return session->connect(std::move(request), link);
  };
  return out;
}

/// The viewer is a conversation with the session there, which says what its key and its query are worth.
Result<session::ConnectRequest> Endpoints::viewer_request(const Call& call, const AttachedSession& attached) {
  LECTERN_TRY(auto key, client_key(call, attached.id()));
  session::ConnectRequest request;
  request.route = "connect";
  request.subprotocol = relayed_subprotocol;
  request.query_json = query_json(call.request);
  request.client_key = std::move(key);
  request.principal = call.principal;
  request.scope = scope_bits(call.scope);
  if (auto options = session::parse_options(request); !options) return fail(options.error());
  return request;
}

Outcome Endpoints::relay_upgrade(Call call, AttachedPtr attached) {
  const auto candidates = bindings(Carrier::ws_message, "connect");
  if (candidates.empty()) return error_response(missing_transport(Carrier::ws_message, "connect"));
  auto offered = offered_binding(call.request, candidates);
  if (!offered) return error_response(offered.error());
  if ((*offered)->name != relayed_subprotocol) {
    return error_response({400, "unknown_subprotocol", "an attached session speaks lectern.v1 alone",
                           "put lectern.v1 in Sec-WebSocket-Protocol", ""});
  }
  auto request = viewer_request(call, *attached);
  if (!request) return error_response(request.error());
  auto out = std::make_unique<Upgrade>();
  out->loop = &attached->loop();
  out->kind = Upgrade::Kind::websocket;
  out->subprotocol = relayed_subprotocol;
  out->connected = [this, attached = std::move(attached), request = std::move(*request),
                    scope = call.scope](session::Link& link) mutable -> std::unique_ptr<session::LinkEvents> {
    if (!lives(request.principal, scope)) return turn_away(link);
    return attached->connect(std::move(request), link);
  };
  return out;
}

/// The session there is followed as by a WebSocket; what it says is put into the stream's encoding here.
Outcome Endpoints::relay_stream(Call call, AttachedPtr attached) {
  const auto candidates = bindings(Carrier::byte_stream, "events");
  if (candidates.empty()) return error_response(missing_transport(Carrier::byte_stream, "events"));
  const auto* chosen = accepted_binding(call.request, candidates);
  auto request = viewer_request(call, *attached);
  if (!request) return error_response(request.error());
  if (const auto* last = call.request.header("Last-Event-ID")) request->last_event_id = *last;
  relay::EventStream::Options options;
  std::tie(options.transport, options.binding) = transport_of(*chosen);
  // Buffers of a stream are in its events; how a WebSocket has them is no choice of its reader.
  options.query_json = std::exchange(request->query_json, query_json(call.request, "buffers"));
  auto out = std::make_unique<Upgrade>();
  out->loop = &attached->loop();
  out->kind = Upgrade::Kind::stream;
  out->content_type = chosen->name;
  out->connected = [this, attached = std::move(attached), request = std::move(*request), options = std::move(options),
                    scope = call.scope](session::Link& link) mutable -> std::unique_ptr<session::LinkEvents> {
    if (!lives(request.principal, scope)) return turn_away(link);
    auto connect = [&](session::Link& stream) { return attached->connect(std::move(request), stream); };
    return relay::EventStream::open(attached->loop(), link, std::move(options), std::move(connect));
  };
  return out;
}

Outcome Endpoints::connect(Call call) {
  return upgrade(std::move(call), Carrier::ws_message, "connect");
}

Outcome Endpoints::session_events(Call call) {
  return upgrade(std::move(call), Carrier::byte_stream, "events");
}

Outcome Endpoints::host_events(Call call) {
  const auto candidates = bindings(Carrier::byte_stream, "events");
  if (candidates.empty()) return error_response(missing_transport(Carrier::byte_stream, "events"));
  const auto* chosen = accepted_binding(call.request, candidates);
  const auto [transport, binding] = transport_of(*chosen);
  auto out = std::make_unique<Upgrade>();
  out->loop = parts_.loop;
  out->kind = Upgrade::Kind::stream;
  out->content_type = chosen->name;
  out->connected = [this, transport = transport, binding = binding,
                    principal = call.principal](session::Link& link) -> std::unique_ptr<session::LinkEvents> {
    if (!lives(principal)) return turn_away(link);
    return parts_.host_events->connect(link, transport, binding, principal);
  };
  return out;
}

}  // namespace lectern::api
