// The groups of tests. Each gives its own in the order they run.
#pragma once

#include <vector>

#include "test.hpp"

namespace lectern::validate {

std::vector<Test> static_suite();  // by reading files
std::vector<Test> load_suite();    // loading, entry, unloading
std::vector<Test> policy_suite();

}  // namespace lectern::validate
