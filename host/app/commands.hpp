// The subcommands. Each returns the process's exit code.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"

namespace lectern::app {

class Client;
struct ToolOptions;

enum ExitCode { exit_ok = 0, exit_failed = 1, exit_usage = 2, exit_unreachable = 3, exit_denied = 4 };

int run_serve(const std::vector<std::string>& arguments);
/// `open create ls takeover policy plugins new-plugin version`
int run_tool(const std::string& command, const std::vector<std::string>& arguments);

/// [control] The server that `options` name, else the running one: that which serves `path` first, the newest
/// otherwise. Status 0 `unreachable` when there is none.
Result<Client> find_server(const ToolOptions& options, const std::string& path = {});
/// [any] Whether errors are to be bodies; also of arguments that were not understood.
bool wants_json(const std::vector<std::string>& arguments);
/// Shows an error on standard error, as text or (with `json`) as the API's error body; returns its exit code.
int report(const Error& error, bool json);
/// Starts the desktop's browser, if there is a desktop; never waits for it.
void open_browser(const std::string& url);
/// [control] Prints the address of the page that `query` names on that server, or with --json `info` with it as `url`,
/// and opens it unless the options say otherwise.
void show_page(const Client& client, const std::string& query, json::Value info, const ToolOptions& options);

}  // namespace lectern::app
