// The flags of the commands that talk to a running server.
#include <boost/program_options.hpp>
#include <map>
#include <sstream>

#include "app/options.hpp"
#include "base/text.hpp"

namespace lectern::app {
namespace po = boost::program_options;
namespace {

struct Tool {
  std::string usage, about;
  std::size_t least, most;  // positional arguments
};

const std::map<std::string, Tool>& tools() {
  static const std::map<std::string, Tool> all = {
      {"open", {"lectern open NOTEBOOK", "Opens a notebook on the running server and prints its address.", 1, 1}},
      {"create",
       {"lectern create RUNTIME [PATH] [--on DEVICE]",
        "Creates a notebook (RUNTIME is <plugin>/<kernel>, as jupyter/python3) and opens it; with --on, on another "
        "device, and attaches it.",
        1, 2}},
      {"ls", {"lectern ls", "Lists the running servers and their live sessions.", 0, 0}},
      {"kernels",
       {"lectern kernels [--end [SESSION]]",
        "Lists the kernels that were started to outlive their host (serve --keep-kernels); with --end, ends those that "
        "no "
        "host speaks for, or the one of this session. Needs no server.",
        0, 1}},
      {"presence",
       {"lectern presence",
        "Lists the sessions that live in other hosts of yours, and which way to learn of them fails.", 0, 0}},
      {"attach",
       {"lectern attach SESSION|TITLE",
        "Makes a session that lives in another host of yours one of the running server's, and prints its address; "
        "DELETE /api/v1/sessions/ID lets it go.",
        1, 1}},
      {"devices",
       {"lectern devices",
        "Lists the devices that the running server heard of, with or without sessions, and those it is paired with.", 0,
        0}},
      {"pair",
       {"lectern pair [CODE@HOST[:PORT]]",
        "Shows a code with which one other device may be let in; or, with the code of another device and where it is, "
        "accepts. Each then has what the other may do here as its scope.",
        0, 1}},
      {"unpair", {"lectern unpair DEVICE", "Ends a pairing: what that device has open here ends at once.", 1, 1}},
      {"history",
       {"lectern history NOTEBOOK [VERSION]",
        "Lists who changed a notebook and when, the newest first; with a version, what differs from it to now.", 1, 2}},
      {"restore",
       {"lectern restore NOTEBOOK VERSION",
        "Makes the cells what they were in a version (a number of lectern history, 'file', or a kept copy), as a new "
        "change; outputs stay. Takes the pen for it, and gives it back.",
        2, 2}},
      {"takeover",
       {"lectern takeover SESSION|NOTEBOOK", "Takes the pen of a session, or asks for it where the policy wants that.",
        1, 1}},
      {"policy",
       {"lectern policy [ID] | test | explain | replay | record",
        "Shows the policy, or swaps it for ID; nobody is disconnected. The verbs try policies on scenario files and "
        "recorded rooms; each has --help.",
        0, 1}},
      {"token",
       {"lectern token mint | ls | revoke", "Makes, lists and revokes tokens that can do no more than their scope.", 0,
        1}},
      {"plugins",
       {"lectern plugins [trust|untrust FILE.so | reload ID]",
        "Lists what was found, what was refused and why; or says that a library may run inside the host (its "
        "content, that is: a new build is another one). Needs no server. With reload, the running server takes what "
        "lies on disk now; a policy is swapped in every session that uses it.",
        0, 2}},
      {"new-plugin",
       {"lectern new-plugin --kind KIND ID",
        "Makes the source of a plugin from a template (policy, transport, format, presence, runtime); needs no server.",
        1, 1}},
      {"version", {"lectern version", "Prints the version.", 0, 0}},
  };
  return all;
}

constexpr std::string_view exit_codes =
    "\nExit codes: 0 done; 1 failed; 2 wrong usage; 3 no server reachable; 4 the server said no.\n";

void add_flags(const std::string& command, po::options_description& all, ToolOptions& out) {
  if (command != "plugins" && command != "version" && command != "new-plugin" && command != "kernels") {
    all.add_options()  //
        ("server", po::value(&out.server)->value_name("URL"), "the server; default: the running one")(
            "token", po::value(&out.token)->value_name("TEXT"), "its token; default: as known of the running one");
  }
  if (command == "open" || command == "create" || command == "attach") {
    all.add_options()("no-browser", po::bool_switch(&out.no_browser), "only print the address");
  }
  if (command == "create") {
    all.add_options()("ephemeral", po::bool_switch(&out.ephemeral), "no file until it is saved somewhere")(
        "on", po::value(&out.device)->value_name("DEVICE"), "another device, by id or name (lectern devices)");
  }
  if (command == "history") {
    all.add_options()("before", po::value(&out.before)->value_name("VERSION"), "only versions before this one")(
        "limit", po::value(&out.limit)->value_name("N")->default_value(50), "how many (at most 200)")(
        "against", po::value(&out.against)->value_name("VERSION"),
        "compare VERSION with this one instead of now; also 'previous' and 'file'")(
        "blame", po::value(&out.cell)->value_name("ID"), "who wrote this cell, line by line");
  }
  if (command == "restore") {
    all.add_options()("cell", po::value(&out.cell)->value_name("ID"), "only this cell")(
        "take-pen", po::bool_switch(&out.take_pen), "also when somebody is editing: takes the pen from them");
  }
  if (command == "kernels") {
    all.add_options()("end", po::bool_switch(&out.end), "end them")(
        "state-dir", po::value(&out.state_dir)->value_name("DIR"), "of the hosts that started them");
  }
  if (command == "pair") {
    all.add_options()("scope", po::value(&out.scope)->value_name("SCOPE"),
                      "what the other device may do here: view, interact, edit or admin (default: edit for an offer, "
                      "view where one is accepted; there also none)")(
        "expires", po::value(&out.expires)->value_name("TIME"),
        "how long the code is good, as 90s or 1h (default 5min)");
  }
  if (command == "takeover") {
    all.add_options()("if-epoch", po::value(&out.if_epoch)->value_name("N"), "only if the room's epoch is still N")(
        "reason", po::value(&out.reason)->value_name("TEXT"), "shown to whoever is asked")(
        "wait-ms", po::value(&out.wait_ms)->value_name("MS")->default_value(30'000),
        "how long to wait for an answer (at most 60000)");
  }
  if (command == "policy") {
    all.add_options()("session", po::value(&out.session)->value_name("ID"), "of this session only")(
        "config", po::value(&out.config)->value_name("JSON"), "settings of the policy")(
        "dry-run", po::bool_switch(&out.dry_run), "swap nothing; say what ID would decide otherwise")(
        "watch-ms", po::value(&out.watch_ms)->value_name("MS")->default_value(0),
        "with --dry-run: also on what happens in this time (at most 20000)");
  }
  if (command == "plugins") {
    all.add_options()("live", po::bool_switch(&out.live), "ask the running server what it has loaded, and how it does")(
        "server", po::value(&out.server)->value_name("URL"), "ask this one")(
        "token", po::value(&out.token)->value_name("TEXT"), "its token; default: as known of the running one")(
        "plugin-path", po::value(&out.plugin_path)->value_name("DIR"),
        "one more folder with plugins, searched first; repeatable");
  }
  if (command == "new-plugin") {
    all.add_options()("kind", po::value(&out.kind)->value_name("KIND"),
                      "policy, transport, format, presence or runtime")(
        "lang", po::value(&out.lang)->value_name("LANG")->default_value("c++"), "c++, or for a policy c")(
        "into", po::value(&out.into)->value_name("DIR"), "the folder to make; default: one called ID")(
        "templates", po::value(&out.templates)->value_name("DIR"), "templates of another SDK than this host's");
  }
  all.add_options()("json", po::bool_switch(&out.json), "machine-readable output")("help", "show this");
}

}  // namespace

const std::vector<std::string>& command_names() {
  static const std::vector<std::string> names = {"serve",    "open",    "create", "ls",      "kernels",    "presence",
                                                 "attach",   "devices", "pair",   "unpair",  "history",    "restore",
                                                 "takeover", "policy",  "token",  "plugins", "new-plugin", "version"};
  return names;
}

std::string overview() {
  std::string out =
      "Lectern, a notebook session host.\n\n  lectern serve [ROOT|NOTEBOOK]\n      Serves the notebooks "
      "in a folder and prints one URL.\n";
  for (const auto& name : command_names()) {
    const auto it = tools().find(name);
    if (it != tools().end()) out += "  " + it->second.usage + "\n      " + it->second.about + "\n";
  }
  return out + "\nEach has --help and --json.\n" + std::string(exit_codes.substr(1));
}

Result<Parsed<ToolOptions>> parse_tool(const std::string& command, const std::vector<std::string>& arguments) {
  const auto& tool = tools().at(command);
  Parsed<ToolOptions> out;
  po::options_description visible("Options", 100);
  add_flags(command, visible, out.options);
  po::options_description all;
  all.add(visible).add_options()("argument", po::value(&out.options.positional), "");
  po::positional_options_description positional;
  positional.add("argument", -1);
  const auto see = "see lectern " + command + " --help";
  try {
    namespace style = po::command_line_style;
    po::variables_map values;
    po::store(po::command_line_parser(arguments)
                  .options(all)
                  .positional(positional)
                  .style(style::default_style & ~style::allow_guessing)
                  .run(),
              values);
    if (values.count("help")) {
      std::ostringstream text;
      text << tool.usage << " [options]\n" << tool.about << "\n\n" << visible << exit_codes;
      out.help = text.str();
      return out;
    }
    po::notify(values);
    out.options.has_epoch = values.count("if-epoch") > 0;
  } catch (const po::unknown_option& error) {
    std::vector<std::string> names;
    for (const auto& option : visible.options()) names.push_back(option->long_name());
    auto name = error.get_option_name();
    name.erase(0, name.find_first_not_of('-'));
    const auto near = text::nearest(name, names);
    return fail(400, "usage", "unknown option '--" + name + "'", near.empty() ? see : "did you mean '--" + near + "'?");
  } catch (const po::error& error) {
    return fail(400, "usage", error.what(), see);
  }
  const auto given = out.options.positional.size();
  if (given < tool.least || given > tool.most) {
    return fail(400, "usage", given < tool.least ? "an argument is missing" : "too many arguments", tool.usage);
  }
  return out;
}

}  // namespace lectern::app
