#include "app/pair_tool.hpp"

#include <termios.h>
#include <unistd.h>

#include <iostream>
#include <string>

#include "api/url.hpp"
#include "app/answer_view.hpp"
#include "app/client.hpp"
#include "app/commands.hpp"
#include "app/duration.hpp"
#include "app/qr.hpp"
#include "presence/pairing.hpp"

namespace lectern::app {
namespace {

bool only_here(const std::string& address) {
  return is_loopback(address.starts_with('[') ? address.substr(1, address.find(']') - 1)
                                              : address.substr(0, address.rfind(':')));
}

std::string allowed(const std::string& scope) {
  if (scope == "admin") return "may do everything";
  if (scope == "edit") return "may read and edit";
  if (scope == "interact") return "may read and use widgets";
  return scope == "view" ? "may read" : "may do nothing";
}

void print_offer(const json::Value& offer) {
  const auto code = text_of(offer, "code");
  std::cout << "Code: " << code << "\nGood for one device, until " << text_of(offer, "expires_at") << "; it "
            << allowed(text_of(offer, "scope")) << " here.\n\nOn the other device:\n";
  std::string drawn;
  bool reachable = false;
  for (const auto& address : array_of(offer, "addresses")) {
    const auto command = "lectern pair " + code + "@" + *address.as_string();
    std::cout << "  " << command << "\n";
    const bool here = only_here(*address.as_string());
    if (drawn.empty() || (!reachable && !here)) drawn = command;
    reachable = reachable || !here;
  }
  std::cout << "or without the code on its command line, where others can read it: lectern pair @HOST\n";
  // For eyes, not for what reads a pipe.
  if (::isatty(STDOUT_FILENO) != 0 && !drawn.empty()) std::cout << "\n" << terminal_qr(drawn);
  if (!reachable) {
    std::cout << "\nThis host answers on this machine alone: for others, serve with --bind 0.0.0.0 --tls.\n";
  }
}

Status offer(const ToolOptions& options, Client& client) {
  json::Value body{json::Object{}};
  if (!options.scope.empty()) body.set("scope", options.scope);
  if (!options.expires.empty()) {
    const auto life = duration(options.expires);
    if (!life) {
      return fail(400, "usage", "--expires is '" + options.expires + "'", "say 90s, 5min or 1h");
    }
    body.set("expires_ms", *life);
  }
  LECTERN_TRY(const auto answer, client.request("POST", "/api/v1/pairing", body));
  if (options.json) {
    std::cout << json::write(answer.body) << "\n";
  } else {
    print_offer(answer.body);
  }
  return {};
}

/// One line of standard input, unseen where it is typed.
std::string asked_for_code() {
  termios before{};
  const bool typed = ::isatty(STDIN_FILENO) != 0 && ::tcgetattr(STDIN_FILENO, &before) == 0;
  if (typed) {
    auto silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    std::cerr << "Code: " << std::flush;
  }
  std::string line;
  std::getline(std::cin, line);
  if (typed) {
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    std::cerr << "\n";
  }
  return line;
}

Status join(const ToolOptions& options, Client& client) {
  const auto& given = options.positional[0];
  const auto at = given.rfind('@');
  if (at == std::string::npos || at + 1 == given.size()) {
    return fail(400, "usage", "'" + given + "' does not say where", "lectern pair CODE@HOST[:PORT]");
  }
  if (!options.expires.empty()) {
    return fail(400, "usage", "--expires is for an offer", "leave it out where a code is accepted");
  }
  const auto code = presence::normal_pairing_code(at == 0 ? asked_for_code() : given.substr(0, at));
  if (code.empty()) {
    return fail(400, "usage", "that is no pairing code", "it has 20 letters and digits, as 'lectern pair' shows them");
  }
  json::Value body;
  body.set("code", code);
  body.set("address", given.substr(at + 1));
  if (!options.scope.empty()) body.set("scope", options.scope);
  LECTERN_TRY(const auto answer, client.request("POST", "/api/v1/pairing/join", body));
  if (options.json) {
    std::cout << json::write(answer.body) << "\n";
  } else {
    std::cout << "Paired with " << text_of(answer.body, "device_name") << " (" << text_of(answer.body, "device_id")
              << "): this device " << allowed(text_of(answer.body, "their_scope")) << " there, that one "
              << allowed(text_of(answer.body, "scope")) << " here.\n";
  }
  return {};
}

}  // namespace

Status run_pair(const ToolOptions& options) {
  LECTERN_TRY(auto client, find_server(options));
  return options.positional.empty() ? offer(options, client) : join(options, client);
}

Result<json::Array> paired_devices(Client& client) {
  auto answer = client.request("GET", "/api/v1/devices");
  if (!answer && answer.error().status == 403) return json::Array();
  if (!answer) return fail(answer.error());
  return array_of(answer->body, "devices");
}

Status run_unpair(const ToolOptions& options) {
  LECTERN_TRY(auto client, find_server(options));
  LECTERN_TRY(const auto devices, paired_devices(client));
  const auto& named = options.positional[0];
  std::string id;
  for (const auto& device : devices) {
    if (text_of(device, "device_id") == named) {
      id = named;
      break;
    }
    if (text_of(device, "device_name") != named) continue;
    if (!id.empty()) {
      return fail(409, "ambiguous", "several paired devices are called '" + named + "'",
                  "name it by its id; 'lectern devices' lists them");
    }
    id = text_of(device, "device_id");
  }
  LECTERN_TRY(const auto answer,
              client.request("DELETE", "/api/v1/devices/" + api::percent_encode(id.empty() ? named : id)));
  (void)answer;
  if (!options.json) std::cout << "Unpaired. What it had open here has ended.\n";
  return {};
}

}  // namespace lectern::app
