// Finds plugins, says why one is refused, loads them, and knows every generation there is.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "plugin/discovery.hpp"
#include "plugin/generation.hpp"
#include "plugin/trust.hpp"

namespace lectern::plugin {

/// One line of `lectern plugins` and GET /api/v1/plugins.
struct PluginReport {
  Found found;
  bool trusted = true;                        // what lies on disk may run in this process
  bool isolated = false;                      // it would get (or has) a process of its own
  std::vector<GenerationReport> generations;  // oldest first
};

struct RegistryOptions {
  /// Searched in order; each holds `<id>/<id>.plugin.json` or `<id>.plugin.json`. The first to have an id wins, the
  /// others are listed as shadowed. A folder that does not exist is skipped.
  std::vector<std::filesystem::path> search;
  /// Private to the host: libraries are copied to `<staging>/plugins/<sha256>/` and loaded from there, so that a file
  /// replaced on disk neither changes running code nor is mistaken for it.
  std::filesystem::path staging;
  /// Who may run in this process. Absent: whatever lies in the search path.
  std::optional<TrustLists> trust = std::nullopt;
  /// Ids that get a process of their own though they are trusted.
  std::vector<std::string> isolate = {};
  std::filesystem::path plugin_host = {};  // the program of such a process
  isolation::Limits limits = {};
  ServiceOptions services = {};  // what every plugin gets: how closely it is watched, what is logged
};

/// Every function is [control] and may block; a mutex makes calls from several threads queue.
class Registry {
 public:
  explicit Registry(RegistryOptions options);
  /// Ends every generation that nobody holds; those held live on until their last holder lets go, and are then left
  /// mapped.
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// What lies in the search path now, by id; reads the disk each time, loads nothing.
  [[nodiscard]] std::vector<Found> discover() const;
  /// The ids of one kind that are not refused.
  [[nodiscard]] std::vector<std::string> ids(Kind kind) const;

  /// The generation of what lies on disk now: one that is loaded already when its content is the same, else a new one.
  /// 404 `plugin_missing` (with what was found instead), 409 `quarantined`, or the gate that refused
  /// it.
  Result<GenerationPtr> load(Kind kind, std::string_view id);
  struct Loaded {
    std::string id;
    Result<GenerationPtr> generation;
  };
  /// The same for all of one kind that are not refused, in one look at the search path.
  std::vector<Loaded> load_all(Kind kind);

  /// The ids of what is in use, is not refused, and is not any more what lies on disk.
  [[nodiscard]] std::vector<std::string> outdated();

  /// From now on what is new is tried in a process of its own before it is loaded into this one: 422 `probe_failed`.
  /// Not at the start, where nothing would be lost by it and each start would pay for all of them. Formats stay loaded.
  void probe_from_now_on();
  /// Removes staged copies that no process uses; how many. At the start, after loading what is used.
  std::size_t prune();

  /// Looks up disk and generations together, and asks those that say how they are (health/1).
  [[nodiscard]] std::vector<PluginReport> report();
  /// The figures that plugins count themselves, for /metrics.
  [[nodiscard]] std::string metrics_text();
  /// report() as the body of GET /api/v1/plugins: {"plugins":[…],"search":[…]}.
  [[nodiscard]] std::string report_json();

  /// Ends generations whose last holder is gone. load() and report() do it too; call it after a swap to see one unload.
  void reap();

  [[nodiscard]] const RegistryOptions& options() const;

 private:
  struct Inner;
  class Heartbeat;
  Result<GenerationPtr> load(Manifest manifest);
  std::shared_ptr<Inner> inner_;          // shared with every generation's deleter, which may run after us
  std::unique_ptr<Heartbeat> heartbeat_;  // from the first isolated generation on
};

}  // namespace lectern::plugin
