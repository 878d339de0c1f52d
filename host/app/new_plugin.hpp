// `lectern new-plugin`: a template of the SDK under a name of one's own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace lectern::app {

struct NewPlugin {
  std::string id;    // "my-policy"
  std::string kind;  // "policy", "transport", "format", "presence", "runtime"
  std::string lang = "c++";
  std::filesystem::path into;       // the folder to make; empty: `id` in the current one
  std::filesystem::path templates;  // empty: those beside the executable
};

/// [control] Copies the template and returns the files it made, relative to the folder. Whatever the template calls
/// my-plugin, my_plugin or MyPlugin gets the new name, in texts and in file names. Nothing is left behind on failure.
/// 400 `bad_name`, `unknown_kind`, `unknown_lang`; 404 `no_templates`; 409 `exists`; 500 `io`.
Result<std::vector<std::string>> new_plugin(const NewPlugin& wanted);
/// [any] The folder new_plugin() fills.
std::filesystem::path folder_of(const NewPlugin& wanted);
/// [any] What to type next, for people.
std::string next_steps(const NewPlugin& wanted);

}  // namespace lectern::app
