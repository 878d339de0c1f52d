#include "runtime/session_runtime.hpp"

#include "base/error_text.hpp"
#include "runtime/hub.hpp"

namespace lectern::runtime {
namespace {

std::string error_output(std::string_view name, std::string_view value) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("output_type", "error").member("ename", name).member("evalue", value);
  writer.key("traceback").begin_array().string(value).end_array().end_object();
  return out;
}

}  // namespace

SessionRuntime::SessionRuntime(Loop& loop, Service& service, RuntimeListener& listener)
    : loop_(loop),
      service_(service),
      listener_(listener),
      outputs_(service.blobs()),
      writes_(loop, [this](ClientWrite write) { return tell_write(std::move(write)); }),
      news_(loop,
            [this](ClientWrite write) {
              const auto revision = write.event.revision;
              tell_models({std::move(write.event)});
              return revision;
            }),
      captured_(service.blobs(), models_),
      care_(loop, service.hub(), service.processes(), care_hooks()),
      keeping_(service.kept(), loop, models_, taken_up_models_),
      captured_soon_(loop),
      interrupt_soon_(loop),
      held_long_enough_(loop),
      ask_refused_soon_(loop),
      alive_(std::make_shared<bool>(true)) {
  Executions::Hooks hooks;
  hooks.send = [this](const Execution& execution) -> Status {
    keeping_.runs(&execution);  // a host that is killed in between must not run it a second time
    keeping_.waits_no_more(execution);
    writes_.flush();  // what was set before somebody pressed Run
    if (!kernel_) return fail(409, "no_kernel", "this notebook has no running kernel");
    return kernel_->execute(execution.number, execution.code, execution.cell_id);
  };
  hooks.changed = [this](const Execution& execution, std::string_view reason) { execution_changed(execution, reason); };
  hooks.recoded = [this](const Execution& execution) { keeping_.waits(execution, true); };
  executions_ = std::make_unique<Executions>(std::move(hooks));
  keeping_.follow(*executions_);
}

SessionRuntime::~SessionRuntime() {
  *alive_ = false;
  keeping_.ended();
}

KernelCare::Hooks SessionRuntime::care_hooks() {
  KernelCare::Hooks hooks;
  hooks.at_work = [this] { return busy() || !input_id_.empty() || state_ != KernelState::idle; };
  hooks.idle_too_long = [this](std::string words) { cull(std::move(words)); };
  hooks.nearly_full = [this](std::string words) {
    warning_ = std::move(words);
    state_changed_ = true;
    tell_state();
  };
  hooks.over = [this](std::string words) { over_ = std::move(words); };
  hooks.figures_changed = [this] { listener_.on_kernel_figures(); };
  return hooks;
}

void SessionRuntime::start(std::string runtime, std::string language, StartOptions options, Callback<KernelInfo> done) {
  const bool none = state_ == KernelState::none || state_ == KernelState::dead;
  if (!none || (kernel_ && !kernel_->attached())) {
    return done(fail(409, "kernel_running",
                     "this notebook has a kernel already" + (info_.name.empty() ? "" : " (" + info_.name + ")"),
                     "restart it, or shut it down first"));
  }
  kernel_ = make_kernel();
  environment_.clear();
  set_state(KernelState::starting);
  tell_state();
  auto answer = std::make_shared<Callback<KernelInfo>>(std::move(done));
  service_.hub().submit([this, &catalog = service_.catalog(), &loop = loop_, alive = alive_, answer,
                         runtime = std::move(runtime), language = std::move(language), options = std::move(options)] {
    const bool exact = !runtime.empty() && language.empty();
    auto found = exact ? catalog.resolve(runtime) : catalog.best(runtime, language);
    loop.post([this, alive, answer, found = std::move(found), options]() mutable {
      if (*alive) start_found(std::move(found), options, std::move(answer));
    });
  });
}

void SessionRuntime::start_found(Result<KernelInfo> found, const StartOptions& options,
                                 std::shared_ptr<Callback<KernelInfo>> done) {
  const auto failed = [this, done](const Error& error) {
    kernel_.reset();
    keeping_.ended();
    kernel_lost("KernelNotStarted", error.message);
    set_state(KernelState::none, in_full(error));
    tell_state();
    (*done)(fail(error));
  };
  if (!found) return failed(found.error());
  info_ = *found;
  auto kept = options;
  keeping_.begin(info_, kept);
  const auto started = kernel_->start(info_, kept, [this, done, failed](Status status) {
    if (!status) return failed(status.error());
    (*done)(info_);
  });
  if (!started) failed(started.error());
}

std::unique_ptr<Kernel> SessionRuntime::make_kernel() {
  return std::make_unique<Kernel>(service_.hub(), loop_,
                                  [this](std::vector<plugin::RuntimeEvent>& events) { on_events(events); });
}

Status SessionRuntime::interrupt() {
  if (!kernel_) return fail(409, "no_kernel", "this notebook has no running kernel");
  const auto* running = executions_->running();
  const bool runs = running != nullptr;
  interrupt_again_ = runs && !running->execution_count ? running->number : 0;
  interrupt_soon_.cancel();
  executions_->interrupt();
  return runs || kernel_->attached() ? kernel_->interrupt() : Status();
}

Status SessionRuntime::restart() {
  if (!kernel_) return fail(409, "no_kernel", "this notebook has no kernel to restart", "start one");
  LECTERN_CHECK(kernel_->restart());
  // From here on everything belongs to the new process: what is asked for now must outlive the old one's end.
  ++restarts_;
  process_ends_ = true;
  kernel_lost("KernelRestarted", "the kernel was restarted");
  set_state(KernelState::restarting);
  tell_state();
  return {};
}

Status SessionRuntime::shutdown() {
  if (!kernel_) return fail(409, "no_kernel", "this notebook has no running kernel");
  return kernel_->shutdown();
}

// At once, so that a run that is asked for from now on starts a kernel anew.
void SessionRuntime::cull(std::string words) {
  kernel_.reset();
  care_.ended();
  keeping_.ended();
  kernel_lost("KernelCulled", words);
  set_state(KernelState::none, std::move(words));
  reason_ = "culled";
  tell_state();
}

Error SessionRuntime::no_kernel() const {
  switch (state_) {
    case KernelState::dead:
      return {409, "no_kernel", "the kernel is dead", "restart it", {}};
    case KernelState::restarting:
      return {409, "no_kernel", "the kernel is being restarted", "ask again when it is idle", {}};
    default:
      return {409, "no_kernel", "this notebook has no running kernel", "start one", {}};
  }
}

void SessionRuntime::kernel_lost(std::string_view name, std::string_view reason) {
  if (taken_up_ != 0) service_.processes().let_go(std::exchange(taken_up_, 0));
  executions_->set_ready(false);
  if (!show_held()) return;
  if (const auto* running = executions_->running()) {
    (void)outputs_.add(running->cell_id, error_output(name, reason), {});  // the text is ours: it is valid
  }
  executions_->cancel_all(reason);
  lost_runs_ = executions_->last_number();
  last_cell_.clear();  // what the next kernel says before it runs anything belongs to no cell
  flush_outputs();
  end_input();
  flush_captured();
  captured_.forget();
  taken_up_models_.forget();
  refused_.clear();
  ask_refused_soon_.cancel();
  const Error gone{409, "no_kernel", std::string(reason), "", ""};
  writes_.forget(gone);
  news_.forget(gone);
  tell_models(models_.close_all());
  for (auto& [number, waiting] : std::exchange(requests_, {})) {
    waiting.done(fail(409, "no_kernel", std::string(reason)));
  }
}

std::string SessionRuntime::kernel_status() const {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("state", kernel_state_name(state_)).member("runtime", std::string_view(info_.name));
  if (!info_.display_name.empty()) writer.member("display_name", std::string_view(info_.display_name));
  if (!environment_.empty()) writer.member("environment", std::string_view(environment_));
  if (!why_.empty()) writer.member("error", std::string_view(why_));
  if (!reason_.empty()) writer.member("reason", std::string_view(reason_));
  if (!warning_.empty()) writer.member("warning", std::string_view(warning_));
  writer.end_object();
  return out;
}

void SessionRuntime::set_state(KernelState state, std::string why) {
  if (state == state_ && why == why_) return;
  state_ = state;
  why_ = std::move(why);
  if (state != KernelState::idle && state != KernelState::busy) {
    reason_.clear();
    warning_.clear();
  }
  state_changed_ = true;
}

void SessionRuntime::tell_state() {
  if (!std::exchange(state_changed_, false)) return;
  auto data = kernel_status();
  if (data == told_) return;
  told_ = data;
  listener_.on_kernel_status(std::move(data));
}

// -- runs

Result<std::vector<Execution>> SessionRuntime::execute(std::vector<CellRun> runs, std::string by, bool stop_on_error) {
  if (state_ == KernelState::none || state_ == KernelState::dead) return fail(no_kernel());
  care_.active();
  auto result = executions_->enqueue(std::move(runs), std::move(by), stop_on_error);
  flush_outputs();
  return result;
}

void SessionRuntime::execution_changed(const Execution& execution, std::string_view reason) {
  const auto* running = executions_->running();
  keeping_.runs(running);
  const bool waits =
      execution.status == RunStatus::queued && (running == nullptr || running->number != execution.number);
  if (!execution.own) waits ? keeping_.waits(execution) : keeping_.waits_no_more(execution);
  auto& state = cells_[execution.cell_id];
  const bool begins = execution.status == RunStatus::running && !execution.execution_count;
  // A run that was dropped from the queue leaves the outputs and count of the one before it.
  state.execution_id = execution.id;
  state.status = execution.status;
  if (execution.execution_count) state.execution_count = execution.execution_count;
  if (begins) {
    state.execution_count.reset();
    file_counts_.erase(execution.cell_id);
    last_cell_ = execution.cell_id;
    outputs_.begin(execution.cell_id);
  }
  const auto copy = state;  // the listener may call back in
  // What a run changed in other cells is told before its end: whoever waits for the end finds it all there.
  flush_outputs(execution.cell_id);
  tell_cell(execution.cell_id, copy, outputs_.take_ops(execution.cell_id), true, reason);
}

void SessionRuntime::cell_deleted(std::string_view cell_id) {
  executions_->cancel_cell(cell_id, "the cell was deleted");
  forget_cell(cell_id);
  outputs_.erase(cell_id);
  cells_.erase(std::string(cell_id));
  file_counts_.erase(std::string(cell_id));
}

void SessionRuntime::forget_cell(std::string_view cell_id) {
  if (kernel_ && cells_.contains(std::string(cell_id))) (void)kernel_->forget_cell(cell_id);
}

}  // namespace lectern::runtime
