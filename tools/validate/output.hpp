// What the validator tells: for people, and as JSON.
#pragma once

#include <string>

#include "runner.hpp"

namespace lectern::validate {

/// [any] One test, with its problems and what to do about them.
std::string in_words(const TestRun& run);
/// [any] The closing line: "12 success, 1 failed".
std::string summary(const std::vector<TestRun>& runs);
/// [any] Everything as one object (docs/validator.md).
std::string as_json(const Subject& subject, const Options& options, const std::vector<TestRun>& runs, std::int64_t ms);
/// [any] True when nothing failed, crashed or timed out.
bool all_well(const std::vector<TestRun>& runs);

}  // namespace lectern::validate
