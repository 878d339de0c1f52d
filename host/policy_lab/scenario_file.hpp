// The line between policy_lab and lectern-scenarios.so, which is its reader of YAML.
#pragma once

#include <string>

#include "policy_lab/scenario.hpp"

namespace lectern::policy_lab {

/// What the shared object's one function, `lectern_scenarios`, gives back: parse_scenarios() as scenario.hpp has it.
using ScenarioParser = Result<ScenarioFile> (*)(const std::string& text, const std::string& path);

constexpr std::size_t max_scenario_bytes = 1u << 20;

}  // namespace lectern::policy_lab
