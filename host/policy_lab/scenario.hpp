// Scenario files: a policy's behaviour as events in and effects out, in plain words (tests/scenarios/README.md has the
// grammar). They run against any policy.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "plugin/policy.hpp"
#include "policy_lab/rehearsal.hpp"

namespace lectern::policy_lab {

/// Somebody named in a scenario.
struct Person {
  std::string label, device, principal;  // the label is the name unless said otherwise
  std::uint32_t scope = plugin::cap_edit | plugin::cap_interact, flags = 0;
};

struct Seat {
  std::string name, words;  // "edits, lost"
};

struct Step {
  int line = 0;
  std::string when;
  bool says = false;              // has a `then`
  std::vector<std::string> then;  // all that changes, in any order; empty = nothing does
  std::vector<std::string> now;   // how things are after it
};

struct Scenario {
  int line = 0;
  std::string name, config;
  std::map<std::string, Person> people;
  std::vector<Seat> room;
  std::vector<Step> steps;
};

struct ScenarioFile {
  std::string path, policy;  // an id
  std::vector<Scenario> scenarios;
};

/// [control] 400 `bad_scenario` with file and line for what is not YAML or not in the grammar; 404 for no such file. At
/// most 1 MiB.
Result<ScenarioFile> read_scenarios(const std::filesystem::path& path);
/// [control] The same for a text; `path` names it in messages.
Result<ScenarioFile> parse_scenarios(const std::string& text, const std::string& path);

/// One step as it went.
struct Told {
  int line = 0;
  std::string when;
  std::string before;                // the situation, in words
  std::vector<std::string> decided;  // what changed, with epochs and deadlines
  std::vector<std::string> wrong;    // what the scenario expected instead; empty = as expected
};
struct Outcome {
  std::string name;
  int line = 0;
  std::vector<Told> steps;  // up to the first that went wrong
  [[nodiscard]] bool passed() const { return steps.empty() || steps.back().wrong.empty(); }
};

/// [control] Plays a scenario with `policy`. 400 `bad_scenario` naming the line when a step cannot be understood, or
/// when the room does not allow it. `to_the_end` goes on after a step that went wrong.
Result<Outcome> play(const Scenario& scenario, plugin::PolicyPtr policy, bool to_the_end = false);

}  // namespace lectern::policy_lab
