// The groups of tests. Each gives its own in the order they run.
#pragma once

#include <vector>

#include "test.hpp"

namespace lectern::validate {

std::vector<Test> static_suite();  // by reading files
std::vector<Test> load_suite();    // loading, entry, unloading
std::vector<Test> object_suite();  // what holds for the objects of every kind
std::vector<Test> policy_suite();
std::vector<Test> format_suite();
std::vector<Test> transport_suite();
std::vector<Test> presence_suite();
std::vector<Test> runtime_suite();

}  // namespace lectern::validate
