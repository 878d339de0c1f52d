// Requests that stop being HTTP: the WebSocket of a session, its event stream, the host-wide event stream.
#include "api/endpoints.hpp"
#include "api/upgrade.hpp"
#include "api/url.hpp"
#include "base/text.hpp"

namespace lectern::api {
namespace {

using plugin::Carrier;

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
std::string query_json(const Request& request) {
  json::Value out{json::Object{}};
  for (auto& [key, value] : parse_query(request.query)) {
    if (key == "token" || key == "ticket" || out.find(key)) continue;
    if (text::valid_utf8(key) && text::valid_utf8(value)) out.set(key, std::move(value));
  }
  return json::write(out);
}

Status check_websocket(const Request& request, const plugin::Binding& binding) {
  const auto* upgrade = request.header("Upgrade");
  if (!upgrade || !list_has(*upgrade, "websocket")) {
    return fail(426, "upgrade_required", "this route is a WebSocket", "connect with the subprotocol " + binding.name);
  }
  const auto* offered = request.header("Sec-WebSocket-Protocol");
  if (!offered || !list_has(*offered, binding.name)) {
    return fail(400, "unknown_subprotocol", "the WebSocket must offer the subprotocol '" + binding.name + "'",
                "add 'Sec-WebSocket-Protocol: " + binding.name + "'");
  }
  return {};
}

Error missing_transport(Carrier carrier, std::string_view route) {
  const auto what = carrier == Carrier::ws_message ? std::string("WebSockets") : std::string("event streams");
  return {501, "missing_plugin", "no transport plugin serves " + what + " on '" + std::string(route) + "'",
          "put the plugin that does (" +
              std::string(carrier == Carrier::ws_message ? "transport-websocket" : "transport-sse") +
              ") into the plugin path and restart; 'lectern plugins' shows what was found",
          ""};
}

}  // namespace

Outcome Endpoints::upgrade(Call call, Carrier carrier, std::string_view route) {
  auto found = session_of(call);
  if (!found) return error_response(found.error());
  const auto* chosen = binding(carrier, route);
  if (!chosen) return error_response(missing_transport(carrier, route));
  if (carrier == Carrier::ws_message) {
    if (auto fine = check_websocket(call.request, *chosen); !fine) return error_response(fine.error());
  }
  auto key = client_key(call, (*found)->id());
  if (!key) return error_response(key.error());

  session::ConnectRequest request;
  request.route = route;
  request.query_json = query_json(call.request);
  request.client_key = std::move(*key);
  if (const auto* last = call.request.header("Last-Event-ID")) request.last_event_id = *last;
  request.principal = "owner";
  request.device = parts_.device_name;
  request.scope = scope_bits(call.scope);

  auto out = std::make_unique<Upgrade>();
  out->loop = &(*found)->loop();
  if (carrier == Carrier::ws_message) {
    out->kind = Upgrade::Kind::websocket;
    out->subprotocol = chosen->name;
    request.subprotocol = chosen->name;
  } else {
    out->kind = Upgrade::Kind::stream;
    out->content_type = chosen->name;
  }
  out->connected = [session = *found, request = std::move(request)](session::Link& link) mutable {
    return session->connect(std::move(request), link);
  };
  return out;
}

Outcome Endpoints::connect(Call call) {
  return upgrade(std::move(call), Carrier::ws_message, "connect");
}

Outcome Endpoints::session_events(Call call) {
  return upgrade(std::move(call), Carrier::byte_stream, "events");
}

Outcome Endpoints::host_events(Call) {
  for (const auto& transport : parts_.transports) {
    const auto& bindings = transport->bindings();
    for (std::size_t i = 0; i < bindings.size(); ++i) {
      if (bindings[i].carrier != Carrier::byte_stream || bindings[i].route != "events") continue;
      auto out = std::make_unique<Upgrade>();
      out->loop = parts_.loop;
      out->kind = Upgrade::Kind::stream;
      out->content_type = bindings[i].name;
      out->connected = [this, transport, i](session::Link& link) {
        return parts_.host_events->connect(link, transport, static_cast<std::uint32_t>(i));
      };
      return out;
    }
  }
  return error_response(missing_transport(Carrier::byte_stream, "events"));
}

}  // namespace lectern::api
