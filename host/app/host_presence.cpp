// Presence as a host has it: which backends it opens, and what it publishes through them.
#include <algorithm>
#include <utility>

#include "app/addresses.hpp"
#include "app/host_parts.hpp"
#include "app/paths.hpp"
#include "base/error_text.hpp"
#include "base/log.hpp"
#include "plugin/presence.hpp"
#include "presence/device.hpp"

namespace lectern::app {
// Nobody asked for it, so a host goes without it when it is not there: where this machine has no place for it, without
// a word; where its plugin is missing, it says so. The folder is named, so that the backend could live in a process of
// its own.
bool Host::Parts::add_presence_local(presence::Service& service) {
  constexpr const char* id = "presence-local";
  const bool named = std::any_of(options.presence_backends.begin(), options.presence_backends.end(),
                                 [](const auto& one) { return one.id == id; });
  if (options.no_presence_local || named) return false;
  const auto not_there = [](const Error& error) {
    log::debug("presence", "other hosts on this machine are not looked for: " + in_full(error));
    return false;
  };
  const auto folder = runtime_dir();
  if (!folder) return not_there(folder.error());
  auto generation = registry->load(plugin::Kind::presence, id);
  if (!generation) {
    const auto why = in_full(generation.error());
    log::warning("presence", "other hosts on this machine are not seen: " + why);
    service.add_unavailable(id, why);
    return false;
  }
  json::Value config;
  config.set("folder", (*folder / "presence").string());
  auto backend = plugin::PresenceBackend::open(*generation, json::write(config));
  if (!backend) return not_there(backend.error());
  service.add_backend(std::move(*backend));
  return true;
}

// A folder somebody named needs the plugin for it, as a named policy does; a folder that is out of reach may come back.
Status Host::Parts::build_presence() {
  const auto missing = [&](Error error) -> Status {
    log::warning("presence", in_full(error));
    presence_missing = std::move(error);
    return {};
  };
  presence::ServiceOptions service;
  auto device = presence::device_id(options.state_dir);
  if (!device) return missing(device.error());
  service.device_id = std::move(*device);
  service.device_name = options.device_name;
  service.machine = presence::machine_hash();
  service.boot = presence::boot_hash();
  auto made = std::make_unique<presence::Service>(std::move(service));
  Error out_of_reach;
  std::size_t opened = add_presence_local(*made) ? 1 : 0;
  for (const auto& wanted : options.presence_backends) {
    auto generation = registry->load(plugin::Kind::presence, wanted.id);
    if (!generation) {
      return fail(
          400, "usage", "the plugin " + wanted.id + " is not in the plugin path or was refused",
          in_full(generation.error()) + "; leave out --presence and --presence-folder, or see 'lectern plugins'");
    }
    auto backend = plugin::PresenceBackend::open(*generation, wanted.config);
    if (!backend) {
      log::warning("presence", in_full(backend.error()));
      made->add_unavailable(wanted.id, backend.error().message);
      out_of_reach = std::move(backend).error();
      continue;
    }
    made->add_backend(std::move(*backend));
    ++opened;
  }
  if (opened == 0 && !options.presence_backends.empty()) {
    presence_missing = std::move(out_of_reach);
    return {};
  }
  presence = std::move(made);
  presence->on_changed([events = host_events.get()] { events->changed("remote-sessions"); });
  return {};
}

void Host::Parts::publish_sessions() {
  if (!presence) return;
  std::vector<presence::SessionEntry> entries;
  for (auto& row : directory->list()) {
    presence::SessionEntry entry;
    entry.id = row.session_id;
    entry.lineage = {row.notebook_id};
    entry.title = row.title;
    entry.status = row.kernel_state;
    entry.needs_input = row.needs_input;
    entry.updated_at_ms = row.updated_ms;
    entries.push_back(std::move(entry));
  }
  presence->set_sessions(std::move(entries));
}

void Host::Parts::publish_endpoints(const std::string& address) {
  const std::scoped_lock lock(reachable_mutex);
  if (is_wildcard(address)) {
    for (const auto& name : answered_names(address, address, {})) {
      const bool v4 = name.find_first_not_of("0123456789.") == std::string::npos;
      if (v4 && !is_loopback(name) && !is_wildcard(name)) reachable.push_back(with_port(name, port));
    }
  } else {
    reachable.push_back(with_port(address, port));
  }
  if (!presence) return;
  presence::Endpoint endpoint;
  endpoint.scheme = options.tls_cert.empty() ? "ws" : "wss";
  endpoint.scope = is_loopback(address) ? "loopback" : "lan";
  endpoint.auth = {options.no_token ? "none" : "token"};
  std::vector<presence::Endpoint> endpoints;
  for (const auto& one : reachable) {
    endpoint.address = one;
    endpoints.push_back(endpoint);
  }
  presence->set_endpoints(std::move(endpoints));
}

}  // namespace lectern::app
