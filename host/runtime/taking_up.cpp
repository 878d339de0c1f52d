// A session whose kernel an earlier host started, and one that leaves its kernel to the next.
#include <optional>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "runtime/hub.hpp"
#include "runtime/session_runtime.hpp"

namespace lectern::runtime {

void SessionRuntime::take_up(KeptKernel found, StartOptions options) {
  info_ = found.kernel;
  kernel_ = make_kernel();
  auto models = std::exchange(found.models, {});
  keeping_.take_up(found, options);
  const auto last_number = options.life << 32;
  runs_go_on(found, last_number);
  // Before anybody is shown a cell: its outputs may name them.
  options.comms = bring_back(std::move(models), found.running ? found.running->number : 0);
  if (found.running && found.running->models_noted) options.others = found.running->number;
  set_state(KernelState::starting);
  tell_state();
  auto done = [this, found](const Status& status) {
    if (!status) return not_taken_up(found, status.error());
    taken_up_ = found.process;
    if (taken_up_ != 0) service_.processes().take_up(taken_up_);
    if (!found.running || executions_->running() == nullptr) return;
    outputs_.stream(found.running->cell_id, "stderr",
                    "\n[the host ended and began anew while this ran: what was printed meanwhile may be missing]\n");
    flush_outputs();
    asks_again_ = found.running->question;
  };
  const auto started = kernel_->start(info_, options, done);
  if (!started) done(started);
}

void SessionRuntime::runs_go_on(const KeptKernel& found, std::uint64_t last_number) {
  const auto as_it_was = [this](const KeptRun& run, RunStatus status) {
    Execution execution;
    execution.number = run.number;
    execution.id = run.id;
    execution.cell_id = run.cell_id;
    execution.code = run.code;
    execution.by = run.by;
    execution.batch = run.batch;
    execution.stop_on_error = run.stop_on_error;
    execution.status = status;
    execution.execution_count = run.count;
    if (!run.cell_id.empty()) cells_[run.cell_id] = {run.id, status, run.count};
    return execution;
  };
  std::optional<Execution> running;
  if (found.running) {
    running = as_it_was(*found.running, RunStatus::running);
    if (!found.running->cell_id.empty()) last_cell_ = found.running->cell_id;
  }
  std::vector<Execution> waiting;
  for (const auto& run : found.waiting) waiting.push_back(as_it_was(run, RunStatus::queued));
  executions_->go_on(std::move(running), last_number, std::move(waiting));
}

void SessionRuntime::heard_again() {
  if (state_ != KernelState::idle && state_ != KernelState::busy) return;
  ask_again();
  ask_for_models();
}

// Not before the kernel is heard: who answers at once would miss what is printed right after the answer.
void SessionRuntime::ask_again() {
  if (!asks_again_) return;
  const auto question = *std::exchange(asks_again_, std::nullopt);
  if (const auto* running = executions_->running()) ask_for_line(question, executions_->cell_of(running->number));
}

// Only what is gone is forgotten: what may live is tried again by the next host, and a local one is ended when a new
// kernel takes its place.
void SessionRuntime::not_taken_up(const KeptKernel& found, const Error& error) {
  const bool may_live = found.process == 0 ? !found.dead : KeptKernels::alive(found);
  const auto words =
      std::string("the kernel that was kept ") + (may_live ? "was not taken up: " : "is gone: ") + error.message;
  log::warning("runtime", found.path + ": " + words);
  kernel_.reset();
  may_live ? keeping_.left_without_queue() : keeping_.ended();
  kernel_lost("KernelGone", words);
  set_state(KernelState::none, words);
  tell_state();
}

bool SessionRuntime::leave() {
  if (!kernel_ || !keeping_.kept()) return false;
  writes_.flush();
  flush_captured();
  keeping_.left();
  kernel_->leave();
  kernel_.reset();
  return true;
}

}  // namespace lectern::runtime
