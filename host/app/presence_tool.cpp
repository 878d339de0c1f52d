#include "app/presence_tool.hpp"

#include <iostream>

#include "app/answer_view.hpp"
#include "app/client.hpp"
#include "app/commands.hpp"

namespace lectern::app {
namespace {

bool is_true(const json::Value& row, std::string_view key) {
  return text_of(row, key) == "true";
}

void print_sessions(const json::Value& answer) {
  const auto& sessions = array_of(answer, "sessions");
  if (sessions.empty()) std::cout << "No session is live elsewhere.\n";
  for (const auto& row : sessions) {
    std::cout << text_of(row, "session_id") << "  " << text_of(row, "title") << "  on " << text_of(row, "device_name")
              << "  " << text_of(row, "status") << (is_true(row, "needs_input") ? ", needs input" : "")
              << (is_true(row, "stale") ? ", not heard of lately" : "")
              << (is_true(row, "contested") ? ", claimed by several devices" : "") << "  " << text_of(row, "updated_at")
              << "\n";
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

Result<json::Value> ask(const ToolOptions& options) {
  LECTERN_TRY(auto client, find_server(options));
  LECTERN_TRY(auto answer, client.request("GET", "/api/v1/presence"));
  return std::move(answer.body);
}

}  // namespace

Status run_presence(const ToolOptions& options) {
  LECTERN_TRY(const auto answer, ask(options));
  if (options.json) {
    std::cout << json::write(answer) << "\n";
    return {};
  }
  print_sessions(answer);
  print_troubles(answer);
  return {};
}

Status run_devices(const ToolOptions& options) {
  LECTERN_TRY(const auto answer, ask(options));
  const auto& devices = array_of(answer, "devices");
  if (options.json) {
    json::Value out;
    out.set("devices", devices);
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
  print_troubles(answer);
  return {};
}

}  // namespace lectern::app
