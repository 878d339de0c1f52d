#include "app/token_tool.hpp"

#include <boost/program_options.hpp>
#include <iostream>
#include <optional>
#include <sstream>

#include "api/tokens.hpp"
#include "api/url.hpp"
#include "app/answer_view.hpp"
#include "app/client.hpp"
#include "app/commands.hpp"
#include "app/duration.hpp"
#include "app/options.hpp"
#include "base/text.hpp"

namespace lectern::app {
namespace po = boost::program_options;
namespace {

constexpr const char* usage =
    "lectern token [mint] --scope view|interact|edit|admin | lectern token ls | lectern token revoke ID";

struct Options : ToolOptions {
  std::string verb, help, scope, name, expires;
};

Result<Options> parse(const std::vector<std::string>& arguments) {
  Options out;
  po::options_description visible("Options", 100), all;
  auto add = visible.add_options();
  add("scope", po::value(&out.scope)->value_name("SCOPE"), "mint: view, interact, edit or admin");
  add("name", po::value(&out.name)->value_name("NAME"), "mint: whom policies and lists know it as; unique");
  add("session", po::value(&out.session)->value_name("ID"), "mint: good for this session only");
  add("expires", po::value(&out.expires)->value_name("TIME"), "mint: 90s, 30min, 2h, 7d from now; default: never");
  add("server", po::value(&out.server)->value_name("URL"), "the server; default: the running one");
  add("token", po::value(&out.token)->value_name("TEXT"), "its token; default: as known of the running one");
  add("json", po::bool_switch(&out.json), "machine-readable output");
  add("help", "show this");
  all.add(visible).add_options()("argument", po::value(&out.positional), "");
  po::positional_options_description positional;
  positional.add("argument", -1);
  try {
    namespace style = po::command_line_style;
    po::variables_map values;
    po::store(po::command_line_parser(arguments)
                  .options(all)
                  .positional(positional)
                  .style(style::default_style & ~style::allow_guessing)
                  .run(),
              values);
    if (values.count("help") != 0) {
      std::ostringstream text;
      text << usage << "\nMakes, lists and revokes tokens that can never do more than their scope.\n\n"
           << visible
           << "\nExit codes: 0 done; 1 failed; 2 wrong usage; 3 no server reachable; 4 the server said no.\n";
      out.help = text.str();
      return out;
    }
    po::notify(values);
  } catch (const po::error& error) {
    return fail(400, "usage", error.what(), "see lectern token --help");
  }
  out.verb = "mint";
  if (!out.positional.empty()) {
    out.verb = out.positional.front();
    out.positional.erase(out.positional.begin());
  }
  const std::size_t wanted = out.verb == "revoke" ? 1 : 0;
  if ((out.verb != "mint" && out.verb != "ls" && out.verb != "revoke") || out.positional.size() != wanted) {
    return fail(400, "usage", "'lectern token " + out.verb + "' is not understood", usage);
  }
  if (out.verb == "mint" && out.scope.empty()) return fail(400, "usage", "--scope is missing", usage);
  if (!out.scope.empty() && api::scope_of_name(out.scope).value_or(api::Scope::none) == api::Scope::none) {
    return fail(400, "usage", "--scope is '" + text::label(out.scope, 40) + "'", "say view, interact, edit or admin");
  }
  if (!out.expires.empty() && !duration(out.expires)) {
    return fail(400, "usage", "--expires is '" + out.expires + "'", "say 90s, 30min, 2h or 7d");
  }
  return out;
}

void print_row(const json::Value& row) {
  std::cout << text_of(row, "id") << "  " << text_of(row, "scope") << "  " << text_of(row, "principal");
  if (const auto session = text_of(row, "session_id"); !session.empty()) std::cout << "  session " << session;
  if (const auto until = text_of(row, "expires_at"); !until.empty()) std::cout << "  until " << until;
  std::cout << "\n";
}

Status run(const Options& options) {
  LECTERN_TRY(auto client, find_server(options));
  if (options.verb == "revoke") {
    LECTERN_TRY(const auto answer,
                client.request("DELETE", "/api/v1/tokens/" + api::percent_encode(options.positional[0])));
    (void)answer;
    if (!options.json) std::cout << "Revoked.\n";
    return {};
  }
  json::Value body;
  if (options.verb == "mint") {
    body.set("scope", options.scope);
    if (!options.name.empty()) body.set("name", options.name);
    if (!options.session.empty()) body.set("session_id", options.session);
    if (!options.expires.empty()) body.set("expires_ms", *duration(options.expires));
  }
  LECTERN_TRY(const auto answer, client.request(body.is_null() ? "GET" : "POST", "/api/v1/tokens", body));
  if (options.json) {
    std::cout << json::write(answer.body) << "\n";
  } else if (options.verb == "mint") {
    std::cout << text_of(answer.body, "token") << "\n";
  } else if (const auto* rows = answer.body.find("tokens"); rows != nullptr && rows->as_array() != nullptr) {
    for (const auto& row : *rows->as_array()) print_row(row);
  }
  return {};
}

}  // namespace

int run_token_tool(const std::vector<std::string>& arguments) {
  auto options = parse(arguments);
  if (!options) return report(options.error(), wants_json(arguments));
  if (!options->help.empty()) {
    std::cout << options->help;
    return exit_ok;
  }
  auto done = run(*options);
  return done ? exit_ok : report(done.error(), options->json);
}

}  // namespace lectern::app
