#include "app/options.hpp"

#include <arpa/inet.h>

#include <boost/program_options.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <utility>

#include "app/paths.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

extern char** environ;
#include "plugin/checking.hpp"

namespace lectern::app {
namespace po = boost::program_options;
namespace {

constexpr int line_length = 100;

constexpr std::string_view exit_codes =
    "\nExit codes: 0 done; 1 failed; 2 wrong usage or settings; 3 no server reachable;\n"
    "4 the server said no (denied, conflict, not allowed).\n";

std::vector<std::string> names_of(const po::options_description& description) {
  std::vector<std::string> names;
  for (const auto& option : description.options()) names.push_back(option->long_name());
  return names;
}

Error unknown(const std::string& kind, const std::string& name, const std::vector<std::string>& known) {
  const auto near = text::nearest(name, known);
  return {400, "usage", "unknown " + kind + " '" + name + "'",
          near.empty() ? "see --help" : "did you mean '" + near + "'?", ""};
}

std::string without_dashes(std::string name) {
  while (!name.empty() && name.front() == '-') name.erase(0, 1);
  return name.substr(0, name.find('='));
}

// program_options' own messages name the option but know no neighbours.
Result<po::parsed_options> parse_flags(const std::vector<std::string>& arguments,
                                       const po::options_description& visible, const po::options_description& all,
                                       const po::positional_options_description& positional) {
  try {
    namespace style = po::command_line_style;
    return po::command_line_parser(arguments)
        .options(all)
        .positional(positional)
        .style(style::default_style & ~style::allow_guessing)
        .run();
  } catch (const po::unknown_option& error) {
    return fail(unknown("option", without_dashes(error.get_option_name()), names_of(visible)));
  } catch (const po::too_many_positional_options_error&) {
    return fail(400, "usage", "too many arguments", "see --help");
  } catch (const po::error& error) {
    return fail(400, "usage", error.what(), "see --help");
  }
}

void add_server_settings(po::options_description& all, ServeOptions& out) {
  auto& session = out.session;
  all.add_options()  //
      ("port", po::value(&out.port)->value_name("N"),
       "port; 0 picks a free one. Without it: 8899, or the next free one of 50")                           //
      ("bind", po::value(&out.bind)->value_name("ADDRESS"), "address to listen on (default 127.0.0.1)")    //
      ("token", po::value(&out.token)->value_name("TEXT"), "the server token; default: a new random one")  //
      ("no-token", po::bool_switch(&out.no_token), "let everybody in; on loopback only")                   //
      ("tls", po::bool_switch(&out.tls),
       "serve TLS with the device's own key, which is made for it; paired devices know it")  //
      ("tls-cert", po::value(&out.tls_cert)->value_name("FILE"), "certificate chain (PEM); needs --tls-key")(
          "tls-key", po::value(&out.tls_key)->value_name("FILE"), "private key (PEM)")  //
      ("insecure-plaintext", po::bool_switch(&out.insecure_plaintext),
       "allow a non-loopback address without TLS")  //
      ("host-name", po::value(&out.host_names)->value_name("NAME"),
       "one more name the server answers to (Host header); repeatable")  //
      ("policy", po::value(&session.policy)->value_name("ID"), "consumer policy (default local-takeover)")(
          "policy-config", po::value(&session.policy_config)->value_name("JSON"), "settings of the policy")  //
      ("presence-folder", po::value(&out.presence_folder)->value_name("DIR"),
       "share live sessions with other devices through this folder")  //
      ("presence", po::value(&out.presence)->value_name("ID[=JSON]"),
       "the same by the presence plugin ID with these settings; repeatable")  //
      ("no-presence-local", po::bool_switch(&out.no_presence_local),
       "neither look for other hosts of yours on this machine nor be found by them")  //
      ("gateway", po::value(&out.gateways)->value_name("URL"),
       "run kernels at this Jupyter Server, Kernel Gateway or Enterprise Gateway; repeatable")  //
      ("gateway-token-file", po::value(&out.gateway_token_files)->value_name("FILE"),
       "its token; repeatable, one for each --gateway in their order")  //
      ("gateway-ca-file", po::value(&out.gateway_ca_file)->value_name("FILE"),
       "certificates (PEM) to trust for gateways in place of the system's")  //
      ("gateway-timeout-ms", po::value(&out.gateway_timeout_ms)->value_name("MS"),
       "how long a gateway may take to answer (default 10000)")  //
      ("gateway-insecure-plaintext", po::bool_switch(&out.gateway_insecure_plaintext),
       "allow http:// to a gateway beyond this machine")                                            //
      ("device-name", po::value(&out.device_name)->value_name("NAME"), "how others see this host")  //
      ("state-dir", po::value(&out.state_dir)->value_name("DIR"), "journals, snapshots, blobs")     //
      ("plugin-path", po::value(&out.plugin_path)->value_name("DIR"),
       "one more folder with plugins, searched first; repeatable")  //
      ("isolate", po::value(&out.isolate)->value_name("ID"),
       "give this plugin a process of its own though it is trusted; repeatable")  //
      ("isolated-memory-mb", po::value(&out.isolated_memory_mb)->value_name("MB"),
       "address space of such a process (default 1024)")  //
      ("watch-plugins", po::bool_switch(&out.watch_plugins),
       "reload a plugin that is in use as soon as it is replaced in its folder")  //
      ("plugin-checks", po::value(&out.plugin_checks)->value_name("LEVEL"),
       "how closely plugins and host are watched: off, minimal (default), maximal")  //
      ("web-dir", po::value(&out.web_dir)->value_name("DIR"), "the page's files")    //
      ("no-browser", po::bool_switch(&out.no_browser), "do not open a browser")      //
      ("reservation-lost-ms", po::value(&session.reservation_lost_ms)->value_name("MS"),
       "how long a lost editor's slot is kept (default 15000)")  //
      ("reservation-closed-ms", po::value(&session.reservation_closed_ms)->value_name("MS"),
       "the same after a clean close (default 5000)")  //
      ("asked-alive-ms", po::value(&session.ask_pong_ms)->value_name("MS"),
       "who is asked for the pen counts as lost after this long without a sign of life (default 1000)")  //
      ("policy-budget-ms", po::value(&session.policy_budget_ms)->value_name("MS"),
       "how long a policy may take for one decision (default 50)")  //
      ("session-ttl-ms", po::value(&session.session_ttl_ms)->value_name("MS"),
       "how long a session nobody uses lives (default 120000)")  //
      ("autosave-after-ms", po::value(&session.autosave_after_ms)->value_name("MS"),
       "saves this long after the last change (default 2000)")  //
      ("autosave-at-most-ms", po::value(&session.autosave_at_most_ms)->value_name("MS"),
       "and at most this long after the first unsaved one (default 10000); 0 turns autosave off")  //
      ("cull-idle", po::value(&out.cull_idle_minutes)->value_name("MINUTES"),
       "end a kernel that nobody used for so long (default 0: never)")  //
      ("keep-kernels", po::bool_switch(&out.keep_kernels),
       "kernels go on when the host ends; the next start finds them again ('lectern kernels' lists them)")  //
      ("kernel-memory", po::value(&session.kernel_memory)->value_name("BYTES"),
       "end a kernel that uses more memory than this, with all it started (default 0: no limit)")  //
      ("max-members", po::value(&session.max_members)->value_name("N"),
       "a session with this many people and programs in it takes no more (default 10000)")  //
      ("history-limit", po::value(&session.history_operations)->value_name("N"),
       "a notebook with more typed and erased characters than this begins a new history when it is opened "
       "(default 1000000)")  //
      ("models-limit", po::value(&session.models_changes)->value_name("N"),
       "the document of widget models begins anew after this many changes (default 20000)")  //
      ("max-notebook-bytes", po::value(&session.file_limits.max_bytes)->value_name("BYTES"),
       "a larger file is not opened (default 134217728)")  //
      ("max-notebook-cells", po::value(&session.file_limits.max_cells)->value_name("N"),
       "nor is one with more cells (default 100000)")  //
      ("max-notebook-depth", po::value(&session.file_limits.max_depth)->value_name("N"),
       "nor one that is nested deeper (default 128)")  //
      ("max-cell-bytes", po::value(&session.file_limits.max_source_bytes)->value_name("BYTES"),
       "nor one with a larger source in it (default 67108864)")  //
      ("verbose", po::bool_switch(&out.verbose), "log details");
}

std::string environment_key(const std::string& variable) {
  if (variable.rfind("LECTERN_", 0) != 0) return {};
  std::string key;
  for (const char c : variable.substr(8)) key += c == '_' ? '-' : static_cast<char>(c | 0x20);
  return key;
}

bool known_key(const po::options_description& all, const std::string& key) {
  return all.find_nothrow(key, false) != nullptr;
}

// A setting that is nearly one of ours is a slip; only who starts a host is told.
void warn_of_environment(const po::options_description& all) {
  const auto names = names_of(all);
  for (char** entry = environ; *entry; ++entry) {
    const std::string text = *entry;
    const auto key = environment_key(text.substr(0, text.find('=')));
    if (key.empty() || key == "config" || known_key(all, key)) continue;
    const auto near = text::nearest(key, names);
    if (!near.empty()) log::warning("config", "ignored " + text.substr(0, text.find('=')) + ": no such setting");
  }
}

Status store_environment(const po::options_description& all, po::variables_map& values) {
  try {
    po::store(po::parse_environment(all,
                                    [&](const std::string& variable) {
                                      const auto key = environment_key(variable);
                                      return !key.empty() && known_key(all, key) ? key : std::string();
                                    }),
              values);
  } catch (const po::error& error) {
    return fail(400, "usage", std::string("in the environment: ") + error.what());
  }
  return {};
}

Status store_file(const std::string& path, const po::options_description& all, po::variables_map& values) {
  std::ifstream file(path);
  if (!file) return fail(400, "usage", "the configuration file '" + path + "' cannot be read");
  try {
    auto parsed = po::parse_config_file(file, all, true);
    for (const auto& option : parsed.options) {
      if (!option.unregistered) continue;
      auto error = unknown("setting", option.string_key, names_of(all));
      error.message += " in " + path;
      return fail(std::move(error));
    }
    po::store(parsed, values);
  } catch (const po::error& error) {
    return fail(400, "usage", "in " + path + ": " + error.what());
  }
  return {};
}

// Where lectern.conf is: --config, else LECTERN_CONFIG (both must exist), else the default place, if there is one.
std::string config_file(const po::variables_map& flags) {
  if (flags.count("config")) return flags["config"].as<std::string>();
  if (const char* named = std::getenv("LECTERN_CONFIG"); named && *named) return named;
  std::error_code error;
  const auto usual = default_config_file();
  return std::filesystem::exists(usual, error) ? usual.string() : std::string();
}

Status split_root(ServeOptions& options, const std::string& given) {
  namespace fs = std::filesystem;
  std::error_code error;
  const auto path = fs::canonical(given.empty() ? "." : given, error);
  if (error) return fail(400, "usage", "'" + given + "' does not exist", "name an existing folder or notebook");
  if (fs::is_directory(path)) {
    options.root = path;
  } else {
    options.root = path.parent_path();
    options.notebook = path.filename();
  }
  return {};
}

Status take_presence(ServeOptions& options) {
  if (!options.presence_folder.empty()) {
    json::Value config;
    config.set("folder", options.presence_folder);
    options.presence_backends.push_back({"presence-folder", json::write(config)});
  }
  for (const auto& given : options.presence) {
    const auto equals = given.find('=');
    ServeOptions::PresenceBackend backend{given.substr(0, equals), "{}"};
    if (equals != std::string::npos) backend.config = given.substr(equals + 1);
    const auto config = json::parse(backend.config);
    if (backend.id.empty() || !config || !config->is_object()) {
      return fail(400, "usage",
                  "--presence " + text::label(given, 80) + " is no plugin id with a JSON object behind it" +
                      (config ? "" : ": " + config.error().message),
                  R"(for example --presence 'presence-folder={"folder":"/home/me/Sync/lectern"}')");
    }
    options.presence_backends.push_back(std::move(backend));
  }
  return {};
}

Status check_limits(const document::FileLimits& limits) {
  const auto between = [](std::string_view name, std::uint64_t value, std::uint64_t least, std::uint64_t most) {
    if (value >= least && value <= most) return Status();
    return Status(
        fail(400, "usage",
             "--" + std::string(name) + " must be between " + std::to_string(least) + " and " + std::to_string(most)));
  };
  LECTERN_CHECK(between("max-notebook-bytes", limits.max_bytes, 1u << 10, 1ull << 32));
  LECTERN_CHECK(between("max-notebook-cells", limits.max_cells, 1, 10'000'000));
  LECTERN_CHECK(between("max-notebook-depth", limits.max_depth, 8, 1'000));
  return between("max-cell-bytes", limits.max_source_bytes, 1u << 10, 1ull << 30);
}

Status check_values(ServeOptions& options) {
  const auto config = json::parse(options.session.policy_config);
  if (!config || !config->is_object()) {
    return fail(400, "usage", "--policy-config is not a JSON object" + (config ? "" : ": " + config.error().message),
                R"(for example --policy-config '{"secondary":"viewer"}')");
  }
  for (const auto ms :
       {options.session.reservation_lost_ms, options.session.reservation_closed_ms, options.session.session_ttl_ms,
        options.session.ask_pong_ms, options.session.autosave_after_ms, options.session.autosave_at_most_ms}) {
    if (ms < 0) return fail(400, "usage", "durations must not be negative");
  }
  if (!plugin::check_level_from(options.plugin_checks)) {
    return fail(400, "usage", "--plugin-checks is \"" + text::label(options.plugin_checks, 40) + "\"",
                "it can be off, minimal or maximal");
  }
  if (options.isolated_memory_mb < 64 || options.isolated_memory_mb > 1'000'000) {
    return fail(400, "usage", "--isolated-memory-mb must be between 64 and 1000000");
  }
  LECTERN_CHECK(check_limits(options.session.file_limits));
  if (options.session.max_members < 1 || options.session.max_members > 1'000'000) {
    return fail(400, "usage", "--max-members must be between 1 and 1000000");
  }
  if (options.session.models_changes < 1) return fail(400, "usage", "--models-limit must be at least 1");
  constexpr double most_minutes = 525'600;  // a year
  if (!(options.cull_idle_minutes >= 0 && options.cull_idle_minutes <= most_minutes)) {
    return fail(400, "usage", "--cull-idle must be between 0 and 525600 minutes");
  }
  options.session.cull_idle_ms = static_cast<std::int64_t>(options.cull_idle_minutes * 60'000.0);
  if (options.session.autosave_at_most_ms == 0) options.session.autosave = false;
  return take_presence(options);
}

}  // namespace

bool is_loopback(const std::string& bind) {
  if (bind == "localhost" || bind == "::1") return true;
  in_addr v4{};
  return inet_pton(AF_INET, bind.c_str(), &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

Status check_listening(const ServeOptions& options) {
  const auto refuse = [](std::string message, std::string hint) {
    return fail(400, "refused_to_listen", std::move(message), std::move(hint));
  };
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return refuse("TLS needs both a certificate and a key", "give --tls-cert and --tls-key together");
  }
  if (options.no_token && !options.token.empty()) {
    return refuse("--token and --no-token contradict each other", "drop one of them");
  }
  if (is_loopback(options.bind)) return {};
  if (options.no_token) {
    return refuse("--no-token on " + options.bind + " would let everybody on the network in",
                  "remove --no-token, or bind to 127.0.0.1");
  }
  if (options.tls_cert.empty() && !options.tls && !options.insecure_plaintext) {
    return refuse("without TLS everybody on the way to " + options.bind + " can read the token and the notebooks",
                  "add --tls, or --tls-cert FILE --tls-key FILE, or --insecure-plaintext if the network is trusted");
  }
  if (!options.token.empty() && options.token.size() < 16) {
    return refuse("the token has fewer than 16 characters, too few for " + options.bind,
                  "leave --token out for a random one, or choose a longer one");
  }
  return {};
}

namespace {

Result<Parsed<ServeOptions>> read_serve(const std::vector<std::string>& arguments, bool starts) {
  Parsed<ServeOptions> out;
  std::string root;
  po::options_description settings("Settings (each also a key of lectern.conf, and LECTERN_* in the environment)",
                                   line_length);
  add_server_settings(settings, out.options);
  po::options_description flags_only("Also", line_length);
  flags_only.add_options()("config", po::value<std::string>()->value_name("FILE"), "lectern.conf to read")(
      "json", po::bool_switch(&out.options.json), "print the start line as JSON")("help", "show this");
  po::options_description visible(line_length);
  visible.add(settings).add(flags_only);
  po::options_description all;
  all.add(visible).add_options()("root", po::value(&root), "");
  po::positional_options_description positional;
  positional.add("root", 1);

  LECTERN_TRY(const auto flags, parse_flags(arguments, visible, all, positional));
  po::variables_map values;
  try {
    po::store(flags, values);
    if (values.count("help")) {
      std::ostringstream text;
      text << "lectern serve [ROOT|NOTEBOOK] [options]\nServes the notebooks in a folder and prints one URL.\n\n"
           << visible << exit_codes;
      out.help = text.str();
      return out;
    }
    const auto file = config_file(values);
    // A switch that was not given has the default false stored, which must not hide the environment's true: those stay
    // marked as defaulted and are overwritten by program_options itself.
    if (starts) warn_of_environment(settings);
    LECTERN_CHECK(store_environment(settings, values));
    if (!file.empty()) {
      LECTERN_CHECK(store_file(file, settings, values));
      out.options.config = file;
    }
    po::notify(values);
  } catch (const po::error& error) {
    return fail(400, "usage", error.what(), "see lectern serve --help");
  }
  out.options.port_given = values.count("port") > 0;
  out.options.policy_given = values.count("policy") > 0;
  LECTERN_CHECK(split_root(out.options, root));
  LECTERN_CHECK(check_values(out.options));
  LECTERN_CHECK(check_listening(out.options));
  return out;
}

}  // namespace

Result<Parsed<ServeOptions>> parse_serve(const std::vector<std::string>& arguments) {
  return read_serve(arguments, true);
}

Result<ServeOptions> configured() {
  LECTERN_TRY(auto parsed, read_serve({}, false));
  if (parsed.options.state_dir.empty()) parsed.options.state_dir = default_state_dir();
  return std::move(parsed.options);
}

}  // namespace lectern::app
