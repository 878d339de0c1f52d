// What the driver can measure. Each scenario starts hosts of its own, prints its rows and ends.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "load/stats.hpp"

namespace load {

struct Options {
  std::string binary = "build/release/bin/lectern";
  std::string python = ".venv/bin/python";
  std::string json;
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

/// A notebook's file: so many code cells, each with this source and these outputs (JSON).
std::string notebook(const std::string& source, int cells = 1, const std::string& outputs = "[]");
/// The text frame of a command; without `epoch` when it is 0.
std::string command(const std::string& id, const std::string& name, const std::string& body, std::uint64_t epoch = 0);

}  // namespace load
