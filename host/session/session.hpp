// The public face of one live session. Whoever holds it may be on any thread: each function posts to the session's
// reactor and answers there. A remote session attached here will wear the same face.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "session/link.hpp"

namespace lectern::runtime {
class WholeFile;
}

namespace lectern::session {

using WholeFilePtr = std::shared_ptr<const runtime::WholeFile>;

/// Called once, on the session's reactor, also with the error when the session has ended meanwhile (404
/// `session_not_found`). Destroyed uncalled only when the host stops.
template <class T>
using Reply = UniqueFunction<void(Result<T>)>;

/// Protocol 2 "Connection info", without `connect_url`, which depends on how the host is reached.
struct ConnectionInfo {
  std::string session_id;
  std::string notebook_id;
  std::string path;    // absolute
  std::string format;  // id of the format plugin
  std::uint64_t cell_count = 0;
  bool needs_trust_approval = false;
};

struct NewClient {
  std::string label;
  std::string kind;  // "browser", "program", "agent", "device"; free text, shown to people
  bool view_only = false;
  std::uint32_t scope = 3;  // the most it may ever have: bits edit=1, interact=2
  std::string principal;
  std::string device;  // as ConnectRequest::device
};

struct CommandRequest {
  std::string client_key;  // "id.secret"
  std::string name;        // as in commands.hpp
  std::optional<std::uint64_t> epoch;
  std::string id;    // Idempotency-Key; empty = none
  json::Value body;  // an object; null counts as {}
  std::vector<std::string> buffers;
  std::uint32_t scope = 3;  // of the token this very request came with
  std::string principal;
};

/// A success: `json` is the result object. 200, 201 or 202.
struct CommandReply {
  int status = 200;
  std::string json;
};

struct DocumentBytes {
  std::string bytes;               // Automerge save format
  std::vector<std::string> heads;  // hex, sorted: the ETag
};

/// The notebook as a save would write it now, whether or not it can be saved.
struct NotebookBytes {
  std::string name;  // of its file
  std::string bytes;
};

/// A question about the past: a list of versions, one version (or what differs between two), or who wrote a cell.
struct HistoryQuery {
  std::string version;                  // number, "now", "file", "saved" or "copy-<ms>"; empty with cell_id = the list
  std::string against;                  // the same, or "previous"; empty: the cells of `version`
  std::string cell_id;                  // not empty: who wrote this cell
  std::optional<std::uint64_t> before;  // of the list: versions with lower numbers
  std::size_t limit = 50;
};

struct PolicyChoice {
  std::string policy;  // plugin id
  std::string config = "{}";
  bool dry_run = false;  // tried beside the installed one, never installed
  int watch_ms = 0;      // of a dry run: how long it hears live events; 0 = only what installing it would do
};

class Session {
 public:
  virtual ~Session() = default;

  [[nodiscard]] virtual const std::string& id() const = 0;           ///< [any]
  [[nodiscard]] virtual Loop& loop() const = 0;                      ///< [any] where sockets go
  [[nodiscard]] virtual ConnectionInfo connection_info() const = 0;  ///< [any] as of the last change

  /// [any] Before a connection is upgraded: 401 `client_unknown` for a key no session of this host gave out, or with a
  /// wrong secret. An empty key is none.
  [[nodiscard]] virtual Status check_key(std::string_view key) const = 0;
  /// [reactor] A socket of this session was moved here. Null when it is refused at once; link.close() was called with
  /// the reason then. `link` outlives what is returned.
  virtual std::unique_ptr<LinkEvents> connect(ConnectRequest request, Link& link) = 0;

  /// [any] POST …/clients: 201 `{client:{id,secret}, ticket, consumer_capabilities, room}`. The caller adds `ticket`.
  virtual void make_client(NewClient client, Reply<CommandReply> reply) = 0;
  /// [any] Runs one command of protocol 4. Errors: 400 client_required, 401 client_unknown, 400 not_a_member,
  /// 404 unknown_command, 400 bad_request, 403, 409, 413, 422, 504 and what the command itself answers.
  virtual void command(CommandRequest request, Reply<CommandReply> reply) = 0;
  /// [any] GET …/takeover/{request_id}: `{request_id, state:"open"|"allowed"|"denied"|"withdrawn"|"expired", reason,
  /// epoch?}`; answers at the end of the request or after `wait_ms` (at most 60,000). 404 `unknown_request`.
  virtual void takeover_status(std::string client_key, std::uint64_t request_id, int wait_ms,
                               Reply<CommandReply> reply) = 0;
  /// [any] The notebook document; waits for it to be built.
  virtual void document(Reply<DocumentBytes> reply) = 0;
  /// [any] GET …/file; made by a worker. 503 when the document cannot be built, 422 `malformed` when the format cannot
  /// write it.
  virtual void file(Reply<NotebookBytes> reply) = 0;
  /// [any] Its file is called `path` (canonical, in a folder that is there) from now on, and the session goes along:
  /// what is unsaved is saved first. Never over anything. 409 `path_exists`, `path_open`, `conflict`, `busy`, 423
  /// `open_elsewhere`, 403 for a notebook that is only read here, and what saving answers.
  virtual void rename_file(std::string path, Reply<bool> reply) = 0;
  /// [any] GET …/history, …/history/{version}, …/blame/{cell_id}; answered by a worker, the reactor goes on. Errors:
  /// 404 unknown_version, 404 unknown_cell, 410 version_gone, 503 busy, those of reading a file.
  virtual void history(HistoryQuery query, Reply<CommandReply> reply) = 0;
  /// [any] GET /api/v1/sessions/{s}: connection info, room, kernel, policy, save state, counters.
  virtual void describe(Reply<json::Value> reply) = 0;

  /// [any] `{policy, config, multi_editor, generation}`.
  virtual void policy(Reply<json::Value> reply) = 0;
  /// [any] Swaps the policy as one entry of the session's queue: nobody is disconnected; on error the old one stays.
  /// 404 unknown_policy, 400 (its settings), 422 policy_refused (its assignment breaks an invariant), 504
  /// policy_timeout. A dry run answers `{policy, config, multi_editor, watched_ms, events, differing, differences}`;
  /// 409 dry_run_busy while another one goes on.
  virtual void set_policy(PolicyChoice choice, Reply<json::Value> reply) = 0;

  /// [any] The latest decisions of the policy as JSON lines, for `lectern policy replay`; bounded, in memory.
  virtual void policy_recording(Reply<std::string> reply) = 0;

  /// [any] Saves, stops the kernel, closes every connection with 1000 and `reason` (SESSION_ENDED, SHUTDOWN, EXPIRED).
  virtual void end(std::string reason, Reply<bool> reply) = 0;
  /// [any] Revocation of a token: everything that runs under `principal` loses its rights and its connections (1008).
  virtual void revoke(std::string principal) = 0;
  /// [any] True when this session shows the output or buffer `sha256`. Answers on the reactor.
  virtual void has_blob(std::string sha256, Reply<bool> reply) = 0;
  /// [any] All that a cell said which shows only a part of it, by the id that its notice names; opened by a worker. 404
  /// `output_not_found`.
  virtual void whole_output(std::string id, Reply<WholeFilePtr> reply) = 0;
  /// [any] Where the environment of this session's kernel keeps what front ends load (share/jupyter), most specific
  /// first. Empty before its first kernel.
  virtual void front_end_folders(Reply<std::vector<std::string>> reply) = 0;
  /// [any] One of those files, from a kernel whose environment is out of this host's reach: `path` below nbextensions.
  /// 404 `not_found`, 413 `too_large`, 504 `kernel_timeout` when it is busy.
  virtual void front_end_file(std::string path, Reply<std::string> reply) = 0;
};
using SessionPtr = std::shared_ptr<Session>;

}  // namespace lectern::session
