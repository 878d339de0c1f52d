// `lectern policy test|explain|replay|record`: what an operator does with a policy before trusting it.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace lectern::app {

/// [any] True for the words above.
bool is_policy_tool(const std::string& word);
/// [control] `arguments` begin with one of them. The exit code: 0 all as expected; 1 a scenario failed, or a replay
/// differs; 2 wrong usage, a file that cannot be understood, a policy that cannot be loaded; 3 and 4 as everywhere.
int run_policy_tool(const std::vector<std::string>& arguments);

}  // namespace lectern::app
