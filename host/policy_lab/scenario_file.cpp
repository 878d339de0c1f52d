#include "policy_lab/scenario_file.hpp"

#include <fstream>

#include "base/module.hpp"

namespace lectern::policy_lab {

Result<ScenarioFile> parse_scenarios(const std::string& text, const std::string& path) {
  if (text.size() > max_scenario_bytes)
    return fail(413, "too_large", path + " has more than " + std::to_string(max_scenario_bytes) + " bytes");
  LECTERN_TRY(void* const found, module_function("lectern-scenarios.so", "lectern_scenarios", "scenarios_missing",
                                                 "the reader of scenario files"));
  return reinterpret_cast<ScenarioParser (*)()>(found)()(text, path);
}

Result<ScenarioFile> read_scenarios(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(404, "not_found", "cannot read " + path.string());
  std::string text;
  text.resize(max_scenario_bytes + 1);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return parse_scenarios(text, path.string());
}

}  // namespace lectern::policy_lab
