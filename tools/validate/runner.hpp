// Runs tests, each in a child process with a deadline, so that a plugin which crashes or hangs costs one test.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "test.hpp"

namespace lectern::validate {

struct TestRun {
  const Test* test = nullptr;
  Verdict verdict;
  std::int64_t ms = 0;
  std::string last_words;  // of a child that crashed or hung: the end of what it wrote
};

/// [control] One test in this process.
Verdict run_here(const Test& test, const Subject& subject, const Options& options, const std::filesystem::path& work);
/// [control] One test in a child, which is this program started again with the hidden --run-test.
TestRun run_in_child(const Test& test, const Options& options, const std::filesystem::path& work);
/// [control] What a child does: runs the test and writes the verdict to descriptor 3. Returns the exit code.
int run_as_child(const Test& test, const Subject& subject, const Options& options);

}  // namespace lectern::validate
