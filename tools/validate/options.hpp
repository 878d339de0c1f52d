// The command line of lectern-validate.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace lectern::validate {

struct Options {
  std::filesystem::path plugin;  // a library, its manifest, or the folder that holds both
  std::string include, exclude;  // regular expressions on test ids; empty = none
  std::string config = "{}";     // settings for the plugin; {work} stands for a fresh folder
  std::filesystem::path corpus;  // notebooks for format tests, besides the built-in ones
  std::string kernel;            // which kernel a runtime is tried with; empty = the first
  std::uint64_t seed = 1;
  double minutes = 1;
  int deadline_s = 0;  // of each test; 0 = its own
  bool json = false, list = false, in_process = false, quick = false, fuzz = false;
  bool proxy = false;  // the plugin in a process of its own, each call serialized
  bool help = false, version = false;

  // For the child processes of the runner itself.
  std::string run_test;
  std::filesystem::path work;
};

/// [any] 400 with a message when the command line is wrong.
Result<Options> parse_options(int argc, const char* const* argv);
/// [any] What a child needs to see the same as its parent; without the program's name.
std::vector<std::string> to_arguments(const Options& options);
std::string usage();

}  // namespace lectern::validate
