// The settings of `lectern serve`: flag over LECTERN_* in the environment over lectern.conf over the default.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "session/settings.hpp"

namespace lectern::app {

struct ServeOptions {
  std::string root;      // served folder; default: the current one
  std::string notebook;  // opened first, relative to root; may be empty
  std::string bind = "127.0.0.1";
  std::uint16_t port = 8899;
  bool port_given = false;    // then a taken port is an error
  bool policy_given = false;  // then a missing policy is one
  std::string token;          // empty: random, unless no_token
  bool no_token = false;
  std::string presence_folder, device_name, state_dir, web_dir, tls_cert, tls_key, config;
  int device_name_ms = 500;  // how long the mesh network may take to say this device's name
  std::vector<std::string> plugin_path, host_names;
  std::vector<std::string> isolate;  // plugin ids
  struct PresenceBackend {
    std::string id, config;  // of the plugin; JSON object
  };
  std::vector<std::string> presence;               // as given: ID or ID=JSON
  std::vector<PresenceBackend> presence_backends;  // what they and presence_folder say
  bool no_presence_local = false;                  // without it, presence-local is there beside them
  std::uint64_t isolated_memory_mb = 1024;
  bool watch_plugins = false;
  std::string plugin_checks = "minimal";  // off, minimal, maximal
  bool tls = false;                       // with the device's own key where no certificate is given
  bool insecure_plaintext = false, no_browser = false, json = false, verbose = false;
  std::vector<std::string> gateways, gateway_token_files;
  std::string gateway_ca_file;
  int gateway_timeout_ms = 10'000;
  bool gateway_insecure_plaintext = false;
  double cull_idle_minutes = 0;
  bool keep_kernels = false;
  session::Settings session;
};

/// Result of reading a command line: options, or a text to show and leave (help).
template <class T>
struct Parsed {
  T options;
  std::string help;  // not empty: show it and end with 0
};

/// [control] `arguments` follow the word "serve". 400 `usage` naming the option and the nearest known one.
Result<Parsed<ServeOptions>> parse_serve(const std::vector<std::string>& arguments);
/// [control] What a host that is started here without flags goes by: the environment, lectern.conf, the defaults. For
/// commands that look at what such a host uses. Errors as of parse_serve().
Result<ServeOptions> configured();
/// [control] The rules of protocol 1 about what may listen where. 400 `refused_to_listen`.
Status check_listening(const ServeOptions& options);
/// [any] True for 127.0.0.0/8, ::1 and "localhost".
bool is_loopback(const std::string& bind);

/// What the other commands take.
struct ToolOptions {
  std::vector<std::string> positional;
  bool live = false;     // plugins: of the running server
  bool dry_run = false;  // policy: what would it decide otherwise
  int watch_ms = 0;      // of a dry run
  std::string server;    // "http://host:port"; default: the running one
  std::string token;     // for `server`
  std::string policy, config, session, reason, runtime, path;
  std::string kind, lang, into, templates;  // of new-plugin
  std::string scope, expires;               // of pair
  std::string device;                       // of create: where, other than here
  std::string against, before, cell;        // of history and restore
  int limit = 0;
  bool take_pen = false;
  bool end = false;  // of kernels
  std::string state_dir;
  std::vector<std::string> plugin_path;
  std::uint64_t if_epoch = 0;
  int wait_ms = 0;
  bool has_epoch = false, json = false, no_browser = false, ephemeral = false;
};

/// [control] Flags of one of `open create ls kernels presence devices pair unpair history restore takeover policy
/// plugins new-plugin version`.
Result<Parsed<ToolOptions>> parse_tool(const std::string& command, const std::vector<std::string>& arguments);
/// [any] `lectern --help`.
std::string overview();
/// [any] The subcommands.
const std::vector<std::string>& command_names();

}  // namespace lectern::app
