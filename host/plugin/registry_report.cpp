// Registry::report() as JSON.
#include <filesystem>
#include <string>

#include "base/json.hpp"
#include "plugin/registry.hpp"

namespace lectern::plugin {

namespace {

/// What the plugin says of itself, and what the checks say of it.
void write_said(json::Writer& to, const GenerationReport& report) {
  if (report.health) {
    to.key("health").begin_object();
    to.member("state", health_names[static_cast<std::size_t>(report.health->state)]);
    to.member("summary", report.health->summary);
    if (!report.health->details_json.empty()) to.member_raw("details", report.health->details_json);
    to.end_object();
  }
  if (!report.config_schema.empty()) to.member_raw("config_schema", report.config_schema);
  if (report.breaches.empty()) return;
  to.key("breaches").begin_array();
  for (const Breach& one : report.breaches) {
    to.begin_object().member("side", one.side == Side::host ? "host" : "plugin").member("tag", one.tag);
    to.member("where", one.where).member("what", one.what).member("count", one.count).end_object();
  }
  to.end_array();
}

void write_generation(json::Writer& to, const GenerationReport& report) {
  to.begin_object();
  to.member("number", report.number).member("state", state_name(report.state));
  if (!report.why.empty()) to.member("why", report.why);
  to.member("sha256", report.sha256).member("build", report.build).member("loaded_at", report.loaded_at);
  to.member("load_us", report.load_us).member("calls", report.calls).member("failures", report.failures);
  to.member("slowest_us", report.slowest_us).member("p99_us", report.p99_us);
  to.member("isolation", report.isolated ? "process" : "none");
  if (report.isolated) {
    to.member("restarts", report.restarts);
    if (report.pid != 0) to.member("pid", report.pid).member("memory_bytes", report.memory_bytes);
  }
  if (!report.last_failure.empty()) to.member("last_failure", report.last_failure);
  if (report.dropped_lines != 0) to.member("dropped_log_lines", report.dropped_lines);
  write_said(to, report);
  to.end_object();
}

void write_plugin(json::Writer& to, const PluginReport& report) {
  const Found& found = report.found;
  to.begin_object().member("id", found.id).member("path", found.path.string());
  if (found.manifest) {
    const Manifest& manifest = *found.manifest;
    to.member("kind", kind_name(manifest.kind)).member("name", manifest.name).member("version", manifest.version);
    to.member("description", manifest.description).member("unloadable", manifest.unloadable);
    to.member("trusted", report.trusted).member("isolation", report.isolated ? "process" : "none");
  }
  const bool running = !report.generations.empty() && report.generations.back().state != GenerationState::quarantined;
  to.member("state", found.refused ? "refused" : running ? "loaded" : "available");
  if (found.refused) {
    to.key("refused").begin_object().member("code", found.refused->code).member("message", found.refused->message);
    to.member("hint", found.refused->hint).end_object();
  }
  to.key("generations").begin_array();
  for (const auto& generation : report.generations) write_generation(to, generation);
  to.end_array().end_object();
}

}  // namespace

std::string Registry::report_json() {
  std::string out;
  json::Writer to(out);
  to.begin_object().key("plugins").begin_array();
  for (const auto& one : report()) write_plugin(to, one);
  to.end_array().key("search").begin_array();
  for (const auto& folder : options().search) to.string(folder.string());
  to.end_array().end_object();
  return out;
}

}  // namespace lectern::plugin
