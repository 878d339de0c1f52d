#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "api/http.hpp"
#include "api/url.hpp"
#include "app/client.hpp"
#include "app/commands.hpp"
#include "app/options.hpp"

extern char** environ;

namespace lectern::app {
namespace {

int code_of(const Error& error) {
  if (error.code == "usage" || error.code == "refused_to_listen" || error.code == "bad_bind" ||
      error.code == "unknown_kind") {
    return exit_usage;
  }
  if (error.code == "port_taken") return exit_failed;  // a conflict, but no server's word
  switch (error.status) {
    case 0:
      return exit_unreachable;
    case 401:
    case 403:
    case 409:
    case 423:
      return exit_denied;
    default:
      return exit_failed;
  }
}

}  // namespace

bool wants_json(const std::vector<std::string>& arguments) {
  return std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
}

int report(const Error& error, bool json) {
  if (json) {
    std::cerr << api::error_response(error).body << "\n";
  } else {
    std::cerr << "lectern: " << error.message << "\n";
    if (!error.hint.empty()) std::cerr << "  " << error.hint << "\n";
  }
  return code_of(error);
}

void open_browser(const std::string& url) {
  const bool desktop = std::getenv("DISPLAY") || std::getenv("WAYLAND_DISPLAY");
  if (!desktop || !::isatty(STDOUT_FILENO)) return;
  // The grandchild belongs to init, so nobody has to wait for the browser.
  const std::string script = "xdg-open \"$1\" >/dev/null 2>&1 </dev/null &";
  const char* const arguments[] = {"sh", "-c", script.c_str(), "sh", url.c_str(), nullptr};
  pid_t child = 0;
  if (::posix_spawnp(&child, "sh", nullptr, nullptr, const_cast<char* const*>(arguments), environ) == 0) {
    ::waitpid(child, nullptr, 0);
  }
}

void show_page(const Client& client, const std::string& query, json::Value info, const ToolOptions& options) {
  const auto& server = client.server();
  auto url = server.url.substr(0, server.url.find('?'));
  while (!url.empty() && url.back() == '/') url.pop_back();
  url += "/?" + query;
  if (!server.token.empty()) url += "&token=" + api::percent_encode(server.token);
  if (options.json) {
    info.set("url", url);
    std::cout << json::write(info) << "\n";
  } else {
    std::cout << url << "\n";
  }
  if (!options.no_browser) open_browser(url);
}

}  // namespace lectern::app
