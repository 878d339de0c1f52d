// lectern: the command line.
#include <iostream>
#include <string>
#include <vector>

#include "app/commands.hpp"
#include "app/options.hpp"
#include "base/text.hpp"

int main(int count, char** values) {
  using namespace lectern;
  std::vector<std::string> arguments(values + 1, values + count);
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    std::cout << app::overview();
    return arguments.empty() ? app::exit_usage : app::exit_ok;
  }
  auto command = arguments[0];
  if (command == "--version") command = "version";
  arguments.erase(arguments.begin());
  if (command == "serve") return app::run_serve(arguments);
  for (const auto& name : app::command_names()) {
    if (name == command) return app::run_tool(command, arguments);
  }
  const auto near = text::nearest(command, app::command_names());
  return app::report({400, "usage", "unknown command '" + text::label(command, 80) + "'",
                      near.empty() ? "see lectern --help" : "did you mean '" + near + "'?", ""},
                     app::wants_json(arguments));
}
