// The commands that talk to a running server, and `plugins`, `new-plugin` and `version`, which need none.
#include <algorithm>
#include <filesystem>
#include <iostream>

#include "api/endpoints.hpp"
#include "api/url.hpp"
#include "app/answer_view.hpp"
#include "app/client.hpp"
#include "app/commands.hpp"
#include "app/history_tool.hpp"
#include "app/kernel_tool.hpp"
#include "app/new_plugin.hpp"
#include "app/options.hpp"
#include "app/pair_tool.hpp"
#include "app/paths.hpp"
#include "app/policy_tool.hpp"
#include "app/presence_tool.hpp"
#include "app/token_tool.hpp"
#include "isolation/process.hpp"
#include "plugin/extensions_describe.hpp"
#include "plugin/registry.hpp"
#include "runtime/kernel_care.hpp"

namespace lectern::app {
namespace fs = std::filesystem;
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

bool contains(const std::string& root, const std::string& path) {
  return path.size() > root.size() && path.compare(0, root.size(), root) == 0 &&
         (root.back() == '/' || path[root.size()] == '/');
}

Error no_server() {
  return {0, "unreachable", "no server of yours is running", "start one with 'lectern serve'", ""};
}

// A path given on this command line is meant from here when it leads somewhere, else from the server's root.
std::string local_path(const std::string& given) {
  std::error_code error;
  const auto path = fs::canonical(given, error);
  return error ? given : path.string();
}

// The same for a file that is yet to be made: its folder must be there.
std::string local_new_path(const std::string& given) {
  std::error_code error;
  const auto path = fs::weakly_canonical(fs::absolute(given), error);
  return error || !fs::exists(path.parent_path(), error) ? given : path.string();
}

void show_opened(const Client& client, json::Value info, const ToolOptions& options) {
  const auto path = text_of(info, "path");
  const auto& server = client.server();
  const auto shown =
      contains(server.root, path) ? path.substr(server.root.size() + (server.root == "/" ? 0 : 1)) : path;
  show_page(client, "path=" + api::percent_encode(shown, true), std::move(info), options);
}

Status run_open(const ToolOptions& options) {
  const auto path = local_path(options.positional[0]);
  LECTERN_TRY(auto client, find_server(options, path));
  json::Value body;
  body.set("path", path);
  LECTERN_TRY(auto answer, client.request("POST", "/api/v1/notebooks/open", body));
  show_opened(client, std::move(answer.body), options);
  return {};
}

Status run_create(const ToolOptions& options) {
  if (!options.device.empty()) return run_create_on(options);
  const auto path = options.positional.size() > 1 ? local_new_path(options.positional[1]) : std::string();
  LECTERN_TRY(auto client, find_server(options, path));
  json::Value body;
  body.set("runtime", options.positional[0]);
  if (!path.empty()) body.set("path", path);
  if (options.ephemeral) body.set("ephemeral", true);
  LECTERN_TRY(auto answer, client.request("POST", "/api/v1/notebooks/create", body));
  show_opened(client, std::move(answer.body), options);
  return {};
}

void print_sessions(const json::Value& sessions) {
  for (const auto& row : array_of(sessions, "sessions")) {
    const auto editor = text_of(row, "editor");
    std::cout << "  " << text_of(row, "session_id") << "  " << text_of(row, "path") << "  kernel "
              << text_of(row, "kernel_state") << ", " << text_of(row, "members") << " here, "
              << (editor.empty() ? "nobody edits" : editor + " edits");
    if (const auto* used = row.find("resources"); used != nullptr && used->is_object()) {
      const auto* rss = used->find("rss");
      std::cout << ", " << runtime::size_words(rss != nullptr ? rss->as_uint().value_or(0) : 0) << ", "
                << text_of(*used, "cpu_percent") << "% CPU";
    }
    if (const auto* remote = row.find("remote")) std::cout << ", on " << text_of(*remote, "device_name");
    std::cout << "\n";
  }
}

Status run_ls(const ToolOptions& options) {
  std::vector<Client> clients;
  if (!options.server.empty()) {
    LECTERN_TRY(auto client, find_server(options));
    clients.push_back(std::move(client));
  } else {
    LECTERN_TRY(const auto running, running_servers());
    for (const auto& server : running) {
      LECTERN_TRY(auto client, Client::to(server));
      clients.push_back(std::move(client));
    }
  }
  if (clients.empty()) return fail(no_server());
  json::Array servers;
  for (auto& client : clients) {
    LECTERN_TRY(auto answer, client.request("GET", "/api/v1/sessions"));
    if (options.json) {
      json::Value row;
      row.set("url", client.server().url);
      row.set("pid", client.server().pid);
      row.set("root", client.server().root);
      row.set("started_at", client.server().started_at);
      row.set("sessions", array_of(answer.body, "sessions"));
      servers.push_back(std::move(row));
    } else {
      std::cout << client.server().url << "  " << client.server().root << "  (pid " << client.server().pid << ")\n";
      print_sessions(answer.body);
    }
  }
  if (options.json) {
    json::Value out;
    out.set("servers", std::move(servers));
    std::cout << json::write(out) << "\n";
  }
  return {};
}

Result<std::string> session_id(Client& client, const std::string& named, const std::string& path) {
  LECTERN_TRY(const auto answer, client.request("GET", "/api/v1/sessions"));
  for (const auto& row : array_of(answer.body, "sessions")) {
    if (text_of(row, "session_id") == named || text_of(row, "path") == path) return text_of(row, "session_id");
  }
  return fail(404, "session_not_found", "no live session '" + named + "'", "'lectern ls' lists them");
}

// Asks until the request has ended or the time is up; the host holds each answer back until then.
Result<json::Value> wait_for_answer(Client& client, const std::string& path, const Headers& headers, int wait_ms) {
  LECTERN_TRY(auto answer,
              client.request("GET", path + "?wait_ms=" + std::to_string(std::clamp(wait_ms, 0, 60'000)), {}, headers));
  const auto state = text_of(answer.body, "state");
  if (state == "allowed") return std::move(answer.body);
  auto reason = text_of(answer.body, "reason");
  return fail(403, state == "open" ? "no_answer" : "denied",
              state == "open" ? "nobody answered yet"
                              : "the takeover was not allowed: " + state + (reason.empty() ? "" : " (" + reason + ")"));
}

Status run_takeover(const ToolOptions& options) {
  const auto& named = options.positional[0];
  const auto path = local_path(named);
  LECTERN_TRY(auto client, find_server(options, path));
  LECTERN_TRY(const auto id, session_id(client, named, path));
  const auto base = "/api/v1/sessions/" + api::percent_encode(id);
  json::Value who;
  who.set("label", "lectern takeover");
  who.set("kind", "program");
  LECTERN_TRY(const auto made, client.request("POST", base + "/clients", who));
  const auto* identity = made.body.find("client");
  if (!identity) return fail(500, "failed", "the server's answer names no client");
  const Headers headers = {{"Lectern-Client", text_of(*identity, "id") + "." + text_of(*identity, "secret")}};
  json::Value body{json::Object{}};
  if (options.has_epoch) body.set("if_epoch", options.if_epoch);
  if (!options.reason.empty()) body.set("reason", options.reason);
  LECTERN_TRY(auto answer, client.request("POST", base + "/takeover", body, headers));
  auto result = std::move(answer.body);
  if (answer.status == 202) {
    LECTERN_TRY(result,
                wait_for_answer(client, base + "/takeover/" + text_of(result, "request_id"), headers, options.wait_ms));
  }
  if (options.json) {
    result.set("session_id", id);
    result.set("client", *identity);
    std::cout << json::write(result) << "\n";
  } else {
    std::cout << "The pen of " << id << " is yours, epoch " << text_of(result, "epoch") << ".\n"
              << "Lectern-Client: " << headers[0].second << "\n";
  }
  return {};
}

void print_swaps(const json::Value& answer) {
  for (const auto& row : array_of(answer, "sessions")) {
    std::cout << "  " << text_of(row, "session_id") << "  "
              << (text_of(row, "ok") == "true" ? "swapped" : "kept its policy: " + text_of(row, "error")) << "\n";
  }
}

void print_policy(const json::Value& answer) {
  std::cout << text_of(answer, "policy");
  if (const auto config = text_of(answer, "config"); !config.empty() && config != "{}") std::cout << "  " << config;
  std::cout << "\n";
  print_swaps(answer);
}

/// What a dry run found.
void print_differences(const json::Value& answer) {
  const auto& rows = array_of(answer, "differences");
  const auto count = std::to_string(rows.size()) + (rows.size() == 1 ? " difference" : " differences");
  std::cout << text_of(answer, "policy") << ": " << (rows.empty() ? "no difference" : count) << "\n";
  const auto print = [](const json::Value& row, const char* which, const char* title) {
    const auto& effects = array_of(row, which);
    if (effects.empty()) std::cout << "    " << title << "  nothing\n";
    for (const auto& one : effects) std::cout << "    " << title << "  " << *one.as_string() << "\n";
  };
  for (const auto& row : rows) {
    const auto session = text_of(row, "session_id");
    std::cout << "  " << (session.empty() ? "" : session + ": ") << text_of(row, "event") << "\n";
    print(row, "now", "now ");
    print(row, "then", "then");
  }
}

Status run_policy(const ToolOptions& options) {
  if ((options.dry_run && options.positional.empty()) || (options.watch_ms != 0 && !options.dry_run))
    return fail(400, "usage", "--dry-run wants the ID of a policy, and --watch-ms wants --dry-run",
                "lectern policy ID --dry-run [--watch-ms MS]");
  LECTERN_TRY(auto client, find_server(options));
  const auto path = options.session.empty() ? std::string("/api/v1/policy")
                                            : "/api/v1/sessions/" + api::percent_encode(options.session) + "/policy";
  json::Value body;
  if (!options.positional.empty()) {
    body.set("policy", options.positional[0]);
    if (!options.config.empty()) {
      auto config = json::parse(options.config);
      if (!config || !config->is_object()) return fail(400, "usage", "--config is not a JSON object");
      body.set("config", std::move(*config));
    }
    if (options.dry_run) body.set("dry_run", true);
    if (options.watch_ms != 0) body.set("watch_ms", options.watch_ms);
  }
  LECTERN_TRY(const auto answer, client.request(body.is_null() ? "GET" : "PUT", path, body));
  if (options.json) {
    std::cout << json::write(answer.body) << "\n";
  } else if (options.dry_run) {
    print_differences(answer.body);
  } else {
    print_policy(answer.body);
  }
  return {};
}

void print_found(const plugin::PluginReport& report) {
  const auto& found = report.found;
  std::cout << (found.refused ? "refused  " : "ok       ") << found.id;
  if (found.manifest) {
    std::cout << "  " << plugin::kind_name(found.manifest->kind) << "  " << found.manifest->version;
  }
  std::cout << "  " << found.path.string() << "\n";
  if (!found.refused && report.isolated) {
    std::cout << "           not trusted: runs in a process of its own, unless you say: lectern plugins trust "
              << found.manifest->library_path().string() << "\n";
  }
  if (!found.refused) return;
  std::cout << "           " << found.refused->message << "\n";
  if (!found.refused->hint.empty()) std::cout << "           " << found.refused->hint << "\n";
}

Status run_trust(const ToolOptions& options) {
  const auto& verb = options.positional[0];
  if ((verb != "trust" && verb != "untrust") || options.positional.size() != 2) {
    return fail(400, "usage", "'lectern plugins " + verb + "' is no command",
                "lectern plugins trust FILE.so, lectern plugins untrust FILE.so, or lectern plugins reload ID");
  }
  const auto& named = options.positional[1];
  const auto list = trust_lists().users;
  // A library that is gone can still be taken off the list, by the hash that is in it.
  const bool is_hash = named.size() == 64 && named.find_first_not_of("0123456789abcdef") == std::string::npos;
  std::string hash = named;
  if (verb == "trust" || !is_hash) {
    LECTERN_TRY(hash, plugin::library_hash(named));
  }
  std::error_code error;
  const auto path = fs::absolute(named, error);
  bool changed = true;
  if (verb == "trust") {
    LECTERN_CHECK(plugin::trust(list, hash, path.string()));
  } else {
    LECTERN_TRY(changed, plugin::untrust(list, hash));
  }
  if (options.json) {
    json::Value out;
    out.set("sha256", hash);
    out.set("trusted", verb == "trust");
    out.set("changed", changed);
    out.set("list", list.string());
    std::cout << json::write(out) << "\n";
  } else if (verb == "trust") {
    std::cout << hash << " may run inside the host. Servers that run see it when they next load the plugin.\n";
  } else {
    std::cout << hash << (changed ? " is no longer on the list.\n" : " was not on the list.\n");
  }
  return {};
}

/// The report, with what each plugin says of itself.
void print_described(plugin::Registry& registry) {
  auto report = json::parse(registry.report_json());
  for (auto& one : *report->find("plugins")->as_array()) {
    const auto kind = plugin::kind_from(text_of(one, "kind"));
    if (text_of(one, "state") == "refused" || !kind) continue;
    const auto described = plugin::describe(registry.options(), *kind, text_of(one, "id"));
    if (!described) {
      json::Value why;
      why.set("code", described.error().code);
      why.set("message", described.error().message);
      why.set("hint", described.error().hint);
      one.set("not_described", std::move(why));
      continue;
    }
    if (!described->config_schema.empty()) one.set("config_schema", json::Raw{described->config_schema});
    if (!described->health) continue;
    json::Value health;
    health.set("state", plugin::health_names[static_cast<std::size_t>(described->health->state)]);
    health.set("summary", described->health->summary);
    if (!described->health->details_json.empty()) health.set("details", json::Raw{described->health->details_json});
    one.set("health", std::move(health));
  }
  std::cout << json::write(*report) << "\n";
}

void print_generation(const json::Value& generation) {
  std::cout << "           generation " << text_of(generation, "number") << "  " << text_of(generation, "state");
  if (const auto why = text_of(generation, "why"); !why.empty()) std::cout << " (" << why << ")";
  std::cout << "  loaded in " << text_of(generation, "load_us") << " us, " << text_of(generation, "calls")
            << " calls, p99 " << text_of(generation, "p99_us") << " us, " << text_of(generation, "failures")
            << " failures";
  if (text_of(generation, "isolation") == "process") {
    std::cout << ", own process " << text_of(generation, "pid") << ", " << text_of(generation, "memory_bytes")
              << " bytes, " << text_of(generation, "restarts") << " restarts";
  }
  std::cout << "\n";
  if (const auto last = text_of(generation, "last_failure"); !last.empty())
    std::cout << "             last failure: " << last << "\n";
}

/// What a running server has loaded, and how it does.
Status run_live_plugins(const ToolOptions& options) {
  LECTERN_TRY(auto client, find_server(options));
  LECTERN_TRY(const auto answer, client.request("GET", "/api/v1/plugins"));
  if (options.json) {
    std::cout << json::write(answer.body) << "\n";
    return {};
  }
  for (const auto& one : array_of(answer.body, "plugins")) {
    std::cout << text_of(one, "state") << "  " << text_of(one, "id") << "  " << text_of(one, "kind") << "  "
              << text_of(one, "version") << "\n";
    for (const auto& generation : array_of(one, "generations")) print_generation(generation);
  }
  return {};
}

/// The running server takes what lies on disk now.
Status run_reload(const ToolOptions& options) {
  if (options.positional.size() != 2)
    return fail(400, "usage", "which plugin?", "lectern plugins reload ID; 'lectern plugins --live' lists them");
  LECTERN_TRY(auto client, find_server(options));
  LECTERN_TRY(const auto answer,
              client.request("POST", "/api/v1/plugins/" + api::percent_encode(options.positional[1]) + "/reload"));
  if (options.json) {
    std::cout << json::write(answer.body) << "\n";
    return {};
  }
  std::cout << text_of(answer.body, "id") << ": generation " << text_of(answer.body, "generation") << "\n";
  print_swaps(answer.body);
  return {};
}

Status run_plugins(const ToolOptions& options) {
  if (!options.positional.empty() && options.positional[0] == "reload") return run_reload(options);
  if (!options.positional.empty()) return run_trust(options);
  if (options.live || !options.server.empty()) return run_live_plugins(options);
  LECTERN_TRY(const auto host, configured());
  auto first = options.plugin_path;
  first.insert(first.end(), host.plugin_path.begin(), host.plugin_path.end());
  plugin::RegistryOptions places;
  places.search = plugin_search(first);
  places.staging = host.state_dir;
  places.trust = trust_lists();
  places.plugin_host = isolation::plugin_host_program();
  plugin::Registry registry(std::move(places));
  if (options.json) {
    print_described(registry);
    return {};
  }
  std::cout << "Searched:\n";
  for (const auto& path : registry.options().search) std::cout << "  " << path.string() << "\n";
  for (const auto& one : registry.report()) print_found(one);
  return {};
}

Status run_new_plugin(const ToolOptions& options) {
  const NewPlugin wanted{options.positional[0], options.kind, options.lang, options.into, options.templates};
  LECTERN_TRY(const auto files, new_plugin(wanted));
  if (options.json) {
    json::Array names;
    for (const auto& file : files) names.emplace_back(file);
    json::Value out;
    out.set("id", wanted.id);
    out.set("kind", wanted.kind);
    out.set("folder", folder_of(wanted).string());
    out.set("files", std::move(names));
    std::cout << json::write(out) << "\n";
    return {};
  }
  for (const auto& file : files) std::cout << (folder_of(wanted) / file).string() << "\n";
  std::cout << next_steps(wanted);
  return {};
}

Status run_version(const ToolOptions& options) {
  if (options.json) {
    json::Value out;
    out.set("version", api::host_version());
    out.set("protocol", "lectern.v1");
    std::cout << json::write(out) << "\n";
  } else {
    std::cout << "lectern " << api::host_version() << "\n";
  }
  return {};
}

Status run(const std::string& command, const ToolOptions& options) {
  if (command == "open") return run_open(options);
  if (command == "create") return run_create(options);
  if (command == "ls") return run_ls(options);
  if (command == "kernels") return run_kernels(options);
  if (command == "history") return run_history(options);
  if (command == "restore") return run_restore(options);
  if (command == "takeover") return run_takeover(options);
  if (command == "policy") return run_policy(options);
  if (command == "plugins") return run_plugins(options);
  if (command == "presence") return run_presence(options);
  if (command == "devices") return run_devices(options);
  if (command == "attach") return run_attach(options);
  if (command == "pair") return run_pair(options);
  if (command == "unpair") return run_unpair(options);
  if (command == "new-plugin") return run_new_plugin(options);
  return run_version(options);
}

}  // namespace

Result<Client> find_server(const ToolOptions& options, const std::string& path) {
  LECTERN_TRY(auto running, running_servers());
  if (!options.server.empty()) {
    RunningServer named;
    for (const auto& one : running) {
      if (one.url == options.server) named = one;
    }
    named.url = options.server;
    if (!options.token.empty()) named.token = options.token;
    return Client::to(std::move(named));
  }
  if (running.empty()) return fail(no_server());
  auto chosen = running.front();
  for (const auto& one : running) {
    if (!path.empty() && contains(one.root, path)) {
      chosen = one;
      break;
    }
  }
  if (!options.token.empty()) chosen.token = options.token;
  return Client::to(std::move(chosen));
}

int run_tool(const std::string& command, const std::vector<std::string>& arguments) {
  if (command == "token") return run_token_tool(arguments);
  if (command == "policy" && !arguments.empty() && is_policy_tool(arguments[0])) return run_policy_tool(arguments);
  auto parsed = parse_tool(command, arguments);
  if (!parsed) return report(parsed.error(), wants_json(arguments));
  if (!parsed->help.empty()) {
    std::cout << parsed->help;
    return exit_ok;
  }
  auto done = run(command, parsed->options);
  return done ? exit_ok : report(done.error(), parsed->options.json);
}

}  // namespace lectern::app
