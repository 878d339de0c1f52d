// One live notebook: the hub that its parts hang on. Lives on one reactor; nothing in it is locked.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "document/history_log.hpp"
#include "document/notebook_document.hpp"
#include "document/notebook_store.hpp"
#include "plugin/policy.hpp"
#include "runtime/kept_kernels.hpp"
#include "session/clients.hpp"
#include "session/connections.hpp"
#include "session/counters.hpp"
#include "session/directory.hpp"
#include "session/epochs.hpp"
#include "session/ledger.hpp"
#include "session/output_log.hpp"
#include "session/room.hpp"
#include "session/services.hpp"
#include "session/session.hpp"
#include "session/settings.hpp"
#include "session/watch.hpp"

namespace lectern::session {

class Attendance;
class Cursors;
class Dispatch;
class Editing;
class History;
class ModelsFeed;
class Outside;
class PolicyDriver;
class Referee;
class Running;
class Saver;
class Takeovers;
class Trust;

/// What was prepared on a worker before there is a session.
struct Prepared {
  document::OpenedNotebook notebook;                   // its journal was moved out to:
  std::shared_ptr<document::Journal> journal;          // shared with the workers that import and save
  std::optional<document::NotebookDocument> document;  // built already, for a restored one
  std::uint64_t snapshot_bytes = 0;                    // what the journal begins with, of that one
  std::unique_ptr<document::HistoryLog> history;       // who did what, and when
  OutputLog::Opened outputs;                           // since the last save; no log of what is only read
  HeldFile held;                                       // the notebook's file, until it is watched
  struct Behind {
    std::uint64_t edits = 0;
    std::vector<document::ChangeHash> heads;  // of what the file held
    std::string history_id;
  } behind;                         // after a crash: what the file lacked of a restored document
  document::NotebookInput created;  // what a new notebook starts with; used when there is no file
  Ledger::Opened ledger;
  plugin::PolicyPtr policy;
  std::uint64_t policy_round = 0;  // which of the host's choices it is (HostPolicy)
  document::Formats formats;
  plugin::FormatPtr format;
  std::string runtime;                        // wanted kernel, from the metadata or the create request; may be empty
  std::string language;                       // may be empty
  std::string cwd;                            // where the kernel works; empty = beside the file
  std::optional<runtime::KeptKernel> kernel;  // that an earlier host kept for this session
  std::shared_ptr<void> claim;                // of the path of a new notebook, until its file is there
};

/// What the directory is to its sessions. [any]
struct Home {
  std::shared_ptr<Referee> referee;  // shared: a session may outlive the directory by some turns
  std::shared_ptr<FileWatch> files;  // shared as that
  /// The session's file is at `path` now. False when another session is there already, or somebody writes there who
  /// is not the asker (`claimed`).
  std::function<bool(const std::string& session_id, const std::string& path, bool claimed)> moved;
  /// Keeps sessions away from `path`, where nothing may be open, until the token is gone: somebody writes a file there.
  /// 409 `path_open`.
  std::function<Result<std::shared_ptr<void>>(const std::string& path)> claim;
  /// The session is one that the disk did not let edit: opens its notebook anew when the disk does.
  std::function<void(const std::string& session_id)> try_again;
  std::function<void(const SessionSummary&)> summary;
  std::function<void(const std::string& session_id)> ending;
  /// A token for work on another thread that will post to a reactor: the directory outlives all of them.
  std::function<std::shared_ptr<void>()> at_work;
  std::function<void(const std::string& session_id, const Counters&)> ended;
};

class LiveSession final : public Session, public std::enable_shared_from_this<LiveSession> {
 public:
  /// [any] `loop`, `services` and what `home` names outlive the session. begin() comes next.
  LiveSession(std::string id, Loop& loop, Services services, Settings settings, Home home);
  ~LiveSession() override;
  /// [reactor] Takes the notebook and comes to life.
  void begin(Prepared prepared);

  // The face.
  [[nodiscard]] const std::string& id() const override { return id_; }
  [[nodiscard]] Loop& loop() const override { return loop_; }
  [[nodiscard]] ConnectionInfo connection_info() const override;
  [[nodiscard]] Status check_key(std::string_view key) const override;
  std::unique_ptr<LinkEvents> connect(ConnectRequest request, Link& link) override;
  void make_client(NewClient client, Reply<CommandReply> reply) override;
  void command(CommandRequest request, Reply<CommandReply> reply) override;
  void takeover_status(std::string client_key, std::uint64_t request_id, int wait_ms,
                       Reply<CommandReply> reply) override;
  void document(Reply<DocumentBytes> reply) override;
  void file(Reply<NotebookBytes> reply) override;
  void rename_file(std::string path, Reply<bool> reply) override;
  void history(HistoryQuery query, Reply<CommandReply> reply) override;
  void describe(Reply<json::Value> reply) override;
  void policy(Reply<json::Value> reply) override;
  void set_policy(PolicyChoice choice, Reply<json::Value> reply) override;
  void policy_recording(Reply<std::string> reply) override;
  void end(std::string reason, Reply<bool> reply) override;
  void revoke(std::string principal) override;
  void has_blob(std::string sha256, Reply<bool> reply) override;
  void whole_output(std::string id, Reply<WholeFilePtr> reply) override;
  void front_end_folders(Reply<std::vector<std::string>> reply) override;
  void front_end_file(std::string path, Reply<std::string> reply) override;

  // The parts; [reactor] from here on.
  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] const Services& services() const { return services_; }
  [[nodiscard]] Referee& referee() const { return *home_.referee; }
  [[nodiscard]] std::shared_ptr<void> at_work() const { return home_.at_work(); }
  [[nodiscard]] const Home& home() const { return home_; }
  [[nodiscard]] Connections& connections() { return *connections_; }
  [[nodiscard]] Clients& clients() { return clients_; }
  [[nodiscard]] Room& room() { return room_; }
  [[nodiscard]] const Room& room() const { return room_; }
  [[nodiscard]] Epochs& epochs() { return *epochs_; }
  [[nodiscard]] Ledger& ledger() { return *prepared_.ledger.ledger; }
  [[nodiscard]] PolicyDriver& policies() { return *policies_; }
  [[nodiscard]] Attendance& attendance() { return *attendance_; }
  [[nodiscard]] Cursors& cursors() { return *cursors_; }
  [[nodiscard]] Takeovers& takeovers() { return *takeovers_; }
  [[nodiscard]] Dispatch& dispatch() { return *dispatch_; }
  [[nodiscard]] Editing& editing() { return *editing_; }
  [[nodiscard]] History& history() { return *history_; }
  [[nodiscard]] Saver& saver() { return *saver_; }
  [[nodiscard]] Outside& outside() { return *outside_; }
  [[nodiscard]] Running& running() { return *running_; }
  [[nodiscard]] Trust& trust() { return *trust_; }
  [[nodiscard]] ModelsFeed& models_feed() { return *models_feed_; }
  [[nodiscard]] Prepared& prepared() { return prepared_; }
  [[nodiscard]] Counters& counters() { return counters_; }
  [[nodiscard]] const std::string& path() const { return prepared_.notebook.path; }
  [[nodiscard]] const std::string& notebook_id() const { return prepared_.notebook.notebook_id; }
  /// What turns the monotonic clock into wall time.
  [[nodiscard]] std::int64_t wall_offset_ms() const { return wall_offset_ms_; }
  [[nodiscard]] bool ended() const { return ended_; }

  /// The list of sessions shows something that changed; told once per turn.
  void summary_changed();
  /// Somebody came, went, or work ended: starts or stops the timer of an idle session.
  void check_idle();
  /// Whether the notebook needs approval may be answered otherwise now.
  void trust_changed();
  /// The notebook's file is another one now, or none; the lease of the old one ends.
  void take_file_lease(document::FileLease lease);
  /// The file was moved to `path`, and the session goes with it. False when another session has that path, or somebody
  /// writes there; `claimed`: that is who asks.
  bool follow(const std::string& path, bool claimed = false);

 private:
  template <class T, class F>
  void on_reactor(Reply<T> reply, F work);
  void end_when_safe(const std::string& reason);
  void finish_end(const std::string& reason);
  void try_again_in(int ms);
  void publish_summary();
  [[nodiscard]] json::Value description();

  std::string id_;
  Loop& loop_;
  Services services_;
  Settings settings_;
  Home home_;
  Prepared prepared_;
  std::int64_t wall_offset_ms_;
  std::int64_t started_wall_ms_;
  Clients clients_;
  Room room_;
  Counters counters_;
  std::unique_ptr<Epochs> epochs_;
  std::unique_ptr<Connections> connections_;
  std::unique_ptr<PolicyDriver> policies_;
  std::unique_ptr<Attendance> attendance_;
  std::unique_ptr<Cursors> cursors_;
  std::unique_ptr<Takeovers> takeovers_;
  std::unique_ptr<Dispatch> dispatch_;
  std::unique_ptr<Editing> editing_;
  std::unique_ptr<History> history_;
  std::unique_ptr<Saver> saver_;
  std::unique_ptr<Outside> outside_;
  std::unique_ptr<Running> running_;
  std::unique_ptr<Trust> trust_;
  std::unique_ptr<ModelsFeed> models_feed_;
  Timer idle_, again_;
  std::vector<Reply<bool>> enders_;
  bool ending_ = false, ended_ = false, summary_due_ = false;
  mutable std::mutex info_mutex_;  // connection_info() is asked from any thread
  ConnectionInfo info_;
};

}  // namespace lectern::session
