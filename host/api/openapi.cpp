#include "api/endpoints.hpp"
#include "api/routes.hpp"
#include "api/spec.hpp"
#include "session/commands.hpp"

namespace lectern::api {
namespace {

json::Value reference(std::string_view schema) {
  json::Value out;
  out.set("$ref", "#/components/schemas/" + std::string(schema));
  return out;
}

json::Value object(std::initializer_list<std::pair<std::string, json::Value>> members) {
  return json::Value(json::Object(members));
}

json::Value content(std::string_view media_type, json::Value schema) {
  return object({{std::string(media_type), object({{"schema", std::move(schema)}})}});
}

json::Value parameter(std::string_view name, std::string_view where, bool required) {
  return object({{"name", name}, {"in", where}, {"required", required}, {"schema", object({{"type", "string"}})}});
}

template <class F>
void each_word(std::string_view words, F each) {
  while (!words.empty()) {
    const auto space = words.find(' ');
    each(words.substr(0, space));
    words.remove_prefix(space == std::string_view::npos ? words.size() : space + 1);
  }
}

json::Array parameters(const Route& route) {
  json::Array out;
  for (const auto name : pattern_names(route.pattern)) {
    if (name != "name") out.push_back(parameter(name, "path", true));
  }
  each_word(route.query, [&](std::string_view name) { out.push_back(parameter(name, "query", false)); });
  each_word(route.headers, [&](std::string_view name) { out.push_back(parameter(name, "header", false)); });
  return out;
}

json::Value answer_of(const Route& route, json::Value schema) {
  json::Value out;
  out.set("description", route.status == 101 ? "the connection is a WebSocket now" : "done");
  const bool media = route.answer.find('/') != std::string_view::npos;
  if (media) {
    out.set("content", content(route.answer.substr(0, route.answer.find(';')), json::Value(json::Object{})));
  } else if (!schema.is_null()) {
    out.set("content", content("application/json", std::move(schema)));
  }
  return out;
}

std::string lower(std::string_view method) {
  std::string out(method);
  for (auto& c : out) c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// "GET /api/v1/sessions/{session_id}/policy" -> "get_sessions_session_id_policy"
std::string operation_id(std::string_view method, std::string_view path) {
  auto out = lower(method);
  if (path.substr(0, 8) == "/api/v1/") path.remove_prefix(7);
  for (const char c : path) {
    if (c == '/' || c == '.') out += '_';
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') out += c;
  }
  return out;
}

/// Other ways to succeed, with the same kind of body.
struct Also {
  std::string_view method, path;
  int status;
  std::string_view about;
};
constexpr Also also[] = {
    {"POST", "/api/v1/files/content", 200, "with overwrite=true: what was there is replaced"},
    {"GET", "/api/v1/sessions/{session_id}/outputs/{output_id}", 206, "the bytes that Range asks for"},
    {"POST", "/api/v1/sessions/{session_id}/takeover", 202, "somebody is asked"},
    {"POST", "/api/v1/sessions/{session_id}/commands/takeover", 202, "somebody is asked"},
};

json::Value operation(const Route& route, std::string_view path, std::string_view summary, json::Value body,
                      json::Value result) {
  json::Value out;
  out.set("operationId", operation_id(route.method, path));
  out.set("summary", summary);
  out.set("x-scope", scope_name(route.scope));
  out.set("x-max-body-bytes", route.max_body);
  if (auto list = parameters(route); !list.empty()) out.set("parameters", std::move(list));
  if (!body.is_null()) {
    out.set("requestBody", object({{"content", content("application/json", std::move(body))}}));
  } else if (route.body.find('/') != std::string_view::npos) {
    out.set("requestBody", object({{"content", content(route.body, json::Value(json::Object{}))}}));
  }
  json::Value responses;
  auto done = answer_of(route, std::move(result));
  for (const auto& one : also) {
    if (one.method != route.method || one.path != path) continue;
    auto other = done;
    other.set("description", one.about);
    responses.set(std::to_string(one.status), std::move(other));
  }
  if (route.headers.find("If-None-Match") != std::string_view::npos) {
    responses.set("304", object({{"description", "the one that If-None-Match names is still it"}}));
  }
  responses.set(std::to_string(route.status), std::move(done));
  responses.set("default", object({{"description", "an error, with its reason and what to do"},
                                   {"content", content("application/json", reference("Error"))}}));
  out.set("responses", std::move(responses));
  if (route.scope == Scope::none) out.set("security", json::Array{});
  return out;
}

void add(json::Value& paths, const std::string& path, std::string_view method, json::Value what) {
  if (!paths.find(path)) paths.set(path, json::Value(json::Object{}));
  paths.find(path)->set(lower(method), std::move(what));
}

// One operation per command: each has its own body and result.
void add_commands(json::Value& paths, const Route& route) {
  const auto prefix = std::string(route.pattern.substr(0, route.pattern.find("{name}")));
  for (const auto& command : session::commands()) {
    const auto path = prefix + std::string(command.name);
    auto described = operation(route, path, command.about, object_schema(command.body), object_schema(command.result));
    described.set("x-tier", session::tier_name(command.tier));
    add(paths, path, route.method, std::move(described));
  }
}

json::Value json_or_null(std::string_view schema) {
  return schema.empty() || schema.find('/') != std::string_view::npos ? json::Value() : reference(schema);
}

}  // namespace

std::string openapi_document() {
  json::Value paths{json::Object{}};
  for (const auto& route : routes()) {
    if (route.pattern.find("*}") != std::string_view::npos) continue;
    if (route.pattern.find("{name}") != std::string_view::npos) {
      add_commands(paths, route);
    } else {
      add(paths, std::string(route.pattern), route.method,
          operation(route, route.pattern, route.summary, json_or_null(route.body), json_or_null(route.answer)));
    }
  }
  json::Value out;
  out.set("openapi", "3.1.0");
  out.set("info", object({{"title", "Lectern"},
                          {"version", host_version()},
                          {"description", "A notebook session host. The WebSocket is described in asyncapi.json."}}));
  out.set("security", json::Array{object({{"token", json::Array{}}})});
  out.set("paths", std::move(paths));
  json::Value components;
  components.set("securitySchemes", object({{"token", object({{"type", "http"}, {"scheme", "bearer"}})}}));
  components.set("schemas", component_schemas());
  out.set("components", std::move(components));
  return json::write(out);
}

}  // namespace lectern::api
