// All live sessions of the host: opens, creates, finds, lists and ends them, and gives each its reactor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "runtime/kernel_care.hpp"
#include "session/counters.hpp"
#include "session/services.hpp"
#include "session/session.hpp"
#include "session/settings.hpp"

namespace lectern::session {

/// Protocol 2, POST /api/v1/notebooks/create. Empty members are absent ones.
struct CreateRequest {
  std::string runtime;      // "<plugin>/<kernel>", or the kernel's name where only one plugin has it
  std::string working_dir;  // inside the root; default: the root
  std::string path;         // default: a free "untitled.ipynb" in working_dir
  std::string package_manager;
  std::vector<std::string> dependencies;
  bool ephemeral = false;  // no file: the notebook lives in the state directory until it is saved somewhere
};

/// How a notebook is opened.
struct OpenHow {
  /// When another host has the file: read it here, and follow what is saved there.
  bool watch = false;
  /// A path where nothing is yet is a new notebook; a folder gets an untitled one. False: 404 for both.
  bool create = true;
};

/// One row of GET /api/v1/sessions; kept current by the sessions themselves, so listing asks no reactor.
struct SessionSummary {
  std::string session_id, notebook_id, path, title, format, runtime;
  std::string kernel_state;  // as in `kernel-status`
  std::string editor_label;  // empty = nobody
  std::uint64_t epoch = 0, members = 0, cell_count = 0;
  std::int64_t started_ms = 0, updated_ms = 0;  // wall clock
  bool needs_input = false, running = false;
  std::optional<runtime::KernelFigures> kernel;  // what its processes use
};

class Directory {
 public:
  /// [control] `services` outlives the directory. `reactors` must not be empty; they outlive the sessions.
  Directory(Services services, Settings settings, std::vector<Loop*> reactors);
  /// [control] Ends what end_all did not; the reactors must still run.
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  /// [any] Opens a notebook file; concurrent opens of one file share one session, also the one that create() makes
  /// there meanwhile. `path` relative to the served root or absolute inside it. The reply comes when the file is
  /// parsed. Errors as in protocol 2: not_found, outside_root, too_large, unknown_format, malformed (details: line,
  /// column), open_elsewhere, 503 draining.
  void open(std::string path, Reply<SessionPtr> reply, OpenHow how = {});
  /// [any] Creates and opens. 400 unknown_runtime (details: known), 409 path_exists, 403 outside_root.
  void create(CreateRequest request, Reply<SessionPtr> reply);
  /// [any] Null when there is none.
  [[nodiscard]] SessionPtr find(std::string_view session_id) const;
  /// [any] In the order they were opened.
  [[nodiscard]] std::vector<SessionSummary> list() const;
  [[nodiscard]] std::vector<SessionPtr> sessions() const;
  /// [any] What the sessions that have ended had counted.
  [[nodiscard]] Counters ended_counters() const;
  /// [any] For who writes a file that is no session's: while it is held, nobody opens or writes that path. 409
  /// `path_open`.
  [[nodiscard]] Result<std::shared_ptr<void>> claim(const std::string& path);
  /// [any] Gives a folder of the root another name, both canonical: the sessions in it go along, or nothing is changed.
  /// Nobody opens or writes anything in either meanwhile; who wants to open waits. Answers on whatever thread, with 409
  /// `path_open` (a session whose file is gone has a path in `to`), `busy` (something in it is just being opened,
  /// written or renamed), 503 draining, and the errors of rename_folder() (folder_renaming.hpp).
  void rename_folder(std::string from, std::string to, Reply<bool> reply);
  /// [any] 404 session_not_found.
  void end(std::string_view session_id, std::string reason, Reply<bool> reply);
  /// [any] Draining: opens answer 503 from now on; `closing {reason, in_ms}` goes to everyone; every session is saved
  /// and ended; `done` is called when all are.
  void end_all(std::string reason, Task done);

  /// [any] The policy of sessions to come.
  [[nodiscard]] PolicyChoice default_policy() const;
  /// [any] PUT /api/v1/policy: swaps it for every live session and for those to come. Answers
  /// `{policy, sessions:[{session_id, ok, error?}]}`; a choice that no session could take changes nothing. Swaps are
  /// made one after another; a notebook that was being opened meanwhile goes over to it when it is there.
  void set_policy(PolicyChoice choice, Reply<json::Value> reply);
  /// [any] The policy plugin `id` has a new build, which is loaded: every session that runs it takes that. Answers with
  /// a row `{session_id, ok, error?}` for each.
  void renew_policy(std::string id, UniqueFunction<void(json::Array)> done);

  /// [control] Called (from any thread, never with a lock held) when the list changed: sessions came, went, or their
  /// summaries moved. At most once per session and turn.
  void on_changed(std::function<void()> callback);

  struct State;  // for the sessions of this directory only

 private:
  std::shared_ptr<State> state_;
};

}  // namespace lectern::session
