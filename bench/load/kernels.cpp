// A hundred kernels at once that cost nothing themselves: what the host costs in front of them.
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>

#include "load/crowd.hpp"
#include "load/host.hpp"
#include "load/scenarios.hpp"
#include "load/socket.hpp"
#include "load/usage.hpp"

namespace load {
namespace {

constexpr int cells = 10;  // run in turn: a cell that still waits is not queued twice

struct Notebook {
  std::deque<std::pair<int, std::int64_t>> running;  // cell, and when it was asked for
  int next = 0;
  std::uint64_t expected = 0;  // the number of the next tick
  std::size_t wrong = 0, refused = 0;

  /// Each run prints the number that follows the one before it: what is missing or doubled shows.
  void look_at_ticks(const std::string& message) {
    for (auto at = message.find("tick-"); at != std::string::npos; at = message.find("tick-", at + 5)) {
      if (std::strtoull(message.c_str() + at + 5, nullptr, 10) != expected) ++wrong;
      ++expected;
    }
  }
};

class Runs {
 public:
  Runs(Host& host, int notebooks) {
    sockets_.reserve(static_cast<std::size_t>(notebooks));
    for (int i = 0; i < notebooks; ++i) {
      const auto name = "n" + std::to_string(i) + ".ipynb";
      host.write(name, notebook("tick", cells, "[]", "stub"));
      sockets_.emplace_back(host, host.open(name));
    }
    notebooks_.resize(sockets_.size());
  }

  void start_kernels() {
    for (std::size_t i = 0; i < sockets_.size(); ++i) send(i);
    Crowd crowd(sockets_);
    gather(crowd, now_us() + 60'000'000);
    samples = {};
  }

  /// Each notebook runs a cell every `pause_us`, the notebooks one after the other in even steps.
  void run(std::int64_t pause_us, std::int64_t for_us) {
    Crowd crowd(sockets_);
    const auto step = pause_us / static_cast<std::int64_t>(sockets_.size());
    const auto begin = now_us();
    std::size_t who = 0;
    for (auto due = begin; due < begin + for_us; due += step, who = (who + 1) % sockets_.size()) {
      while (now_us() < due) crowd.read(due, taking());
      send(who);
    }
    gather(crowd, now_us() + 5'000'000);
  }

  [[nodiscard]] std::size_t lost() const {
    std::size_t count = 0;
    for (const auto& one : notebooks_) count += one.running.size() + one.wrong + one.refused;
    return count;
  }

  Samples samples;  // from the request to "idle"
  std::size_t asked = 0;

 private:
  void send(std::size_t who) {
    auto& one = notebooks_[who];
    const auto cell = one.next++ % cells;
    one.running.emplace_back(cell, now_us());
    sockets_[who].send_text(command("x" + std::to_string(one.next), "execute",
                                    R"({"cell_ids":["c)" + std::to_string(cell) + "\"]}", sockets_[who].epoch()));
    ++asked;
  }

  std::function<void(std::size_t, const Message&)> taking() {
    return [this](std::size_t who, const Message& message) { take(notebooks_[who], message.bytes); };
  }

  void take(Notebook& one, const std::string& message) {
    if (message.find("\"ok\":false") != std::string::npos) ++one.refused;
    if (message.find("\"cell-op\"") == std::string::npos) return;
    one.look_at_ticks(message);
    if (message.find("\"status\":\"idle\"") == std::string::npos || one.running.empty()) return;
    const auto [cell, sent] = one.running.front();
    if (message.find("\"cell_id\":\"c" + std::to_string(cell) + "\"") == std::string::npos) {
      ++one.wrong;
      return;
    }
    samples.add(now_us() - sent);
    one.running.pop_front();
  }

  void gather(Crowd& crowd, std::int64_t until) {
    const auto missing = [&] {
      return std::any_of(notebooks_.begin(), notebooks_.end(), [](const auto& one) { return !one.running.empty(); });
    };
    while (missing() && now_us() < until) crowd.read(until, taking());
  }

  std::vector<Socket> sockets_;
  std::vector<Notebook> notebooks_;
};

}  // namespace

void add_stub_kernel(const Host& host) {
  const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  host.add_kernel("stub", "[\"" + (here / "lectern-stub-kernel").string() + "\",\"{connection_file}\"]");
}

void kernels(const Options& options, Report& report) {
  const int count = options.brief ? 20 : 100;
  const auto of = std::to_string(count) + " stub kernels";
  Host host(options.binary, {"--autosave-at-most-ms", "0"});
  add_stub_kernel(host);
  host.request("GET", "/health");
  const auto idle = host.resident_mb(), own = host.anonymous_mb();
  Runs runs(host, count);
  host.rest();
  const auto opened = host.resident_mb(), own_opened = host.anonymous_mb();
  runs.start_kernels();
  runs.asked = 0;
  const auto cpu = cpu_ms(host.pid());
  const auto begin = now_us();
  runs.run(100'000, options.brief ? 3'000'000 : 20'000'000);
  const auto percent = (cpu_ms(host.pid()) - cpu) / static_cast<double>(now_us() - begin) * 1e5;
  const auto loaded = host.resident_mb(), own_loaded = host.anonymous_mb();
  report.add("kernels: " + of + ", 10 runs a second each, request to idle", runs.samples, {{"p99", 5}});
  report.add("kernels: runs lost, doubled, refused or out of order, of " + std::to_string(runs.asked), "runs",
             static_cast<double>(runs.lost()), {{"value", 1}});
  report.add("kernels: CPU of the host", "% of a core", percent);
  report.add("kernels: resident, idle host", "MB", idle);
  report.add("kernels: more resident with as many open notebooks", "MB", opened - idle);
  report.add("kernels: of it the process's own (anonymous)", "MB", own_opened - own);
  report.add("kernels: more resident with " + of + " under load", "MB", loaded - idle);
  // What files are mapped is theirs who hold them, and shared with every process that maps them, too.
  report.add("kernels: of it the process's own (anonymous) under load", "MB", own_loaded - own, {{"value", 20}});
}

}  // namespace load
