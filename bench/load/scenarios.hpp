// What the driver can measure. Each scenario starts hosts of its own, prints its rows and ends.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "load/host.hpp"
#include "load/stats.hpp"

namespace load {

struct Options {
  std::string binary = "build/release/bin/lectern";
  std::string python = ".venv/bin/python";
  std::string peers = "bench/peers";  // scripts that install and start what figures stand beside
  std::string json;
  bool brief = false;  // shorter and smaller: shows that everything runs, the figures mean less
  std::vector<std::string> scenarios;
};

void start(const Options& options, Report& report);
void echo(const Options& options, Report& report);
void fanout(const Options& options, Report& report);
void keystroke(const Options& options, Report& report);
void takeover(const Options& options, Report& report);
void execute(const Options& options, Report& report);
void large(const Options& options, Report& report);
void memory(const Options& options, Report& report);
void open_memory(const Options& options, Report& report);
void history(const Options& options, Report& report);
void typists(const Options& options, Report& report);
void kernels(const Options& options, Report& report);
void prints(const Options& options, Report& report);
void slider(const Options& options, Report& report);
void relay(const Options& options, Report& report);

/// How soon the past of an open notebook is shown: its versions, and the first of them.
void look_at_history(Host& host, const std::string& session, const std::string& what, Report& report);

/// A notebook's file: so many code cells, each with this source and these outputs (JSON).
std::string notebook(const std::string& source, int cells = 1, const std::string& outputs = "[]",
                     const std::string& kernel = "python3");
/// Makes the stub kernel (bench/stub_kernel) known to a host, as the kernel "stub".
void add_stub_kernel(const Host& host);
/// The text frame of a command; without `epoch` when it is 0.
std::string command(const std::string& id, const std::string& name, const std::string& body, std::uint64_t epoch = 0);

}  // namespace load
