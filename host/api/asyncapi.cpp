#include "api/endpoints.hpp"
#include "api/spec.hpp"
#include "session/commands.hpp"
#include "session/events.hpp"

namespace lectern::api {
namespace {

json::Value object(std::initializer_list<std::pair<std::string, json::Value>> members) {
  return json::Value(json::Object(members));
}

json::Array words(std::initializer_list<std::string_view> list) {
  json::Array out;
  for (const auto word : list) out.emplace_back(word);
  return out;
}

json::Value constant(std::string_view text) {
  return object({{"type", "string"}, {"enum", words({text})}});
}

json::Value pointer(const std::string& where) {
  return object({{"$ref", where}});
}

std::string_view recording_name(session::Recording recording) {
  switch (recording) {
    case session::Recording::no:
      return "no";
    case session::Recording::recorded:
      return "recorded";
    case session::Recording::latest:
      return "latest";
    case session::Recording::pending:
      return "until answered";
  }
  return "";
}

json::Value event_message(const session::EventSpec& event) {
  const bool recorded = event.recording == session::Recording::recorded;
  json::Value properties;
  properties.set("op", constant(event.name));
  properties.set("seq", recorded ? object({{"type", "integer"}}) : object({{"type", words({"integer", "null"})}}));
  properties.set("data", object_schema(event.data));
  json::Value out;
  out.set("name", event.name);
  out.set("summary", event.about);
  out.set("x-audience", session::audience_name(event.audience));
  out.set("x-recorded", recording_name(event.recording));
  out.set(
      "payload",
      object({{"type", "object"}, {"required", words({"op", "seq", "data"})}, {"properties", std::move(properties)}}));
  return out;
}

json::Value command_message(const session::CommandSpec& command) {
  json::Value properties;
  properties.set("id", object({{"type", "string"}}));
  properties.set("command", constant(command.name));
  properties.set("epoch", object({{"type", "integer"}}));
  properties.set("body", object_schema(command.body));
  json::Array required = words({"id", "command"});
  if (command.tier == session::Tier::edit) required.emplace_back("epoch");
  json::Value out;
  out.set("name", command.name);
  out.set("summary", command.about);
  out.set("x-tier", session::tier_name(command.tier));
  out.set("x-result", object_schema(command.result));
  out.set("payload",
          object({{"type", "object"}, {"required", std::move(required)}, {"properties", std::move(properties)}}));
  return out;
}

struct Binary {
  std::string_view name, from, about;
};
// Protocol 3: first byte the kind, then u32 LE header length, JSON header, payload.
constexpr Binary binaries[] = {
    {"01-notebook-sync", "both", "Automerge sync message of the notebook document"},
    {"02-models-sync", "both", "Automerge sync message of the models document"},
    {"03-notebook-changes", "both",
     "changes of the notebook; header to the host {id, epoch, sizes, flush?}, from it {by, version, sizes}"},
    {"04-models-changes", "host", "changes of the models document; header {by, version, sizes}"},
    {"05-buffers", "both", "buffers of the next text frame; header {sizes}"},
    {"06-document", "host",
     "a whole document's save bytes; header {document: notebook or models, history_id, heads, version}"},
};

// lectern-relay.v1: each a binary message with a JSON header (relay/frames.hpp).
constexpr Binary relay_messages[] = {
    {"open", "viewers", "header {op, c, query, client_key, scope: view, interact or edit, last?}: one more viewer"},
    {"frame", "both", "header {op, c: number, or from the host a list of them, text}; payload: a frame of lectern.v1"},
    {"close", "viewers", "header {op, c, clean, revoked?}: the viewer is gone"},
    {"full", "viewers", "header {op, c: list}: these viewers take nothing for now"},
    {"drained", "viewers", "header {op, c: list}: they take again"},
    {"refused", "host", "header {op, c, status, error: {code, message, hint?}}: instead of opening"},
    {"closed", "host", "header {op, c, code, reason}: the session closed it; code 1006 = cut"},
};

json::Value binary_message(const Binary& binary) {
  json::Value out;
  out.set("name", binary.name);
  out.set("summary", binary.about);
  out.set("contentType", "application/octet-stream");
  out.set("payload", object({{"type", "string"}, {"format", "binary"}}));
  return out;
}

json::Value operation(std::string_view action, const std::string& channel, json::Array messages) {
  return object({{"action", action}, {"channel", pointer(channel)}, {"messages", std::move(messages)}});
}

json::Value channel_of(std::string_view address, std::string_view about, json::Value messages) {
  json::Value out;
  out.set("address", address);
  out.set("description", about);
  out.set("parameters", object({{"session_id", json::Value(json::Object{})}}));
  out.set("messages", std::move(messages));
  return out;
}

}  // namespace

std::string asyncapi_document() {
  json::Value messages{json::Object{}};
  json::Value on_channel{json::Object{}};
  json::Array sent, received;
  const auto add = [&](const std::string& key, json::Value message, bool by_host, bool by_client) {
    messages.set(key, std::move(message));
    on_channel.set(key, pointer("#/components/messages/" + key));
    if (by_host) sent.push_back(pointer("#/channels/session/messages/" + key));
    if (by_client) received.push_back(pointer("#/channels/session/messages/" + key));
  };
  for (const auto& event : session::events())
    add("event." + std::string(event.name), event_message(event), true, false);
  for (const auto& command : session::commands()) {
    add("command." + std::string(command.name), command_message(command), false, true);
  }
  for (const auto& binary : binaries) {
    add("binary." + std::string(binary.name), binary_message(binary), true, binary.from == "both");
  }

  json::Value on_relay{json::Object{}};
  json::Array relay_sent, relay_received;
  for (const auto& one : relay_messages) {
    const auto key = "relay." + std::string(one.name);
    messages.set(key, binary_message(one));
    on_relay.set(key, pointer("#/components/messages/" + key));
    if (one.from != "viewers") relay_sent.push_back(pointer("#/channels/relay/messages/" + key));
    if (one.from != "host") relay_received.push_back(pointer("#/channels/relay/messages/" + key));
  }

  json::Value out;
  out.set("asyncapi", "3.0.0");
  out.set("info", object({{"title", "Lectern: lectern.v1"}, {"version", host_version()}}));
  out.set("defaultContentType", "application/json");
  out.set("channels",
          object({{"session", channel_of("/api/v1/sessions/{session_id}/connect",
                                         "One live session over a WebSocket with the subprotocol lectern.v1.",
                                         std::move(on_channel))},
                  {"relay", channel_of("/api/v1/sessions/{session_id}/relay",
                                       "Any number of viewers at another host over one WebSocket with the subprotocol "
                                       "lectern-relay.v1.",
                                       std::move(on_relay))}}));
  out.set("operations", object({{"tell", operation("send", "#/channels/session", std::move(sent))},
                                {"command", operation("receive", "#/channels/session", std::move(received))},
                                {"relay_tell", operation("send", "#/channels/relay", std::move(relay_sent))},
                                {"relay_say", operation("receive", "#/channels/relay", std::move(relay_received))}}));
  out.set("components", object({{"messages", std::move(messages)}}));
  return json::write(out);
}

}  // namespace lectern::api
