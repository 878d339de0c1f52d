// A live session: one seat in one notebook's room, over one WebSocket that comes back by itself and misses nothing.
//
//   auto notebook = lectern::client::connect_open("analysis.ipynb");
//   if (!notebook) return complain(notebook.error().text());
//   notebook->takeover();
//   const auto run = notebook->run("1 + 1");
//   if (run) std::cout << run->cell.text();
//
// Two faces. Calls without `async_` wait for their end, on any thread but the library's own (there they fail with
// `would_block`). Their `async_` twins return at once and call back later, exactly once, on the library's own thread,
// which all sessions of the process share: callbacks must not block and must not throw. Everything here is [any]: it
// may be called from any thread, from callbacks too. What is returned or handed to a callback by value is the
// receiver's.
//
// After a cut the same client takes its seat again, what was missed is replayed (the gap, or a fresh snapshot), and
// commands without an answer are asked again under the same id, which the host runs once. A host that was started anew
// on the same address is found again by the notebook's path; commands that it cannot be asked twice (execute, splices)
// then end with `outcome_unknown`.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lectern/client/change.hpp"
#include "lectern/client/json.hpp"
#include "lectern/client/notebook.hpp"
#include "lectern/client/result.hpp"

namespace lectern::client {

using Milliseconds = std::chrono::milliseconds;
template <class T>
using Callback = std::function<void(Result<T>)>;

/// What the host tells, in its order (docs/protocol.md, section 5).
struct Event {
  std::string op;
  std::optional<std::uint64_t> seq;  // recorded events have one
  Json data;
};

enum class Link {
  connected,  // the replay is over: what View shows is what the host has
  lost,       // trying to come back
  ended,      // for good; View::ended says why
};

struct Options {
  std::string url;    // as the start line prints it, token and all; empty: LECTERN_URL, else this user's newest host
  std::string token;  // instead of the one in `url`
  std::string label;  // how others see us
  bool view_only = false;  // never be handed the pen
  std::string ca_file;     // PEM file to check https hosts with; empty: the system's
  bool verify_tls = true;
  Milliseconds open_timeout{130'000};           // for the whole opening
  Milliseconds connect_timeout{10'000};         // for one attempt to connect
  Milliseconds reconnect_for{60'000};           // without the host for so long, the session ends
  Milliseconds silent_for{45'000};              // a line without a sign of life for so long is lost
  Milliseconds answer_timeout{130'000};         // for the answer to one command, reconnecting included
  std::uint64_t max_message_bytes = 64u << 20;  // of one frame or HTTP answer; more is refused before it is read
  std::function<void(const Event&)> on_event;   // from the first event on; [library's thread]
  std::function<void(Link)> on_link;            // [library's thread]
};

/// What to create: `runtime` is <plugin>/<kernel> ("jupyter/python3"). Empty members are left out.
struct CreateSpec {
  std::string runtime;
  std::string path;
  std::string working_dir;
  std::string package_manager;  // uv, conda, pixi, deno
  std::optional<std::vector<std::string>> dependencies;
  bool ephemeral = false;
};

struct Transaction {
  struct Dropped {
    std::size_t index = 0;  // of the change
    std::string reason;
  };
  std::uint64_t version = 0;
  std::vector<Dropped> dropped;  // changes of what is gone
};

/// How a run of a cell ended, and what it left.
struct Execution {
  std::string cell_id;
  std::string execution_id;
  std::string status;  // idle, error, cancelled
  Cell cell;           // empty when it is gone

  [[nodiscard]] bool ok() const { return status == "idle"; }
};

struct Widget {
  std::string model_id;
  ModelState state;
};

struct TakeoverOptions {
  std::string reason;                     // shown to whoever is asked
  std::optional<std::uint64_t> if_epoch;  // 409 `stale_epoch` when the room moved on
};
struct Grant {
  std::uint64_t epoch = 0;
  Capabilities capabilities;
};

/// Ends with its object. Afterwards the function is not running and will not run (ended inside of it: will not again).
class Subscription {
 public:
  Subscription();
  ~Subscription();
  Subscription(Subscription&&) noexcept;
  Subscription& operator=(Subscription&&) noexcept;

  struct Entry;
  explicit Subscription(std::shared_ptr<Entry> entry);

 private:
  std::shared_ptr<Entry> entry_;
};

class Live;

/// Its end is close(). One that was moved from may only be destroyed or assigned to.
class Session {
 public:
  explicit Session(std::shared_ptr<Live> live);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  /// Leaves the room: what was acknowledged is safe, what was not is abandoned. No callback runs afterwards, those of
  /// unfinished calls excepted, which get `ended` before. Called on the library's thread it returns before the
  /// farewell.
  void close();

  // -- looking: never waits for the host ---------------------------------------------------------------------

  [[nodiscard]] ConnectionInfo info() const;
  [[nodiscard]] std::vector<Cell> cells() const;
  /// 404 `unknown_cell`.
  [[nodiscard]] Result<Cell> cell(const std::string& cell_id) const;
  [[nodiscard]] std::uint64_t version() const;
  [[nodiscard]] bool can_edit() const;
  [[nodiscard]] std::optional<std::uint64_t> epoch() const;
  /// Who holds the pen.
  [[nodiscard]] std::optional<Person> editor() const;
  [[nodiscard]] bool connected() const;
  /// Why the session is over; empty while it is not.
  [[nodiscard]] std::optional<Error> ended() const;
  /// All of it without a copy. `look` runs here and now and must not call this session, nor keep the reference.
  void read(const std::function<void(const View&)>& look) const;

  // -- hearing -----------------------------------------------------------------------------------------------

  /// Every event from now on, on the library's thread, after the View has it.
  [[nodiscard]] Subscription subscribe(std::function<void(const Event&)> hear);
  /// Ends when `condition` holds: it is looked at now and after every event, on the library's thread. `timeout`,
  /// `ended`.
  Status wait_for(std::function<bool(const View&)> condition, std::optional<Milliseconds> timeout = {});
  void async_wait_for(std::function<bool(const View&)> condition, std::optional<Milliseconds> timeout,
                      Callback<void> done);

  // -- commands: the host's refusals come as it words them ---------------------------------------------------

  /// Any command that /api/v1/asyncapi.json lists; its reply.
  Result<Json> command(const std::string& name, Json body = Json::Object{});
  void async_command(const std::string& name, Json body, Callback<Json> done);

  /// Edits, all or none; ends when they are in the host's journal. `base_version` is what splices count at.
  Result<Transaction> transaction(std::vector<Json> changes, std::optional<std::uint64_t> base_version = {});
  void async_transaction(std::vector<Json> changes, std::optional<std::uint64_t> base_version,
                         Callback<Transaction> done);
  /// A new cell with an id of its own. The four below are 404 `dropped` when the cell they name is gone.
  Result<Cell> create_cell(const std::string& source = {}, const std::string& cell_type = "code",
                           const Place& place = {});
  void async_create_cell(const std::string& source, const std::string& cell_type, const Place& place,
                         Callback<Cell> done);
  Status set_source(const std::string& cell_id, const std::string& source);
  void async_set_source(const std::string& cell_id, const std::string& source, Callback<void> done);
  /// Counts code points in the source as it is at `base_version`; empty: as it is here now.
  Status splice(const std::string& cell_id, std::uint64_t index, std::uint64_t remove, const std::string& insert,
                std::optional<std::uint64_t> base_version = {});
  void async_splice(const std::string& cell_id, std::uint64_t index, std::uint64_t remove, const std::string& insert,
                    std::optional<std::uint64_t> base_version, Callback<void> done);
  Status move_cell(const std::string& cell_id, const Place& place);
  void async_move_cell(const std::string& cell_id, const Place& place, Callback<void> done);
  /// Deleting what is gone already is no error.
  Status delete_cell(const std::string& cell_id);
  void async_delete_cell(const std::string& cell_id, Callback<void> done);

  /// Runs cells and waits for the last of them to end. A cell that fails is an Execution with status `error`. After
  /// `timeout` the runs go on without us.
  Result<std::vector<Execution>> execute(std::vector<std::string> cell_ids, std::optional<Milliseconds> timeout = {});
  void async_execute(std::vector<std::string> cell_ids, std::optional<Milliseconds> timeout,
                     Callback<std::vector<Execution>> done);
  /// Puts `source` into a new cell at the end and runs it, for everybody to see.
  Result<Execution> run(const std::string& source, std::optional<Milliseconds> timeout = {});
  void async_run(const std::string& source, std::optional<Milliseconds> timeout, Callback<Execution> done);
  Status interrupt();
  void async_interrupt(Callback<void> done);
  Status restart();
  void async_restart(Callback<void> done);
  /// Answers one of Notebook::inputs.
  Status answer_input(const std::string& request_id, const std::string& value);
  void async_answer_input(const std::string& request_id, const std::string& value, Callback<void> done);

  /// Takes the pen. Where the policy asks its holder this waits for the answer; 403 `denied` is a no.
  Result<Grant> takeover(TakeoverOptions options = {});
  void async_takeover(TakeoverOptions options, Callback<Grant> done);
  /// Answers the event `takeover-request`.
  Status answer_takeover(std::uint64_t request_id, bool allow);
  void async_answer_takeover(std::uint64_t request_id, bool allow, Callback<void> done);
  /// Takes all of our own open requests back; their takeover() ends with `denied`.
  Status withdraw();
  void async_withdraw(Callback<void> done);
  /// Puts the pen down.
  Status release();
  void async_release(Callback<void> done);

  /// Writes the file now; `path` saves under another one.
  Status save(const std::string& path = {});
  void async_save(const std::string& path, Callback<void> done);
  /// Ends when the host has journaled all that was done here before, and we have seen all that it did until then; the
  /// notebook's version.
  Result<std::uint64_t> confirm_sync();
  void async_confirm_sync(Callback<std::uint64_t> done);
  /// The state of every live widget model, in the order they were opened, after confirm_sync().
  Result<std::vector<Widget>> get_widgets();
  void async_get_widgets(Callback<std::vector<Widget>> done);
  /// The same models with all that the models document says of them, sorted by `seq`.
  Result<std::vector<Comm>> get_comms();
  void async_get_comms(Callback<std::vector<Comm>> done);
  /// The bytes behind {"$blob": …}, as large outputs carry them.
  Result<std::string> blob(const Json& reference);
  void async_blob(const Json& reference, Callback<std::string> done);

 private:
  std::shared_ptr<Live> live_;
};

/// [any] Opens the notebook at `path` and takes a seat in its room; ends when the notebook is here.
Result<Session> connect_open(const std::string& path, Options options = {});
void async_connect_open(const std::string& path, Options options, Callback<Session> done);
/// [any] Creates a notebook and takes a seat in its room.
Result<Session> connect_create(const CreateSpec& spec, Options options = {});
void async_connect_create(const CreateSpec& spec, Options options, Callback<Session> done);

}  // namespace lectern::client
