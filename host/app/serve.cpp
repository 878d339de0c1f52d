#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <iostream>

#include "api/url.hpp"
#include "app/commands.hpp"
#include "app/host.hpp"
#include "app/options.hpp"
#include "base/json.hpp"
#include "base/log.hpp"

namespace lectern::app {
namespace {

std::array<int, 2> signal_pipe{-1, -1};
volatile sig_atomic_t stopping = 0;

// Only what is safe in a handler: the second signal ends the process at once.
void on_signal(int number) {
  if (stopping) ::_exit(128 + number);
  stopping = 1;
  const char byte = 0;
  [[maybe_unused]] const auto written = ::write(signal_pipe[1], &byte, 1);
}

Status catch_signals() {
  if (::pipe2(signal_pipe.data(), O_CLOEXEC) != 0) return fail(500, "pipe", "no pipe for signals could be made");
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(number, &action, nullptr);
  return {};
}

void wait_for_signal() {
  pollfd waiting{signal_pipe[0], POLLIN, 0};
  while (::poll(&waiting, 1, -1) < 0) {
  }
}

std::string start_url(const Host& host, const ServeOptions& options) {
  std::string query;
  if (!options.notebook.empty()) query += "?path=" + api::percent_encode(options.notebook, true);
  if (!host.token().empty()) query += (query.empty() ? "?token=" : "&token=") + api::percent_encode(host.token());
  return host.url() + "/" + query;
}

void print_start(const Host& host, const ServeOptions& options, const std::string& url) {
  if (options.json) {
    json::Value out;
    out.set("url", url);
    out.set("server", host.url());
    out.set("port", static_cast<unsigned>(host.port()));
    out.set("token", host.token());
    out.set("pid", static_cast<long>(::getpid()));
    std::cout << json::write(out) << std::endl;
  } else {
    std::cout << "Lectern is at " << url << std::endl;
  }
}

}  // namespace

int run_serve(const std::vector<std::string>& arguments) {
  auto parsed = parse_serve(arguments);
  if (!parsed) return report(parsed.error(), wants_json(arguments));
  if (!parsed->help.empty()) {
    std::cout << parsed->help;
    return exit_ok;
  }
  const auto& options = parsed->options;
  log::set_level(options.verbose ? log::Level::debug : log::Level::warning);
  if (auto ready = catch_signals(); !ready) return report(ready.error(), options.json);
  auto host = Host::start(options);
  if (!host) return report(host.error(), options.json);
  const auto url = start_url(**host, options);
  print_start(**host, options, url);
  if (!options.no_browser) open_browser(url);
  wait_for_signal();
  (*host)->shutdown();
  return exit_ok;
}

}  // namespace lectern::app
