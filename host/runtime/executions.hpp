// The queue of one session's runs: ids, order, and what happens to the rest when one fails, is interrupted, or the
// kernel goes. Everything [reactor].
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "runtime/ended_runs.hpp"

namespace lectern::runtime {

enum class RunStatus { queued, running, idle, error, cancelled };
std::string_view run_status_name(RunStatus status);

struct CellRun {
  std::string cell_id;
  std::string code;
};

struct Execution {
  std::uint64_t number = 0;  // for the runtime plugin
  std::string id;            // for clients
  std::string cell_id;
  std::string code;
  std::uint64_t batch = 0;
  std::string by;  // client id of who asked
  bool stop_on_error = true;
  bool own = false;  // nobody asked for it: the kernel runs it by itself, its `code` is not known here
  RunStatus status = RunStatus::queued;
  std::optional<std::int64_t> execution_count;
};

enum class Finish { ok, error, aborted };

class Executions {
 public:
  static constexpr std::size_t max_waiting = 10'000;

  struct Hooks {
    /// Sends the code to the kernel, which says nothing of it before this turn of the loop has ended. Called for one
    /// execution at a time, before `changed` says that it is queued or runs. An error ends this run and all that wait.
    std::function<Status(const Execution&)> send;
    /// A run changed its status or got its count: a cell-op. `reason` says why for cancelled ones and for errors that
    /// are not the code's own; empty otherwise.
    std::function<void(const Execution&, std::string_view reason)> changed;
    /// One that waits will run other code than was asked for first. May be absent.
    std::function<void(const Execution&)> recoded = {};
  };
  explicit Executions(Hooks hooks);

  /// Queues one batch in order. A cell that already waits is not queued twice: its waiting run takes the new code.
  /// 429 `queue_full` past max_waiting: nothing queued then. The result has one entry per run asked for.
  /// Unless `stop_on_error`, the batch goes on after a run that fails; an interrupt ends it all the same.
  Result<std::vector<Execution>> enqueue(std::vector<CellRun> runs, std::string by, bool stop_on_error = true);
  /// Of a kernel that an earlier host started, before anything is queued: `running` still runs in it, if anything does,
  /// `waiting` comes next, and numbers begin above `last_number`, those of `waiting` too.
  void go_on(std::optional<Execution> running, std::uint64_t last_number, std::vector<Execution> waiting = {});
  /// The kernel can take work: the queue moves. While it cannot (starting, restarting), runs wait.
  void set_ready(bool ready);

  // -- from the kernel
  void started(std::uint64_t number, std::int64_t execution_count);
  void finished(std::uint64_t number, Finish finish, std::string_view reply_json);
  /// It is about to run a cell by itself, as `number`: the run waits until it is started, beside those that were asked
  /// for. False, and nothing happens: the number is taken, the cell waits or runs already, or max_waiting are
  /// announced.
  bool announced(std::uint64_t number, const std::string& cell_id);

  /// Cancels what waits in the batch of the running execution; the running one ends by the kernel's own answer.
  void interrupt();
  /// Cancels everything that waits, and ends the running one with `error` and this reason.
  void cancel_all(std::string_view reason);
  /// A cell was deleted: its waiting run is cancelled.
  void cancel_cell(std::string_view cell_id, std::string_view reason);

  [[nodiscard]] const Execution* running() const { return running_ ? &*running_ : nullptr; }
  [[nodiscard]] const std::deque<Execution>& waiting() const { return waiting_; }
  /// The cell an execution's output belongs to: of the running one, or of EndedRuns::remembered that ended last. Null
  /// when unknown.
  [[nodiscard]] const std::string* cell_of(std::uint64_t number) const;
  [[nodiscard]] bool busy() const { return running_ || !waiting_.empty() || !own_.empty(); }
  /// Of the newest run that was asked for; 0 = none was.
  [[nodiscard]] std::uint64_t last_number() const { return next_number_ - 1; }

 private:
  struct Sent {
    std::uint64_t number = 0;
    Status status;
  };
  void next();
  std::optional<Sent> begin();
  void began(const std::optional<Sent>& sent);
  void cancel(const std::function<bool(const Execution&)>& which, std::string_view reason);
  void end_own(const std::function<bool(const Execution&)>& which, RunStatus as, std::string_view reason);

  Hooks hooks_;
  std::deque<Execution> waiting_;
  std::optional<Execution> running_;
  std::map<std::uint64_t, Execution> own_;  // announced by the kernel and not finished, by number
  EndedRuns ended_;
  std::uint64_t next_number_ = 1;
  std::uint64_t next_batch_ = 1;
  bool ready_ = false;
};

}  // namespace lectern::runtime
