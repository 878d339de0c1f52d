// One loaded copy of a plugin: its library, its entry, the callbacks it got from us, and how it is doing. The next copy
// of the same plugin is another generation beside it; objects stay with the generation that made them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "isolation/remote.hpp"
#include "plugin/extensions.hpp"
#include "plugin/kind.hpp"
#include "plugin/manifest.hpp"

namespace lectern::plugin {

enum class GenerationState {
  loaded,       // initialised, in nobody's use yet
  active,       // objects were made of it
  draining,     // a newer one took its place; lives as long as its last object
  quarantined,  // must not be used again; its library stays mapped for ever
};
/// [any] "loaded", "active", "draining", "quarantined".
std::string_view state_name(GenerationState state);

/// A moment's figures of a generation, for reports.
struct GenerationReport {
  std::uint64_t number = 0;
  GenerationState state = GenerationState::loaded;
  std::string why;     // of a quarantine or drain; may be empty
  std::string sha256;  // of the library's content
  std::string build;   // the plugin's own word on compiler and flags
  std::string loaded_at;
  std::int64_t load_us = 0;
  std::uint64_t calls = 0;
  std::uint64_t failures = 0;
  std::int64_t slowest_us = 0;
  std::int64_t p99_us = 0;  // of all calls; upper bound of its bucket, a fifth wide
  std::string last_failure;
  std::vector<Breach> breaches;     // of the contract, by either side
  std::uint64_t dropped_lines = 0;  // of its log, by the limit
  std::string config_schema;        // JSON; empty = it has none
  std::optional<Health> health;     // filled in by the registry: asking runs the plugin's code
  bool isolated = false;            // what follows is known of isolated ones only
  std::int64_t pid = 0;             // 0 = its process is down just now
  std::uint64_t memory_bytes = 0;
  std::uint64_t restarts = 0;
};

class Library;

/// OWNERSHIP: shared. Whoever may still run the plugin's code (an adapter, a slot, a thread that was given up on inside
/// a call) holds one, because code must stay mapped exactly as long as the last of them; no single owner could know.
/// When the last goes, on any thread, the registry's next reap() ends it on a [control] thread.
class Generation {
 public:
  ~Generation();
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  /// [control] Checks, loads and initialises the library that was staged at `staged`; `number` tells generations apart.
  /// 422 `not_a_library`, `missing_symbol`, `bad_entry`, `id_mismatch`, `missing_kind`, `missing_function`,
  /// 409 `abi_mismatch`, 500 `load_failed`, `init_failed`.
  static Result<std::unique_ptr<Generation>> load(Manifest manifest, const std::filesystem::path& staged,
                                                  std::string sha256, std::uint64_t number,
                                                  const ServiceOptions& services = {});

  /// [control] The same in a process of its own. Also 500 `plugin_died`, 503 `plugin_host_missing`.
  static Result<std::unique_ptr<Generation>> isolate(Manifest manifest, const std::filesystem::path& staged,
                                                     std::string sha256, std::uint64_t number,
                                                     const std::filesystem::path& program,
                                                     const isolation::Limits& limits,
                                                     const ServiceOptions& services = {});

  [[nodiscard]] const Manifest& manifest() const { return manifest_; }  // [any]
  [[nodiscard]] const std::string& id() const { return manifest_.id; }  // [any]
  [[nodiscard]] Kind kind() const { return manifest_.kind; }            // [any]
  [[nodiscard]] std::uint64_t number() const { return number_; }        // [any]
  [[nodiscard]] const std::string& sha256() const { return sha256_; }   // [any]
  [[nodiscard]] GenerationState state() const;                          // [any]
  [[nodiscard]] GenerationReport report() const;                        // [any]

  /// [any] What get_kind gave for its kind: a `const lectern_policy*` for a policy. Never null; the adapters use it.
  [[nodiscard]] const void* interface() const { return interface_; }
  /// [any] Where its functions are when it lives in a process of its own: interface() then has constants only. Null for
  /// a plugin in this process.
  [[nodiscard]] isolation::Remote* remote() const;
  /// [any] The plugin's extension `id`, or null. An isolated plugin has none here.
  [[nodiscard]] const void* extension(std::string_view id) const;
  /// [any] 400 `bad_config` when the plugin has a schema (config-schema/1) and the settings break it.
  [[nodiscard]] Status check_config(std::string_view config_json) const;
  /// [any] What health/1 says; absent when it has none or must not be used. Runs code of the plugin,
  /// or waits for its process.
  [[nodiscard]] std::optional<Health> health() const;
  /// [any] Who broke the contract; the adapters tell it.
  [[nodiscard]] const CheckerPtr& checker() const;
  /// [any] What it declared by metrics/1. An isolated plugin that is idle is asked.
  [[nodiscard]] std::vector<PluginMetric> metrics() const;
  /// [any] Lines of its log that were dropped by the limit.
  [[nodiscard]] std::uint64_t dropped_lines() const;

  /// [any] An object of it was made: -> active. A quarantined generation stays so.
  void activate();
  /// [any] -> draining, unless quarantined. The registry says it when it loads another content.
  void drain(std::string why);
  /// [any] Never used again, never unloaded. Calls that still run inside it are left alone.
  void quarantine(std::string why);

  /// [any] One call into the plugin that took `us`; the adapters count theirs.
  void count_call(std::int64_t us);
  /// [any] One breach of the contract, for reports and the log: an exception, garbage, a broken limit.
  void count_failure(std::string what);

  /// [control] The end: deinit, then dlclose when the manifest says unloadable and the generation is not quarantined.
  /// Empty when the library is out of memory; else the reason why it stays mapped for ever. Only once, by the registry.
  std::string end();

 private:
  Generation(Manifest manifest, std::string sha256, std::uint64_t number, const ServiceOptions& services);
  void take_schema();
  struct Inner;
  Manifest manifest_;
  std::string sha256_;
  std::uint64_t number_;
  const void* interface_ = nullptr;
  std::unique_ptr<Inner> inner_;
};

/// [any] What a child has to know to load this plugin.
isolation::Launch launch_of(const Manifest& manifest, const std::filesystem::path& staged, const std::string& sha256,
                            const std::filesystem::path& program, const isolation::Limits& limits);

/// Never null where it is passed around.
using GenerationPtr = std::shared_ptr<Generation>;

}  // namespace lectern::plugin
