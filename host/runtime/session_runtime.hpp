// The runtime of one session, put together: kernel, queue, outputs, models. The face of this folder for session/.
// Everything [reactor]; callbacks of the listener too, and they may call back in.
//
// Order it keeps: a model's `open` before any output that names it; all outputs of a run before its final status.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/loop.hpp"
#include "base/task.hpp"
#include "runtime/capture.hpp"
#include "runtime/cell_view.hpp"
#include "runtime/executions.hpp"
#include "runtime/keeping.hpp"
#include "runtime/kernel.hpp"
#include "runtime/kernel_care.hpp"
#include "runtime/model_writes.hpp"
#include "runtime/models.hpp"
#include "runtime/outputs.hpp"
#include "runtime/service.hpp"
#include "runtime/taken_up_models.hpp"

namespace lectern::runtime {

/// JSON texts are the `data` of the event named in protocol 5, ready to send. None of these may destroy the
/// SessionRuntime: whoever ends a session does that in a turn of its own.
class RuntimeListener {
 public:
  virtual ~RuntimeListener() = default;
  /// Outputs or status of a cell changed. `outputs_changed` = the file is no longer up to date.
  virtual void on_cell_op(const std::string& cell_id, std::string data, bool outputs_changed) = 0;
  virtual void on_kernel_status(std::string data) = 0;
  /// Someone may answer with input(request_id, …).
  virtual void on_input_request(const std::string& request_id, std::string data) = 0;
  /// The request is answered or void.
  virtual void on_input_done(const std::string& request_id) = 0;
  virtual void on_model(const ModelEvent& event) = 0;
  /// `kernel_info` content once a kernel is up: what goes into the notebook's metadata (`kernelspec`, `language_info`).
  virtual void on_kernel_info(const KernelInfo& kernel, std::string info_json) = 0;
  /// SessionRuntime::figures changed.
  virtual void on_kernel_figures() {}
  /// Something that a client was answered for did not reach the kernel after all. `why`: for people.
  virtual void on_not_told([[maybe_unused]] const Error& why) {}
};

class SessionRuntime {
 public:
  template <class T>
  using Callback = UniqueFunction<void(Result<T>)>;

  /// All references outlive it.
  SessionRuntime(Loop& loop, Service& service, RuntimeListener& listener);
  /// Ends the kernel without waiting.
  ~SessionRuntime();

  // -- kernel
  /// Looks `runtime` up (worker) and starts it; with a `language`, or an empty `runtime`, Catalog::best chooses. `done`
  /// when the process was started or could not be: the errors of Catalog::resolve, 409 kernel_running, what the plugin
  /// says. A kernel that died by itself is replaced.
  void start(std::string runtime, std::string language, StartOptions options, Callback<KernelInfo> done);
  /// From now on kernels are started to outlive the host, if it was told so: as those of this session and notebook.
  void keep_as(std::string session_id, std::string path) { keeping_.under(std::move(session_id), std::move(path)); }
  void moved(std::string path) { keeping_.moved(std::move(path)); }
  /// Instead of start: takes up the kernel that an earlier host kept, with what ran in it. When it is gone there is
  /// none, and kernel-status says why.
  void take_up(KeptKernel found, StartOptions options);
  /// The host ends: a kernel that is kept goes on by itself, and this object is of no use any more. False: it is to be
  /// shut down.
  bool leave();
  /// 409 `no_kernel` from interrupt, restart and shutdown while there is none. A dead kernel may be restarted.
  Status interrupt();
  Status restart();
  Status shutdown();
  [[nodiscard]] KernelState state() const { return state_; }
  /// Of the kernel that lives now and of every later one.
  void limit(const KernelLimits& limits) { care_.limit(limits); }
  /// What its processes use; nothing when there is none, or nobody says which they are.
  [[nodiscard]] const std::optional<KernelFigures>& figures() const { return care_.figures(); }
  /// True when the host ended the kernel because nobody used it: a restart is then a start.
  [[nodiscard]] bool culled() const { return state_ == KernelState::none && reason_ == "culled"; }
  /// `data` of kernel-status now.
  [[nodiscard]] std::string kernel_status() const;
  /// "jupyter/python3"; empty before the first start.
  [[nodiscard]] const std::string& runtime_name() const { return info_.name; }

  // -- runs
  /// Queues one batch; runs wait while the kernel starts. 409 `no_kernel` when there is none or it is dead, 429
  /// `queue_full`.
  Result<std::vector<Execution>> execute(std::vector<CellRun> runs, std::string by, bool stop_on_error = true);
  [[nodiscard]] const Executions& executions() const { return *executions_; }
  /// True while something runs or waits: keeps a session alive.
  [[nodiscard]] bool busy() const { return executions_->busy(); }

  // -- asked by clients
  /// 404 `request_not_found` when it was answered already or never asked.
  Status input(std::string_view request_id, std::string_view value);
  /// `kind` complete | inspect | is_complete | history; `content` JSON as in Jupyter's messages. Answers with the
  /// reply's content, or 504 `kernel_timeout` after `deadline_ms`, 409 `no_kernel`. Of one `asker` (0 = nobody) the
  /// newest question of these kinds is the one that counts: the one before it is answered 409 `cancelled` at once.
  void request(std::string_view kind, std::string_view content, int deadline_ms, Callback<std::string> done,
               std::uint64_t asker = 0);
  /// Nobody is there to hear answers any more: open questions of any kind are answered 409 `cancelled`.
  void asker_left(std::uint64_t asker);
  /// Protocol 4 `model`. Fans out through the listener; the answer is the new revision, or why the kernel did not take
  /// it. It comes some milliseconds later for one in a storm of them.
  void model(std::string_view model_id, const json::Value& message, std::vector<std::string> buffers,
             std::string_view client_id, Callback<std::uint64_t> done);
  /// Clears shown outputs of these cells (all when empty).
  void clear_outputs(const std::vector<std::string>& cells);
  void cell_deleted(std::string_view cell_id);
  /// The cell is no longer one of code.
  void forget_cell(std::string_view cell_id);

  // -- for joiners: kernel status, then model opens, then cells
  [[nodiscard]] std::vector<ModelEvent> models() const { return models_.snapshot(); }
  /// The count the file has for a cell; joiners see it until the cell runs.
  void load_count(const std::string& cell_id, std::int64_t count) { file_counts_[cell_id] = count; }
  /// The file was changed under the session: from now on the cell shows these outputs and this count (-1 = none).
  /// `keeps` owns the bytes. False, and nothing happens, while the cell runs or waits to.
  bool reload(const std::string& cell_id, std::shared_ptr<const void> keeps, std::string_view outputs_json,
              std::int64_t count);
  /// The cell as it is now. Its outputs may have to be looked at by a worker first: OutputsView::ready.
  CellView cell_view(const std::string& cell_id);
  /// `data` of open input requests.
  [[nodiscard]] std::vector<std::string> open_inputs() const;
  /// Of the last run of the cell in this session, else what the file has; empty when neither.
  [[nodiscard]] std::optional<std::int64_t> execution_count(const std::string& cell_id) const {
    const auto it = cells_.find(cell_id);
    if (it != cells_.end() && it->second.execution_count) return it->second.execution_count;
    const auto of_file = file_counts_.find(cell_id);
    return of_file == file_counts_.end() ? std::nullopt : std::optional(of_file->second);
  }

  [[nodiscard]] OutputStore& outputs() { return outputs_; }
  /// Notices name what is kept of a whole output by this URL and its id.
  void give_out_under(const std::string& url);
  /// For who asks for it by that id: what a worker runs before it opens the file. Empty when no output here names it.
  [[nodiscard]] std::optional<Task> whole_output(std::string_view id);
  [[nodiscard]] ModelStore& model_store() { return models_; }
  /// Where the environment of the kernel keeps what front ends load (share/jupyter), most specific first. Of the last
  /// kernel that was up; empty before.
  [[nodiscard]] const std::vector<std::string>& front_end_folders() const { return front_end_folders_; }

 private:
  struct CellState {
    std::string execution_id;
    RunStatus status = RunStatus::idle;
    std::optional<std::int64_t> execution_count;
  };
  struct Waiting {
    Callback<std::string> done;
    std::unique_ptr<Timer> deadline;
    std::string kind = {};
    std::uint64_t asker = 0;
  };
  void cancel_questions(std::uint64_t asker, std::string_view kind, const Error& why);
  void start_found(Result<KernelInfo> found, const StartOptions& options, std::shared_ptr<Callback<KernelInfo>> done);
  std::unique_ptr<Kernel> make_kernel();
  void runs_go_on(const KeptKernel& found, std::uint64_t last_number);
  void not_taken_up(const KeptKernel& found, const Error& error);
  void on_events(std::vector<plugin::RuntimeEvent>& events);
  void after_events();
  void on_event(plugin::RuntimeEvent& event);
  [[nodiscard]] bool comes_too_late(const plugin::RuntimeEvent& event) const;
  void runs_by_itself(const plugin::RuntimeEvent& event);
  void on_state(plugin::RuntimeEvent& event);
  void repeat_interrupt(std::uint64_t execution);
  void on_output(plugin::RuntimeEvent& event);
  void on_comm(plugin::RuntimeEvent& event);
  void on_input(const plugin::RuntimeEvent& event);
  std::vector<std::pair<std::string, std::uint64_t>> bring_back(std::vector<KeptModel> models, std::uint64_t running);
  void values_unknown(const KeptModel& model);
  void not_in_store(const plugin::RuntimeEvent& event, const std::string* cell);
  void heard_again();
  void ask_again();
  void ask_for_models();
  /// `asked` so often with this question, from 1 on.
  Status ask_for_state(const std::string& id, int asked = 1);
  void ask_for_states(const std::vector<std::string>& ids);
  void models_there_are(const std::string& comm_info);
  bool found_after_all(const plugin::RuntimeEvent& event) const;
  bool held_back(plugin::RuntimeEvent& event);
  /// False: this object is gone.
  bool show_held();
  void held_is_over();
  void ask_for_line(const KeptQuestion& question, const std::string* cell);
  void on_reply(plugin::RuntimeEvent& event);
  void not_told(const plugin::RuntimeEvent& event);
  void ask_refused();
  static void give_up_asking(const std::string& id, const Error& why);
  [[nodiscard]] Error no_kernel() const;
  void set_state(KernelState state, std::string why = {});
  void tell_state();
  [[nodiscard]] KernelCare::Hooks care_hooks();
  void cull(std::string words);
  void kernel_lost(std::string_view name, std::string_view reason);
  void end_input();
  void execution_changed(const Execution& execution, std::string_view reason);
  void flush_outputs(std::string_view but_not = {});
  void tell_cell(const std::string& cell_id, const CellState& state, std::string_view ops, bool with_execution,
                 std::string_view reason = {});
  const std::string* cell_of(std::uint64_t execution) const;
  const std::string* target_cell(std::uint64_t execution) const;
  void tell_models(const std::vector<ModelEvent>& events);
  void tell_kernel_models(const std::vector<ModelEvent>& events, std::uint64_t execution);
  void flush_captured(std::string_view ended = {});
  Result<std::uint64_t> tell_write(ClientWrite write);

  Loop& loop_;
  Service& service_;
  RuntimeListener& listener_;
  OutputStore outputs_;
  ModelStore models_;
  ModelWrites writes_;
  ModelWrites news_;  // the kernel's own, on their way to the clients
  Capture captured_;
  std::vector<std::string> front_end_folders_;
  std::string environment_;  // the kernel's; empty when its plugin says of none
  std::unique_ptr<Executions> executions_;
  std::unique_ptr<Kernel> kernel_;
  KernelCare care_;
  TakenUpModels taken_up_models_;
  Keeping keeping_;
  KernelInfo info_;
  KernelState state_ = KernelState::none;
  std::string why_, told_;
  std::string reason_, warning_;  // of kernel-status: "culled", "memory"; words
  std::string over_;              // why the kernel is about to be killed; empty = it is not
  bool state_changed_ = false;
  std::uint64_t interrupt_again_ = 0;  // the run that was interrupted before it began
  std::int64_t taken_up_ = 0;          // the process of a kernel that an earlier host started
  int restarts_ = 0;                   // asked for, and not yet begun
  bool process_ends_ = false;          // it is restarted, and what is said is the old process's
  std::uint64_t lost_runs_ = 0;        // runs up to this number ended with the kernel before
  std::uint64_t former_runs_ = 0;      // the same, once there is another: what they say is late
  std::unordered_map<std::string, CellState> cells_;
  std::unordered_map<std::string, std::int64_t> file_counts_;  // of cells that have not run here
  std::unordered_map<std::uint64_t, Waiting> requests_;
  std::uint64_t next_request_ = 1;
  std::uint64_t next_input_ = 1;
  std::string input_id_, input_data_;
  std::optional<KeptQuestion> asks_again_;  // what the run that was taken up waits for, until the kernel is heard
  std::vector<plugin::RuntimeEvent> held_;  // from an output on that names a model which is still to be found
  std::size_t held_bytes_ = 0;
  bool no_more_held_ = false;
  std::string last_cell_;
  struct Refused {
    int asked = 0;                  // the kernel, since
    std::int64_t asked_at_ms = -1;  // the last time; -1: it is about to be
  };
  std::map<std::string, Refused, std::less<>> refused_;  // models told to all but the kernel
  Timer captured_soon_, interrupt_soon_, held_long_enough_, ask_refused_soon_;
  std::shared_ptr<bool> alive_;  // shared with workers' answers that may come after this object is gone
};

}  // namespace lectern::runtime
