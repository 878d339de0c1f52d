#include "app/presence_tool.hpp"

#include <iostream>

#include "api/url.hpp"
#include "app/answer_view.hpp"
#include "app/client.hpp"
#include "app/commands.hpp"
#include "app/pair_tool.hpp"

namespace lectern::app {
namespace {

bool is_true(const json::Value& row, std::string_view key) {
  return text_of(row, key) == "true";
}

/// What is attached is a session here and no more one of others, but lives elsewhere all the same.
bool print_attached(const json::Value& list) {
  bool any = false;
  for (const auto& row : array_of(list, "sessions")) {
    const auto* remote = row.find("remote");
    if (remote == nullptr) continue;
    any = true;
    std::cout << text_of(row, "session_id") << "  " << text_of(row, "title") << "  on "
              << text_of(*remote, "device_name") << "  " << text_of(row, "kernel_state") << ", attached here\n";
  }
  return any;
}

void print_sessions(const json::Value& answer, const json::Value& here) {
  const auto& sessions = array_of(answer, "sessions");
  if (!print_attached(here) && sessions.empty()) std::cout << "No session is live elsewhere.\n";
  for (const auto& row : sessions) {
    std::cout << text_of(row, "session_id") << "  " << text_of(row, "title") << "  on " << text_of(row, "device_name")
              << "  " << text_of(row, "status") << (is_true(row, "needs_input") ? ", needs input" : "")
              << (is_true(row, "stale") ? ", not heard of lately" : "")
              << (is_true(row, "contested") ? ", claimed by several devices" : "") << "  " << text_of(row, "updated_at")
              << "\n";
  }
}

void print_paired(const json::Array& devices) {
  if (!devices.empty()) std::cout << "Paired:\n";
  for (const auto& row : devices) {
    std::cout << text_of(row, "device_id") << "  " << text_of(row, "device_name") << "  here " << text_of(row, "scope")
              << ", there " << text_of(row, "their_scope") << "  since " << text_of(row, "paired_at") << "\n";
  }
}

/// What is wrong, for people: a list that is short for a reason should say so.
void print_troubles(const json::Value& answer) {
  for (const auto& backend : array_of(answer, "backends")) {
    if (!is_true(backend, "ok")) std::cerr << text_of(backend, "id") << ": " << text_of(backend, "problem") << "\n";
  }
  for (const auto& clash : array_of(answer, "clashes")) {
    std::cerr << "another machine writes under this device's id, as " << text_of(clash, "device_name") << "\n";
  }
  for (const auto& rejected : array_of(answer, "rejected")) {
    std::cerr << "not a record: " << text_of(rejected, "origin") << ": " << text_of(rejected, "reason") << "\n";
  }
}

Result<json::Value> ask(const ToolOptions& options, const std::string& route) {
  LECTERN_TRY(auto client, find_server(options));
  LECTERN_TRY(auto answer, client.request("GET", route));
  return std::move(answer.body);
}

}  // namespace

Status run_presence(const ToolOptions& options) {
  LECTERN_TRY(const auto answer, ask(options, "/api/v1/presence"));
  if (options.json) {
    std::cout << json::write(answer) << "\n";
    return {};
  }
  LECTERN_TRY(const auto here, ask(options, "/api/v1/sessions"));
  print_sessions(answer, here);
  print_troubles(answer);
  return {};
}

Status run_devices(const ToolOptions& options) {
  LECTERN_TRY(auto client, find_server(options));
  LECTERN_TRY(const auto paired, paired_devices(client));
  LECTERN_TRY(const auto answer, client.request("GET", "/api/v1/presence"));
  const auto& devices = array_of(answer.body, "devices");
  if (options.json) {
    json::Value out;
    out.set("devices", devices);
    out.set("paired", paired);
    std::cout << json::write(out) << "\n";
    return {};
  }
  if (devices.empty()) std::cout << "No other host was heard of.\n";
  for (const auto& row : devices) {
    std::cout << text_of(row, "device_id") << "  " << text_of(row, "device_name")
              << (is_true(row, "this_device") ? " (this one)" : "") << "  " << text_of(row, "hosts") << " hosts, "
              << text_of(row, "sessions") << " sessions" << (is_true(row, "stale") ? ", not heard of lately" : "")
              << "\n";
  }
  print_paired(paired);
  print_troubles(answer.body);
  return {};
}

namespace {

/// One that is attached already is not in the list any more, and is attached once more for the asking.
Result<std::string> session_to_attach(Client& client, const std::string& named) {
  LECTERN_TRY(const auto answer, client.request("GET", "/api/v1/presence"));
  std::string found, also;
  for (const auto& row : array_of(answer.body, "sessions")) {
    const auto id = text_of(row, "session_id");
    if (id == named) return id;
    if (text_of(row, "title") != named) continue;
    (found.empty() ? found : also) = id;
  }
  if (!also.empty()) {
    return fail(409, "ambiguous", "several sessions elsewhere are called '" + named + "'",
                "name one by its id: 'lectern presence' lists them");
  }
  return found.empty() ? named : found;
}

void show_attached(const Client& client, json::Value info, const ToolOptions& options) {
  const auto page = "session=" + api::percent_encode(text_of(info, "session_id"));
  show_page(client, page, std::move(info), options);
}

/// What names no device that was heard of is taken for an id: the server says what it thinks of it.
Result<std::string> device_called(Client& client, const std::string& named) {
  LECTERN_TRY(const auto answer, client.request("GET", "/api/v1/presence"));
  std::string found;
  for (const auto& row : array_of(answer.body, "devices")) {
    const auto id = text_of(row, "device_id");
    if (id == named) return id;
    if (text_of(row, "device_name") != named) continue;
    if (!found.empty()) {
      return fail(409, "ambiguous", "several devices are called '" + named + "'",
                  "name it by its id; 'lectern devices' lists them");
    }
    found = id;
  }
  return found.empty() ? named : found;
}

}  // namespace

Status run_attach(const ToolOptions& options) {
  LECTERN_TRY(auto client, find_server(options));
  LECTERN_TRY(const auto id, session_to_attach(client, options.positional[0]));
  auto answer =
      client.request("POST", "/api/v1/remote/" + api::percent_encode(id) + "/attach", json::Value(json::Object{}));
  if (!answer) {
    auto error = std::move(answer).error();
    if (error.code == "remote_session_not_found" && error.hint.empty()) {
      error.hint = "'lectern presence' lists the sessions that live elsewhere";
    }
    return fail(std::move(error));
  }
  show_attached(client, std::move(answer->body), options);
  return {};
}

Status run_create_on(const ToolOptions& options) {
  LECTERN_TRY(auto client, find_server(options));
  LECTERN_TRY(const auto device, device_called(client, options.device));
  json::Value body;
  body.set("runtime", options.positional[0]);
  if (options.positional.size() > 1) body.set("path", options.positional[1]);  // of that device's files
  if (options.ephemeral) body.set("ephemeral", true);
  LECTERN_TRY(auto answer, client.request("POST", "/api/v1/remote/" + api::percent_encode(device) + "/create", body));
  show_attached(client, std::move(answer.body), options);
  return {};
}

}  // namespace lectern::app
