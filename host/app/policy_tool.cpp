#include "app/policy_tool.hpp"

#include <stdlib.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>

#include "api/url.hpp"
#include "app/client.hpp"
#include "app/commands.hpp"
#include "app/options.hpp"
#include "app/paths.hpp"
#include "plugin/registry.hpp"
#include "policy_lab/replay.hpp"
#include "policy_lab/scenario.hpp"

namespace lectern::app {
namespace fs = std::filesystem;
namespace po = boost::program_options;
namespace {

struct Verb {
  const char *usage, *about;
};

const std::map<std::string, Verb>& verbs() {
  static const std::map<std::string, Verb> all = {
      {"test",
       {"lectern policy test [POLICY] SCENARIO.yaml...",
        "Plays scenarios with a policy (an id or a .so file; else the one each file names) and says what went wrong."}},
      {"explain",
       {"lectern policy explain [POLICY] SCENARIO.yaml...",
        "Plays scenarios and says of each event what the policy decided, with reasons and epochs."}},
      {"replay",
       {"lectern policy replay ROOM.jsonl [--policy POLICY]",
        "Puts the events of a recorded room to the recorded policy again, or to another one, and says what differs."}},
      {"record",
       {"lectern policy record SESSION", "Prints what the policy of a live session decided lately, for replay."}},
  };
  return all;
}

constexpr std::string_view exit_codes =
    "\nExit codes: 0 all as expected; 1 a scenario failed, or a replay differs; 2 wrong usage, a file that cannot be\n"
    "understood or a policy that cannot be loaded; 3 no server reachable; 4 the server said no.\n";

struct Options : ToolOptions {
  std::string verb, help;
  bool isolated = false;
};

Result<Options> parse(const std::vector<std::string>& arguments) {
  Options out;
  out.verb = arguments[0];
  const auto& verb = verbs().at(out.verb);
  po::options_description visible("Options", 100), all;
  auto add = visible.add_options();
  if (out.verb == "record") {
    add("server", po::value(&out.server)->value_name("URL"), "the server; default: the running one");
    add("token", po::value(&out.token)->value_name("TEXT"), "its token; default: as known of the running one");
  } else {
    add("config", po::value(&out.config)->value_name("JSON"), "settings of the policy instead of the file's");
    add("isolate", po::bool_switch(&out.isolated), "run each policy in a process of its own, trusted or not");
    add("plugin-path", po::value(&out.plugin_path)->value_name("DIR"),
        "one more folder with plugins, searched first; repeatable");
  }
  if (out.verb == "replay") add("policy", po::value(&out.policy)->value_name("POLICY"), "an id or a .so file");
  add("json", po::bool_switch(&out.json), "machine-readable output");
  add("help", "show this");
  all.add(visible).add_options()("argument", po::value(&out.positional), "");
  po::positional_options_description positional;
  positional.add("argument", -1);
  try {
    namespace style = po::command_line_style;
    po::variables_map values;
    po::store(po::command_line_parser(std::vector<std::string>(arguments.begin() + 1, arguments.end()))
                  .options(all)
                  .positional(positional)
                  .style(style::default_style & ~style::allow_guessing)
                  .run(),
              values);
    if (values.count("help") != 0) {
      std::ostringstream text;
      text << verb.usage << " [options]\n" << verb.about << "\n\n" << visible << exit_codes;
      out.help = text.str();
      return out;
    }
    po::notify(values);
  } catch (const po::error& error) {
    return fail(400, "usage", error.what(), "see lectern policy " + out.verb + " --help");
  }
  if (out.verb != "record") {
    LECTERN_TRY(auto host, configured());
    std::move(host.plugin_path.begin(), host.plugin_path.end(), std::back_inserter(out.plugin_path));
  }
  const bool one = out.verb == "record" || out.verb == "replay";
  if (out.positional.empty() || (one && out.positional.size() > 1)) {
    return fail(400, "usage", out.positional.empty() ? "an argument is missing" : "too many arguments", verb.usage);
  }
  return out;
}

/// Loads policies; its copies of libraries go with it.
class Bench {
 public:
  explicit Bench(const Options& options) : options_(options) {
    std::string name = (fs::temp_directory_path() / "lectern-policy-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) staging_ = name;
  }
  ~Bench() {
    registries_.clear();
    std::error_code ignored;
    if (!staging_.empty()) fs::remove_all(staging_, ignored);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  /// `named` is an id, or the path of a .so whose manifest lies beside it.
  Result<plugin::PolicyPtr> policy(const std::string& named, const std::string& config) {
    if (staging_.empty()) return fail(500, "io", "no folder can be made under " + fs::temp_directory_path().string());
    const bool is_file = named.find('/') != std::string::npos || named.ends_with(".so");
    if (is_file && !fs::exists(named)) return fail(404, "plugin_missing", "there is no file " + named);
    const auto id = is_file ? fs::path(named).stem().string() : named;
    LECTERN_TRY(const auto generation,
                registry(is_file ? fs::absolute(named).parent_path() : fs::path(), id).load(plugin::Kind::policy, id));
    return plugin::Policy::create(generation, options_.config.empty() ? config : options_.config);
  }

 private:
  /// As a host that serves: what nobody trusted gets a process of its own.
  plugin::Registry& registry(const fs::path& folder, const std::string& id) {
    auto& known = registries_[folder.string() + "\n" + (options_.isolated ? id : std::string())];
    if (!known) {
      plugin::RegistryOptions places;
      places.search = plugin_search(options_.plugin_path);
      if (!folder.empty()) places.search.insert(places.search.begin(), folder);
      places.staging = staging_;
      places.trust = trust_lists();
      places.plugin_host = isolation::plugin_host_program();
      if (options_.isolated) places.isolate = {id};
      known = std::make_unique<plugin::Registry>(std::move(places));
    }
    return *known;
  }
  const Options& options_;
  fs::path staging_;
  std::map<std::string, std::unique_ptr<plugin::Registry>> registries_;
};

json::Value strings(const std::vector<std::string>& texts) {
  json::Array out;
  for (const auto& text : texts) out.emplace_back(text);
  return json::Value(std::move(out));
}

json::Value to_json(const policy_lab::Outcome& outcome, const std::string& file) {
  json::Value out;
  out.set("file", file);
  out.set("line", outcome.line);
  out.set("name", outcome.name);
  out.set("passed", outcome.passed());
  json::Array steps;
  for (const auto& step : outcome.steps) {
    json::Value row;
    row.set("line", step.line);
    row.set("when", step.when);
    row.set("before", step.before);
    row.set("decided", strings(step.decided));
    row.set("wrong", strings(step.wrong));
    steps.push_back(std::move(row));
  }
  out.set("steps", std::move(steps));
  return out;
}

void print(const policy_lab::Outcome& outcome, const std::string& file, bool explain) {
  if (!explain && outcome.passed()) {
    std::cout << "ok      " << outcome.name << "\n";
    return;
  }
  std::cout << (explain ? "\n" : "FAILED  ") << outcome.name << "  (" << file << ":" << outcome.line << ")\n";
  for (const auto& step : outcome.steps) {
    if (!explain && step.wrong.empty()) continue;
    std::cout << "  " << step.when << "  (line " << step.line << ")\n      before: " << step.before << "\n";
    for (const auto& fact : step.decided) std::cout << "      " << fact << "\n";
    if (step.decided.empty()) std::cout << "      nothing changes\n";
    for (const auto& wrong : step.wrong) std::cout << "    ! " << wrong << "\n";
  }
}

Result<int> run_scenarios(const Options& options) {
  const bool explain = options.verb == "explain";
  auto files = options.positional;
  std::string named;
  const auto& first = files.front();
  if (!first.ends_with(".yaml") && !first.ends_with(".yml")) {
    named = first;
    files.erase(files.begin());
  }
  if (files.empty()) return fail(400, "usage", "a scenario file is missing", verbs().at(options.verb).usage);
  Bench bench(options);
  std::size_t passed = 0, failed = 0;
  json::Array rows;
  for (const auto& path : files) {
    LECTERN_TRY(const auto file, policy_lab::read_scenarios(path));
    const auto& policy_name = named.empty() ? file.policy : named;
    if (policy_name.empty()) {
      return fail(400, "usage", path + " names no policy",
                  "say which: lectern policy " + options.verb + " POLICY " + path);
    }
    for (const auto& scenario : file.scenarios) {
      LECTERN_TRY(auto policy, bench.policy(policy_name, scenario.config));
      auto outcome = policy_lab::play(scenario, std::move(policy), explain);
      if (!outcome) {
        auto error = std::move(outcome).error();
        error.message = path + ": " + error.message;
        return fail(std::move(error));
      }
      ++(outcome->passed() ? passed : failed);
      options.json ? rows.push_back(to_json(*outcome, path)) : print(*outcome, path, explain);
    }
  }
  if (options.json) {
    json::Value out;
    out.set("passed", passed);
    out.set("failed", failed);
    out.set("scenarios", std::move(rows));
    std::cout << json::write(out) << "\n";
  } else if (!explain) {
    std::cout << passed << " passed, " << failed << " failed\n";
  }
  return failed == 0 || explain ? exit_ok : exit_failed;
}

void print(const policy_lab::Replayed& line, const std::string& other) {
  std::cout << line.seq << "  " << line.event << "\n      before: " << line.situation << "\n";
  const auto list = [](const std::string& who, const std::vector<std::string>& effects) {
    std::cout << "      " << who << (effects.empty() ? ": nothing\n" : ":\n");
    for (const auto& effect : effects) std::cout << "        " << effect << "\n";
  };
  list("recorded (" + line.policy + ")", line.recorded);
  list("now (" + other + ")", line.again);
}

json::Value to_json(const policy_lab::Replayed& line, const std::string& other) {
  json::Value out;
  out.set("seq", line.seq);
  out.set("event", line.event);
  out.set("before", line.situation);
  out.set("policy", line.policy);
  out.set("recorded", strings(line.recorded));
  out.set("replayed_by", other);
  out.set("replayed", strings(line.again));
  out.set("same", line.same);
  return out;
}

Result<int> run_replay(const Options& options) {
  LECTERN_TRY(const auto decisions, policy_lab::read_recording(options.positional[0]));
  Bench bench(options);
  std::size_t same = 0, different = 0;
  json::Array rows;
  // Without another policy each stretch of the recording goes to the policy that decided it.
  for (std::size_t at = 0; at < decisions.size();) {
    auto end = at + 1;
    const auto& head = decisions[at];
    while (end < decisions.size() && (!options.policy.empty() ||
                                      (decisions[end].policy == head.policy && decisions[end].config == head.config))) {
      ++end;
    }
    const auto& named = options.policy.empty() ? head.policy : options.policy;
    LECTERN_TRY(const auto policy, bench.policy(named, options.policy.empty() ? head.config : "{}"));
    const auto lines = policy_lab::replay(
        {decisions.begin() + static_cast<std::ptrdiff_t>(at), decisions.begin() + static_cast<std::ptrdiff_t>(end)},
        *policy);
    for (const auto& line : lines) {
      ++(line.same ? same : different);
      if (options.json) rows.push_back(to_json(line, policy->id()));
      if (!options.json && !line.same) print(line, policy->id());
    }
    at = end;
  }
  if (options.json) {
    json::Value out;
    out.set("same", same);
    out.set("different", different);
    out.set("events", std::move(rows));
    std::cout << json::write(out) << "\n";
  } else {
    std::cout << same << " decisions the same, " << different << " different\n";
  }
  return different == 0 ? exit_ok : exit_failed;
}

Result<int> run_record(const Options& options) {
  LECTERN_TRY(auto client, find_server(options));
  LECTERN_TRY(
      const auto answer,
      client.request("GET", "/api/v1/sessions/" + api::percent_encode(options.positional[0]) + "/policy/record"));
  std::cout << answer.text;
  return exit_ok;
}

}  // namespace

bool is_policy_tool(const std::string& word) {
  return verbs().count(word) != 0;
}

int run_policy_tool(const std::vector<std::string>& arguments) {
  auto options = parse(arguments);
  if (!options) return report(options.error(), wants_json(arguments));
  if (!options->help.empty()) {
    std::cout << options->help;
    return exit_ok;
  }
  auto done = options->verb == "record"   ? run_record(*options)
              : options->verb == "replay" ? run_replay(*options)
                                          : run_scenarios(*options);
  if (done) return *done;
  const auto code = report(done.error(), options->json);
  return options->verb == "record" ? code : exit_usage;
}

}  // namespace lectern::app
