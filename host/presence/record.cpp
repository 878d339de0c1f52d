#include "presence/record.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "presence/record_id.hpp"

namespace lectern::presence {

bool is_id(std::string_view id, std::size_t limit) {
  return !id.empty() && id.size() <= limit && std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
           c == '.';
  });
}

namespace {

constexpr std::size_t max_endpoints = 16;
constexpr std::size_t max_lineage = 64;
constexpr std::int64_t last_year_2100_ms = 4'102'444'800'000;

/// host:port, [v6]:port or an absolute socket path; nothing that could carry a user, a query or a token.
bool is_address(std::string_view scheme, std::string_view address) {
  if (address.empty() || address.size() > 256) return false;
  if (scheme == "unix") {
    return address.front() == '/' && std::none_of(address.begin(), address.end(),
                                                  [](unsigned char c) { return c < 0x20 || c == '?' || c == '#'; });
  }
  const auto colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == address.size()) return false;
  const auto port = address.substr(colon + 1);
  if (port.size() > 5 || !std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return false;
  auto host = address.substr(0, colon);
  const bool v6 = host.front() == '[' && host.back() == ']' && host.size() > 2;
  if (v6) host = host.substr(1, host.size() - 2);
  return std::all_of(host.begin(), host.end(), [&](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' ||
           (v6 && c == ':');
  });
}

bool is_endpoint(const Endpoint& endpoint) {
  const bool known = endpoint.scheme == "ws" || endpoint.scheme == "wss" || endpoint.scheme == "unix";
  return known && is_address(endpoint.scheme, endpoint.address);
}

tl::unexpected<Error> bad(const std::string& what) {
  return fail(400, "bad_record", what);
}

std::vector<std::string> ids_of(const json::Value* list, std::size_t limit) {
  std::vector<std::string> out;
  if (list == nullptr || list->as_array() == nullptr) return out;
  for (const auto& item : *list->as_array()) {
    if (out.size() == limit) break;
    if (item.as_string() != nullptr && is_id(*item.as_string(), longest_session_id)) out.push_back(*item.as_string());
  }
  return out;
}

Result<InstanceState> state_of(const std::string& text) {
  if (text == "live") return InstanceState::live;
  if (text == "draining") return InstanceState::draining;
  if (text == "ended") return InstanceState::ended;
  return bad("state must be live, draining or ended");
}

std::string_view state_name(InstanceState state) {
  if (state == InstanceState::live) return "live";
  return state == InstanceState::draining ? "draining" : "ended";
}

std::int64_t time_of(const json::Value& object, std::string_view key) {
  const auto* value = object.find(key);
  return std::clamp<std::int64_t>(value == nullptr ? 0 : value->as_int().value_or(0), 0, last_year_2100_ms);
}

std::vector<Endpoint> endpoints_of(const json::Value* list) {
  std::vector<Endpoint> out;
  if (list == nullptr || list->as_array() == nullptr) return out;
  for (const auto& item : *list->as_array()) {
    if (out.size() == max_endpoints) break;
    Endpoint endpoint;
    endpoint.scheme = json::string_or_empty(item, "scheme");
    endpoint.address = json::string_or_empty(item, "address");
    endpoint.scope = text::label(json::string_or_empty(item, "scope"), 16);
    endpoint.auth = ids_of(item.find("auth"), 8);
    const auto* prio = item.find("prio");
    endpoint.prio = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(prio == nullptr ? 0 : prio->as_uint().value_or(0), 1'000'000));
    if (is_endpoint(endpoint)) out.push_back(std::move(endpoint));
  }
  return out;
}

Result<SessionEntry> session_of(const json::Value& item, std::size_t index) {
  SessionEntry entry;
  entry.id = json::string_or_empty(item, "id");
  if (!is_id(entry.id, longest_session_id))
    return bad("sessions[" + std::to_string(index) + "].id is missing or no id");
  entry.lineage = ids_of(item.find("lineage"), max_lineage);
  entry.title = text::label(json::string_or_empty(item, "title"), 200);
  entry.status = text::label(json::string_or_empty(item, "status"), 32);
  if (entry.status.empty()) entry.status = "idle";
  const auto* needs_input = item.find("needs_input");
  entry.needs_input = needs_input != nullptr && needs_input->as_bool().value_or(false);
  entry.updated_at_ms = time_of(item, "updated_at_ms");
  return entry;
}

}  // namespace

Result<Record> parse_record(std::string_view text) {
  if (text.size() > max_record_bytes) {
    return fail(413, "too_large", "a presence record of " + std::to_string(text.size()) + " bytes");
  }
  if (!text::valid_utf8(text)) return bad("it is not UTF-8");
  LECTERN_TRY(const auto value, json::parse(text, {max_record_bytes, 16, 50'000, true}));
  const auto* schema = value.find("schema");
  if (schema == nullptr || schema->as_int() != 1) return bad("schema must be 1");
  Record record;
  record.device_id = json::string_or_empty(value, "device_id");
  record.instance_id = json::string_or_empty(value, "instance_id");
  if (!is_id(record.device_id, 64)) return bad("device_id is missing or no id");
  if (!is_id(record.instance_id, 64)) return bad("instance_id is missing or no id");
  const auto* seq = value.find("seq");
  if (seq == nullptr || !seq->as_uint()) return bad("seq must be an integer");
  record.seq = *seq->as_uint();
  LECTERN_TRY(record.state, state_of(json::string_or_empty(value, "state")));
  const auto* ttl = value.find("ttl_ms");
  if (ttl == nullptr || !ttl->as_int()) return bad("ttl_ms must be an integer");
  record.ttl_ms = std::clamp(*ttl->as_int(), min_ttl_ms, max_ttl_ms);
  record.written_at_ms = time_of(value, "written_at_ms");
  record.device_name = text::label(json::string_or_empty(value, "device_name"), 64);
  record.machine = text::label(json::string_or_empty(value, "machine"), 64);
  record.boot = text::label(json::string_or_empty(value, "boot"), 64);
  record.client = text::label(json::string_or_empty(value, "client"), 64);
  if (const auto* pid = value.find("pid")) record.pid = pid->as_uint().value_or(0);
  if (const auto* started = value.find("pid_started")) record.pid_started = started->as_uint().value_or(0);
  record.endpoints = endpoints_of(value.find("endpoints"));
  const auto* sessions = value.find("sessions");
  if (sessions == nullptr || sessions->as_array() == nullptr) return bad("sessions must be an array");
  if (sessions->as_array()->size() > max_sessions) return bad("it names more than 256 sessions");
  for (std::size_t i = 0; i < sessions->as_array()->size(); ++i) {
    LECTERN_TRY(auto entry, session_of((*sessions->as_array())[i], i));
    record.sessions.push_back(std::move(entry));
  }
  return record;
}

std::string write_record(const Record& record) {
  std::string out;
  json::Writer writer(out);
  const auto texts = [&](std::string_view name, const std::vector<std::string>& list) {
    writer.key(name).begin_array();
    for (const auto& text : list) writer.string(text);
    writer.end_array();
  };
  writer.begin_object().member("schema", 1).member("device_id", std::string_view(record.device_id));
  writer.member("device_name", std::string_view(record.device_name));
  writer.member("instance_id", std::string_view(record.instance_id)).member("seq", record.seq);
  writer.member("state", state_name(record.state)).member("ttl_ms", record.ttl_ms);
  writer.member("written_at_ms", record.written_at_ms).member("machine", std::string_view(record.machine));
  writer.member("boot", std::string_view(record.boot));
  writer.member("pid", record.pid).member("pid_started", record.pid_started);
  writer.member("client", std::string_view(record.client)).key("endpoints").begin_array();
  for (const auto& endpoint : record.endpoints) {
    if (!is_endpoint(endpoint)) continue;  // an address with anything else in it could carry a token
    writer.begin_object().member("scheme", std::string_view(endpoint.scheme));
    writer.member("address", std::string_view(endpoint.address)).member("scope", std::string_view(endpoint.scope));
    texts("auth", endpoint.auth);
    writer.member("prio", std::uint64_t{endpoint.prio}).end_object();
  }
  writer.end_array().key("sessions").begin_array();
  for (std::size_t i = 0; i < std::min(record.sessions.size(), max_sessions); ++i) {
    const auto& session = record.sessions[i];
    writer.begin_object().member("id", std::string_view(session.id));
    texts("lineage", session.lineage);
    writer.member("title", std::string_view(session.title)).member("status", std::string_view(session.status));
    writer.member("needs_input", session.needs_input).member("updated_at_ms", session.updated_at_ms).end_object();
  }
  writer.end_array().end_object();
  return out;
}

}  // namespace lectern::presence
