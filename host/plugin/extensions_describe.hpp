// What a plugin says of itself can only be known by loading it. For `lectern plugins --json`, which runs beside no
// server.
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "plugin/registry.hpp"

namespace lectern::plugin {

struct Description {
  std::string config_schema;     // JSON; empty = it has none
  std::optional<Health> health;  // absent = it says nothing
  std::vector<Breach> breaches;  // of the contract, while it was loaded and asked
};

/// [control] Loads the plugin in a child process, so that one that crashes or hangs costs its own line only. For a
/// process with one thread: it forks without exec. 500 `load_failed` when the child died or took longer than 10 s, or
/// the refusal of the gate.
Result<Description> describe(const RegistryOptions& options, Kind kind, const std::string& id);

}  // namespace lectern::plugin
