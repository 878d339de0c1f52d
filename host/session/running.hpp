// The kernel of a session as the room sees it: what the runtime says becomes events, what people ask goes to the
// runtime.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.hpp"
#include "runtime/session_runtime.hpp"
#include "session/connection.hpp"
#include "session/invocation.hpp"
#include "session/output_log.hpp"

namespace lectern::session {

class LiveSession;

class Running final : public runtime::RuntimeListener {
 public:
  explicit Running(LiveSession& session);

  /// The session lives: its kernels are of this notebook from now on, and one that an earlier host kept goes on.
  void begin();
  /// The notebook's file is at `path` now.
  void moved(std::string path) { runtime_.moved(std::move(path)); }

  void execute(Invocation invocation);
  /// With `run_all` in the body all code cells are run after it, as execute would.
  void restart(Invocation invocation);
  void start_kernel(Invocation invocation);
  void kernel_request(Invocation invocation, std::string_view kind);
  /// As Session::front_end_file.
  void front_end_file(const std::string& path, UniqueFunction<void(Result<std::string>)> done);
  void model(Invocation invocation);
  void input(Invocation invocation);
  void clear_outputs(Invocation invocation);

  [[nodiscard]] runtime::SessionRuntime& runtime() { return runtime_; }
  /// Of so many cells what they showed when an earlier host ended was not in the file, and is shown again.
  [[nodiscard]] std::size_t brought_back() const { return brought_back_; }
  /// What cells show is written down here until the file has it; null where the file is only read.
  [[nodiscard]] OutputLog* output_log() { return output_log_.get(); }
  [[nodiscard]] std::string kernel_status() const { return runtime_.kernel_status(); }
  [[nodiscard]] std::vector<std::string> open_inputs() const { return runtime_.open_inputs(); }
  /// All cells as they are now, in the notebook's order. What is still unread of them is looked at by a worker, which
  /// ends in Connection::go_on of every connection.
  void add_cells(Replay& replay);
  void add_models(Replay& replay);
  void cell_deleted(const std::string& cell_id);
  /// Shows what `file` has as outputs of the cell, also to those who are here. False while the cell runs.
  bool reload(const std::string& cell_id, std::shared_ptr<const void> file, std::string_view outputs_json,
              std::int64_t count);

  void on_cell_op(const std::string& cell_id, std::string data, bool outputs_changed) override;
  void on_kernel_status(std::string data) override;
  void on_input_request(const std::string& request_id, std::string data) override;
  void on_input_done(const std::string& request_id) override;
  void on_model(const runtime::ModelEvent& event) override;
  void on_kernel_info(const runtime::KernelInfo& kernel, std::string info_json) override;
  void on_kernel_figures() override;
  void on_not_told(const Error& why) override;

 private:
  void look_at(std::vector<runtime::LoadedPtr> outputs, Task then = {});
  void tell_cell(const runtime::CellView& view);
  void queue_when_durable(std::vector<runtime::CellRun> runs, Invocation invocation);
  void queue(std::vector<runtime::CellRun> runs, const std::string& by, Invocation invocation);
  void ensure_kernel();
  void bring_back_outputs();
  void write_log();
  void release_log();
  [[nodiscard]] runtime::StartOptions start_options() const;
  void start(std::string runtime_name, std::string language, UniqueFunction<void(Result<runtime::KernelInfo>)> done);
  LiveSession& session_;
  runtime::SessionRuntime runtime_;
  Timer looks_kept_;
  std::unique_ptr<OutputLog> output_log_;
  bool log_waits_ = false;  // for blobs that are on their way to the disk
  bool log_due_ = false;    // meanwhile more was told
  std::size_t brought_back_ = 0;
  Timer logs_;
};

}  // namespace lectern::session
