// A plugin in processes of its own, called as if it were here: the same functions as its C interface, with the same
// parameters, so that the adapters of plugin/ check its answers exactly as they check those of a plugin in this
// process. A child that dies costs the call it died in; the next one gets a new child, later and later the more often
// it dies.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "isolation/child.hpp"
#include "isolation/line.hpp"
#include "isolation/remote_runtime.hpp"
#include "isolation/remote_transport.hpp"
#include "lectern/abi/draft/format.h"
#include "lectern/abi/draft/policy.h"
#include "lectern/abi/draft/presence.h"

namespace lectern::isolation {

struct RemoteReport {
  pid_t pid = 0;  // of the first that runs; 0 = none runs just now
  std::uint64_t memory_bytes = 0;
  std::uint64_t restarts = 0;
  std::string last_death;  // empty = never
};

/// What health/1 said; not believed.
struct HealthSaid {
  std::int32_t state = 0;
  std::string summary, details;
};

/// A process does one thing at a time. A format has up to three, so that a file that is slow to read holds up no other;
/// a policy has one that decides, one that takes settings first, and one for each object whose settings take long to be
/// taken; each object of a presence backend has one, which reads and writes in its folder and nowhere else.
/// Transports and runtimes have one for each object too, with a thread of the host's that talks with it (line.hpp).
class Remote {
 public:
  static constexpr std::size_t most_of_a_format = 3;

  /// [control] Starts a process and lets it load. The plugin's refusal, or 500 `plugin_died`.
  static Result<std::unique_ptr<Remote>> start(Launch launch, NewsSink on_news);
  /// [any] Ends the processes.
  ~Remote();
  Remote(const Remote&) = delete;
  Remote& operator=(const Remote&) = delete;

  /// [any] A lectern_format, lectern_policy, lectern_presence, lectern_transport or lectern_runtime with the plugin's
  /// constants and no functions. Valid as long as this.
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

  /// As the functions of lectern_presence. The folder is what the setting "folder" names, an absolute path; it is made
  /// when it is not there, and a process that was shut into one that was replaced since is replaced too.
  lectern_status open(std::string_view config, std::uint64_t& object, lectern_error& error);
  void close(std::uint64_t object);
  lectern_status publish(std::uint64_t object, std::string_view device_id, std::string_view instance_id,
                         std::string_view record, lectern_error& error);
  lectern_status remove(std::uint64_t object, std::string_view device_id, std::string_view instance_id,
                        lectern_error& error);
  lectern_status snapshot(std::uint64_t object, const lectern_presence_sink& out, lectern_error& error);

  /// [control] An object of a transport or a runtime, in a process of its own. Null when the plugin refuses the
  /// settings: `status` and `error` say why, or with what blame the process died. What comes from it must not be used
  /// longer than this. `on_end`: the process has died, with every connection.
  std::unique_ptr<RemoteTransport> transport(std::string_view config,
                                             std::function<void(const std::string& blame)> on_end,
                                             lectern_status& status, lectern_error& error);
  std::unique_ptr<RemoteRuntime> runtime(std::string_view config, RemoteRuntime::Listener listener,
                                         lectern_status& status, lectern_error& error);

  /// [worker] What health/1 says; of processes that are all busy, what it said last. Absent: it has none.
  std::optional<HealthSaid> health();
  /// [worker] Lets the processes that are idle say what they count. Busy ones say it with their answer.
  void ask_news();
  /// [any] A sign of life: an idle child that does not answer is ended, and one too many that nobody needed for a
  /// minute is let go. A busy one is left alone. The blame, or empty.
  std::string beat();
  [[nodiscard]] RemoteReport report() const;  // [any]

 private:
  struct Seat;
  class Turn;
  Remote(Launch launch, NewsSink on_news);
  Status take_ready(std::string_view ready);
  Turn any_turn();
  Turn trial_turn();
  Turn turn_of(std::uint64_t object);
  [[nodiscard]] std::vector<std::shared_ptr<Seat>> seats() const;
  /// Empty when somebody else has the turn.
  Turn idle_turn(const std::shared_ptr<Seat>& seat);
  void clear_up(Child& child);
  std::shared_ptr<Line> line(Op make, Op unmake, std::string_view config, Line::Plan plan, lectern_status& status,
                             lectern_error& error);
  [[nodiscard]] std::vector<std::shared_ptr<Line>> lines() const;
  Status take_bindings(Unpacker& from);
  std::shared_ptr<Seat> new_seat(const Launch& launch);
  /// A call of a presence backend, in a process that sees its folder as it is now.
  lectern_status stored(std::uint64_t object, std::string_view request, lectern_error& error,
                        const std::function<lectern_status(std::string_view)>& on_records);

  const Launch launch_;
  const NewsSink on_news_;
  Lives lives_;
  std::string build_, actions_, schema_, config_schema_;
  bool has_health_ = false;
  std::vector<std::string> extensions_;
  std::vector<lectern_str> extension_texts_;
  lectern_format format_{};
  lectern_policy policy_{};
  lectern_presence presence_{};
  std::vector<std::pair<std::string, std::string>> binding_texts_;
  std::vector<lectern_binding> bindings_;
  lectern_transport transport_{};
  lectern_runtime runtime_{};

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable freed_;
  std::vector<std::shared_ptr<Seat>> seats_;
  std::vector<std::weak_ptr<Line>> lines_;
  std::uint64_t next_object_ = 1;
  std::vector<std::uint64_t> unwanted_;  // objects let go of, of which the child has not heard
  std::optional<HealthSaid> last_health_;
};

/// [control] Loads the plugin in a process of its own and lets it go again; a policy is also made and destroyed. Only a
/// death counts: 422 `probe_failed` with the blame. What the plugin says is said again when it is loaded for good.
Status probe(Launch launch);

}  // namespace lectern::isolation
