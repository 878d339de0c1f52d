// lectern-load: starts a host, loads it over real sockets and prints what it measured, each beside its floor.
//   lectern-load --bin build/release/bin/lectern [--python .venv/bin/python] [--peers bench/peers] [--json out.json]
//     [--brief] [scenario...]
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>
#include <utility>

#include "load/host.hpp"
#include "load/scenarios.hpp"
#include "load/socket.hpp"

namespace load {

void start(const Options& options, Report& report) {
  Samples starts;
  double resident = 0;
  for (int i = 0; i < 10; ++i) {
    Host host(options.binary, {});
    starts.add(static_cast<std::int64_t>(host.start_ms() * 1000));
    host.request("GET", "/health");
    resident = host.resident_mb();
  }
  report.add("start: process to URL printed, listening", starts, {{"max", 100}});
  report.add("start: resident when idle", "MB", resident, {{"value", 15}});
}

namespace {

// A bare echo over loopback TCP in the same process layout: what the kernel and two context switches cost.
Samples tcp_floor(int rounds, std::size_t size) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) give_up("no socket pair");
  std::thread echo([fd = ends[1]] {
    char buffer[4096];
    for (;;) {
      const auto count = ::recv(fd, buffer, sizeof buffer, 0);
      if (count <= 0) return;
      write_all(fd, {buffer, static_cast<std::size_t>(count)});
    }
  });
  Samples samples;
  std::string message(size, 'x');
  for (int i = 0; i < rounds; ++i) {
    const auto from = now_us();
    write_all(ends[0], message);
    std::size_t got = 0;
    char buffer[4096];
    while (got < size) got += static_cast<std::size_t>(::recv(ends[0], buffer, sizeof buffer, 0));
    samples.add(now_us() - from);
  }
  ::shutdown(ends[0], SHUT_RDWR);
  echo.join();
  ::close(ends[0]);
  ::close(ends[1]);
  return samples;
}

}  // namespace

void echo(const Options& options, Report& report) {
  Host host(options.binary, {});
  host.write("n.ipynb", notebook("1"));
  const auto session = host.open("n.ipynb");
  report.add("floor: echo of 64 bytes between two threads", tcp_floor(5000, 64));
  Socket client(host, session);
  Samples samples;
  for (int i = 0; i < 5000; ++i) {
    const auto id = "e" + std::to_string(i);
    const auto from = now_us();
    client.send_text(command(id, "focus", "{\"cell_id\":\"c0\"}"));
    client.until("\"" + id + "\"");
    samples.add(now_us() - from);
  }
  report.add("echo: command to reply over a WebSocket, one client", samples);
}

}  // namespace load

int main(int argc, char** argv) {
  load::Options options;
  std::set<std::string> without;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto value = [&] { return i + 1 < argc ? std::string(argv[++i]) : std::string(); };
    if (word == "--bin") {
      options.binary = value();
    } else if (word == "--python") {
      options.python = value();
    } else if (word == "--peers") {
      options.peers = value();
    } else if (word == "--brief") {
      options.brief = true;
    } else if (word == "--without") {
      without.insert(value());
    } else if (word == "--json") {
      options.json = value();
    } else {
      options.scenarios.push_back(word);
    }
  }
  using Scenario = void (*)(const load::Options&, load::Report&);
  const std::vector<std::pair<std::string, Scenario>> known{
      {"start", load::start},       {"echo", load::echo},
      {"fanout", load::fanout},     {"keystroke", load::keystroke},
      {"typists", load::typists},   {"history", load::history},
      {"takeover", load::takeover}, {"execute", load::execute},
      {"kernels", load::kernels},   {"prints", load::prints},
      {"slider", load::slider},     {"large", load::large},
      {"memory", load::memory},     {"open-memory", load::open_memory},
      {"relay", load::relay}};
  if (options.scenarios.empty()) {
    for (const auto& [name, run] : known) {
      if (!without.contains(name)) options.scenarios.push_back(name);
    }
  }
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;  // a thousand consumers, and the three ends of their floor
  ::setrlimit(RLIMIT_NOFILE, &files);
  load::Report report;
  for (const auto& name : options.scenarios) {
    const auto found = std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.first == name; });
    if (found == known.end()) load::give_up("there is no scenario called " + name);
    found->second(options, report);
  }
  if (!options.json.empty()) std::ofstream(options.json) << report.json() << "\n";
}
