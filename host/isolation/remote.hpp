// A plugin in a process of its own, called as if it were here: the same functions as its C interface, with the same
// parameters, so that the adapters of plugin/ check its answers exactly as they check those of a plugin in this
// process. A child that dies costs the call it died in; the next one gets a new child, later and later the more often
// it dies.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "isolation/process.hpp"
#include "lectern/abi/draft/format.h"
#include "lectern/abi/draft/policy.h"

namespace lectern::isolation {

struct RemoteReport {
  pid_t pid = 0;  // 0 = none runs just now
  std::uint64_t memory_bytes = 0;
  std::uint64_t restarts = 0;
  std::string last_death;  // empty = never
};

/// Calls from several threads queue: a child does one thing at a time.
class Remote {
 public:
  /// [control] Starts the child and lets it load. The plugin's refusal, or 500 `plugin_died`.
  static Result<std::unique_ptr<Remote>> start(Launch launch);
  /// [any] Ends the child.
  ~Remote();
  Remote(const Remote&) = delete;
  Remote& operator=(const Remote&) = delete;

  /// [any] True for the kinds that can live in a process of their own.
  static bool can(std::string_view kind);

  /// [any] A lectern_format or lectern_policy with the plugin's constants and no functions. Valid as long as this.
  [[nodiscard]] const void* interface() const;
  [[nodiscard]] const std::string& build() const { return build_; }
  /// What config-schema/1 of it says; empty = it has none.
  [[nodiscard]] const std::string& config_schema() const { return config_schema_; }

  /// As the functions of lectern_format. LECTERN_INTERNAL with the blame in `error` when the child died of it.
  [[nodiscard]] std::int32_t probe(std::string_view path, std::string_view head, lectern_error& error,
                                   lectern_status& status);
  lectern_status read(std::string_view bytes, const lectern_format_limits& limits, const lectern_notebook_builder& out,
                      lectern_error& error);
  lectern_status write(const lectern_notebook& notebook, const lectern_sink& out, lectern_error& error);

  /// As the functions of lectern_policy. `object` is a number; the child's object is made again after a restart.
  lectern_status create(std::string_view config, std::uint64_t& object, lectern_error& error);
  void destroy(std::uint64_t object);  // never waits
  lectern_status reduce(std::uint64_t object, lectern_str state, const lectern_room& room, const lectern_event& event,
                        const lectern_policy_out& out);

  /// [any] A sign of life: an idle child that does not answer is ended. A busy one is left alone. The blame, or empty.
  std::string beat();
  [[nodiscard]] RemoteReport report() const;  // [any]

 private:
  explicit Remote(Launch launch);
  Status take_ready(const std::string& ready);
  Status wake(int patience_ms);
  struct Object {
    std::string config;
    std::string refusal;  // empty = the process that runs has it
  };
  Status make_again(std::uint64_t number, Object& object);
  void buried(const Error& error);
  void clear_up();
  Result<std::string> call(std::string_view request, std::string_view shared, Deadline deadline,
                           std::uint32_t most_bytes, int patience_ms,
                           const std::function<lectern_status(std::string_view)>& on_records);
  static lectern_status blame(const Error& error, lectern_error& to);

  Launch launch_;
  std::string build_, actions_, schema_, config_schema_;
  std::vector<std::string> extensions_;
  std::vector<lectern_str> extension_texts_;
  lectern_format format_{};
  lectern_policy policy_{};

  std::mutex busy_;  // held during a call; of process_ and objects_
  std::unique_ptr<Process> process_;
  std::map<std::uint64_t, Object> objects_;
  std::uint64_t next_object_ = 1;

  mutable std::mutex mutex_;  // of what follows
  RemoteReport report_;
  std::vector<std::uint64_t> unwanted_;  // objects let go of, of which the child has not heard
  std::uint64_t deaths_ = 0;             // in a row
  std::int64_t died_ms_ = 0, rests_until_ms_ = 0;
};

/// [control] Loads the plugin in a process of its own and lets it go again; a policy is also made and destroyed. Only a
/// death counts: 422 `probe_failed` with the blame. What the plugin says is said again when it is loaded for good.
Status probe(Launch launch);

}  // namespace lectern::isolation
