#include "runtime/session_runtime.hpp"

#include <chrono>

#include "base/log.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "runtime/hub.hpp"

namespace lectern::runtime {
namespace {

using Kind = plugin::RuntimeEventKind;

// Viewers get a widget's outputs whole each time: told with every event, a long print would be told in square.
constexpr std::chrono::milliseconds captured_after{100}, interrupt_again_after{500};

std::string error_output(std::string_view name, std::string_view value) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("output_type", "error").member("ename", name).member("evalue", value);
  writer.key("traceback").begin_array().string(value).end_array().end_object();
  return out;
}

/// The kernel's process, when the plugin says it; else 0.
std::int64_t process_in(std::string_view metadata) {
  if (metadata.empty()) return 0;
  const auto value = json::parse(metadata);
  const auto* process = value ? value->find("process") : nullptr;
  return process != nullptr ? process->as_int().value_or(0) : 0;
}

Error no_kernel(KernelState state) {
  switch (state) {
    case KernelState::dead:
      return {409, "no_kernel", "the kernel is dead", "restart it", {}};
    case KernelState::restarting:
      return {409, "no_kernel", "the kernel is being restarted", "ask again when it is idle", {}};
    default:
      return {409, "no_kernel", "this notebook has no running kernel", "start one", {}};
  }
}

std::vector<std::string> folders_in(std::string_view metadata) {
  std::vector<std::string> out;
  const auto value = json::parse(metadata);
  const auto* folders = value ? value->find("front_end_folders") : nullptr;
  if (folders == nullptr || folders->as_array() == nullptr) return out;
  for (const auto& folder : *folders->as_array()) {
    if (const auto* text = folder.as_string()) out.push_back(*text);
  }
  return out;
}

std::string environment_in(std::string_view metadata) {
  const auto value = json::parse(metadata);
  return value ? json::string_or_empty(*value, "environment") : std::string();
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
      keeping_(service.kept(), loop, models_),
      captured_soon_(loop),
      interrupt_soon_(loop),
      held_long_enough_(loop),
      alive_(std::make_shared<bool>(true)) {
  Executions::Hooks hooks;
  hooks.send = [this](const Execution& execution) {
    writes_.flush();  // what was set before somebody pressed Run
    const auto sent = kernel_ ? kernel_->execute(execution.number, execution.code)
                              : Status(fail(409, "no_kernel", "this notebook has no running kernel"));
    // The kernel's own events say why it cannot run anything; the run itself must not hang.
    if (!sent) executions_->cancel_all(sent.error().message);
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

// -- kernel

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
    set_state(KernelState::none, error.message);
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

// An idle kernel ignores interrupts, and this one may have come before it had read what to run. Where it had, the run
// is about to end: a second interrupt now would hit the kernel while it tells of the first (IPython then shows no
// error).
void SessionRuntime::repeat_interrupt(std::uint64_t execution) {
  interrupt_soon_.start(interrupt_again_after, [this, execution] {
    const auto* running = executions_->running();
    if (running != nullptr && running->number == execution && kernel_) (void)kernel_->interrupt();
  });
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

void SessionRuntime::kernel_lost(std::string_view name, std::string_view reason) {
  if (taken_up_ != 0) service_.processes().let_go(std::exchange(taken_up_, 0));
  executions_->set_ready(false);
  show_held();
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
  const Error gone{409, "no_kernel", std::string(reason), "", ""};
  writes_.forget(gone);
  news_.forget(gone);
  tell_models(models_.close_all());
  for (auto& [number, waiting] : std::exchange(requests_, {})) {
    waiting.done(fail(409, "no_kernel", std::string(reason)));
  }
}

// -- what the kernel says

void SessionRuntime::on_events(std::vector<plugin::RuntimeEvent>& events) {
  const auto alive = alive_;
  care_.active();  // what it says of its own accord is use, too: a callback runs, a thread prints
  for (auto& event : events) {
    if (!held_back(event)) on_event(event);
    if (!*alive) return;
    if (!held_.empty() && taken_up_models_.settled()) show_held();
    if (!*alive) return;
  }
  if (!captured_soon_.armed() && captured_.waits()) captured_soon_.start(captured_after, [this] { flush_captured(); });
  flush_outputs();
  tell_state();
  if (*alive) heard_again();
}

// Of a process that is about to end: what it says belongs to the cells that ran, and no more. Its models and questions
// are gone, and no clear_output takes away why its run ended.
bool SessionRuntime::comes_too_late(const plugin::RuntimeEvent& event) const {
  switch (event.kind) {
    case Kind::clear:
    case Kind::input:
    case Kind::comm_open:
    case Kind::comm_message:
    case Kind::comm_close:
      if (process_ends_) return true;
      break;
    default:
      break;
  }
  return event.execution != 0 && event.execution <= former_runs_;
}

void SessionRuntime::on_event(plugin::RuntimeEvent& event) {
  if (comes_too_late(event)) return;
  switch (event.kind) {
    case Kind::state:
      return on_state(event);
    case Kind::started:
      executions_->started(event.execution, event.value);
      if (event.execution != 0 && std::exchange(interrupt_again_, 0) == event.execution)
        repeat_interrupt(event.execution);
      return;
    case Kind::stream:
    case Kind::output:
    case Kind::update:
    case Kind::clear:
      return on_output(event);
    case Kind::finished:
      end_input();
      if (const auto* cell = executions_->cell_of(event.execution)) outputs_.settle(*cell);
      flush_captured();
      news_.flush();  // whoever waits for the end of a run finds its models as it left them
      return executions_->finished(event.execution, static_cast<Finish>(event.value), event.json);
    case Kind::input:
      return on_input(event);
    case Kind::reply:
      return on_reply(event);
    case Kind::comm_open:
    case Kind::comm_message:
    case Kind::comm_close:
      return on_comm(event);
  }
}

void SessionRuntime::on_state(plugin::RuntimeEvent& event) {
  const auto said = static_cast<plugin::KernelState>(event.value);
  // Until the plugin says that the restart began, its words are about the old process.
  if (restarts_ > 0 && event.text != "shutdown") {
    if (said == plugin::KernelState::restarting) --restarts_;
    return;
  }
  switch (said) {
    case plugin::KernelState::starting:
      process_ends_ = false;
      former_runs_ = lost_runs_;
      over_.clear();
      care_.started(process_in(event.metadata));
      keeping_.said(event.metadata);
      return set_state(KernelState::starting);
    case plugin::KernelState::idle:
      if (process_ends_) return;  // a run of the old process ended
      set_state(KernelState::idle);
      if (const auto process = process_in(event.metadata); process > 0) care_.started(process);
      if (!event.metadata.empty()) {
        front_end_folders_ = folders_in(event.metadata);
        environment_ = environment_in(event.metadata);
      }
      keeping_.said(event.metadata);
      keeping_.up();
      if (!event.json.empty()) listener_.on_kernel_info(info_, std::move(event.json));
      return executions_->set_ready(true);
    case plugin::KernelState::busy:
      return process_ends_ ? void() : set_state(KernelState::busy);
    case plugin::KernelState::restarting:
      process_ends_ = true;
      kernel_lost("KernelRestarted", "the kernel was restarted");
      return set_state(KernelState::restarting);
    case plugin::KernelState::unreachable:
      if (process_ends_) return;
      return set_state(KernelState::unreachable, std::move(event.text));
    case plugin::KernelState::dead:
      restarts_ = 0;
      process_ends_ = false;
      care_.ended();
      if (event.text == "shutdown") {
        keeping_.ended();
        kernel_lost("KernelShutDown", "the kernel was shut down");
        return set_state(KernelState::none);
      }
      keeping_.died();
      if (!over_.empty()) {
        kernel_lost("KernelOutOfMemory", over_);
        set_state(KernelState::dead, std::exchange(over_, {}));
        reason_ = "memory";
        return;
      }
      kernel_lost("KernelDied", event.text);
      return set_state(KernelState::dead, std::move(event.text));
  }
}

// Of a run that is long over its models still know it.
const std::string* SessionRuntime::cell_of(std::uint64_t execution) const {
  const auto* cell = executions_->cell_of(execution);
  return cell != nullptr ? cell : models_.cell_of_run(execution);
}

const std::string* SessionRuntime::target_cell(std::uint64_t execution) const {
  if (const auto* cell = cell_of(execution)) return cell;
  return last_cell_.empty() ? nullptr : &last_cell_;
}

void SessionRuntime::on_output(plugin::RuntimeEvent& event) {
  if (event.kind == Kind::update) {
    outputs_.update_display(event.name, event.json);
    captured_.outputs().update_display(event.name, event.json);
    return;
  }
  const auto widget = captured_.widget(event.execution);
  auto& store = widget.empty() ? outputs_ : captured_.outputs();
  const auto* cell = target_cell(event.execution);
  if (widget.empty() && cell == nullptr) return;
  const std::string target(widget.empty() ? std::string_view(*cell) : widget);
  if (event.kind == Kind::stream) {
    store.stream(target, event.name, event.text);
  } else if (event.kind == Kind::clear) {
    store.clear(target, event.value != 0);
  } else if (const auto added = store.add(target, event.json, event.name); !added) {
    log::warning("runtime", added.error().message);
  }
}

void SessionRuntime::on_input(const plugin::RuntimeEvent& event) {
  end_input();
  const KeptQuestion question{event.text, event.value != 0};
  const auto* running = executions_->running();
  if (running != nullptr && running->number == event.execution) keeping_.asks(question);
  ask_for_line(question, cell_of(event.execution));
}

void SessionRuntime::ask_for_line(const KeptQuestion& question, const std::string* cell) {
  input_id_ = "input-" + std::to_string(next_input_++);
  input_data_.clear();
  json::Writer writer(input_data_);
  writer.begin_object()
      .member("request_id", std::string_view(input_id_))
      .member("prompt", std::string_view(question.prompt));
  writer.member("password", question.password);
  if (cell != nullptr) writer.member("cell_id", std::string_view(*cell));
  writer.end_object();
  flush_outputs();  // what was printed before the question belongs above it
  listener_.on_input_request(input_id_, input_data_);
}

void SessionRuntime::end_input() {
  asks_again_.reset();
  if (input_id_.empty()) return;
  const auto request_id = std::exchange(input_id_, {});
  input_data_.clear();
  keeping_.asks({});
  listener_.on_input_done(request_id);
}

void SessionRuntime::on_reply(plugin::RuntimeEvent& event) {
  if (event.request == 0 && event.refused) {
    log::warning("runtime", event.refused->message);
    return listener_.on_not_told(*event.refused);
  }
  const auto it = requests_.find(event.request);
  if (it == requests_.end()) return;
  auto waiting = std::move(it->second);
  requests_.erase(it);
  if (event.refused) return waiting.done(fail(std::move(*event.refused)));
  if (sdk::json::valid(event.json)) return waiting.done(std::move(event.json));
  waiting.done(fail(502, "kernel_garbled", "the kernel's answer is not JSON"));
}

// -- runs

Result<std::vector<Execution>> SessionRuntime::execute(std::vector<CellRun> runs, std::string by, bool stop_on_error) {
  if (state_ == KernelState::none || state_ == KernelState::dead) return fail(no_kernel(state_));
  care_.active();
  auto result = executions_->enqueue(std::move(runs), std::move(by), stop_on_error);
  flush_outputs();
  return result;
}

void SessionRuntime::execution_changed(const Execution& execution, std::string_view reason) {
  keeping_.runs(executions_->running());
  execution.status == RunStatus::queued ? keeping_.waits(execution) : keeping_.waits_no_more(execution);
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

void SessionRuntime::flush_outputs(std::string_view but_not) {
  for (const auto& cell_id : outputs_.changed_cells()) {
    if (cell_id == but_not) continue;
    const auto it = cells_.find(cell_id);
    const auto state = it == cells_.end() ? CellState{} : it->second;
    const auto ops = outputs_.take_ops(cell_id);
    // What comes after the end of a run comes from a callback: it belongs to no run.
    if (!ops.empty()) tell_cell(cell_id, state, ops, state.status == RunStatus::running);
  }
}

void SessionRuntime::tell_cell(const std::string& cell_id, const CellState& state, std::string_view ops,
                               bool with_execution, std::string_view reason) {
  std::string data;
  data.reserve(ops.size() + 200);
  json::Writer writer(data);
  writer.begin_object().member("cell_id", std::string_view(cell_id));
  if (with_execution && !state.execution_id.empty()) {
    writer.member("execution_id", std::string_view(state.execution_id));
  }
  writer.member("status", run_status_name(state.status));
  if (state.execution_count) writer.member("execution_count", *state.execution_count);
  if (!reason.empty()) writer.member("reason", reason);
  writer.member_raw("outputs", ops.empty() ? std::string_view("[]") : ops).end_object();
  listener_.on_cell_op(cell_id, std::move(data), !ops.empty() || state.execution_count.has_value());
}

// -- asked by clients

Status SessionRuntime::input(std::string_view request_id, std::string_view value) {
  if (input_id_.empty() || input_id_ != request_id) {
    return fail(404, "request_not_found", "the input request " + std::string(request_id) + " is not open",
                "somebody answered it, or the run ended");
  }
  LECTERN_CHECK(kernel_->input(value));
  end_input();
  return {};
}

void SessionRuntime::request(std::string_view kind, std::string_view content, int deadline_ms,
                             Callback<std::string> done) {
  // One that is about to end would take the question along.
  const bool ending = state_ == KernelState::dead || state_ == KernelState::restarting;
  if (!kernel_ || ending) return done(fail(no_kernel(state_)));
  care_.active();
  const auto number = next_request_++;
  if (const auto sent = kernel_->request(number, kind, content); !sent) return done(fail(sent.error()));
  Waiting waiting{std::move(done), std::make_unique<Timer>(loop_)};
  waiting.deadline->start(std::chrono::milliseconds(deadline_ms), [this, number] {
    const auto it = requests_.find(number);
    if (it == requests_.end()) return;
    auto late = std::move(it->second);
    requests_.erase(it);
    late.done(fail(504, "kernel_timeout", "the kernel did not answer in time", "it may be busy running a cell"));
  });
  requests_.emplace(number, std::move(waiting));
}

void SessionRuntime::clear_outputs(const std::vector<std::string>& cells) {
  for (const auto& cell_id : cells.empty() ? outputs_.cells() : cells) outputs_.clear(cell_id, false);
  flush_outputs();
}

void SessionRuntime::cell_deleted(std::string_view cell_id) {
  executions_->cancel_cell(cell_id, "the cell was deleted");
  outputs_.erase(cell_id);
  cells_.erase(std::string(cell_id));
  file_counts_.erase(std::string(cell_id));
}

// -- for joiners

bool SessionRuntime::reload(const std::string& cell_id, std::shared_ptr<const void> keeps,
                            std::string_view outputs_json, std::int64_t count) {
  const auto it = cells_.find(cell_id);
  if (it != cells_.end() && (it->second.status == RunStatus::running || it->second.status == RunStatus::queued)) {
    return false;
  }
  flush_outputs();
  outputs_.erase(cell_id);
  outputs_.load(cell_id, std::move(keeps), outputs_json);
  if (it != cells_.end()) cells_.erase(it);
  file_counts_.erase(cell_id);
  if (count >= 0) file_counts_[cell_id] = count;
  return true;
}

CellView SessionRuntime::cell_view(const std::string& cell_id) {
  flush_outputs();
  CellView view;
  view.cell_id = cell_id;
  if (const auto it = cells_.find(cell_id); it != cells_.end()) {
    view.ran = true;
    view.execution_id = it->second.execution_id;
    view.status = it->second.status;
  }
  view.execution_count = execution_count(cell_id);
  view.outputs = outputs_.view(cell_id);
  return view;
}

void SessionRuntime::give_out_under(const std::string& url) {
  outputs_.give_out_under(url);
  captured_.outputs().give_out_under(url);
}

std::optional<Task> SessionRuntime::whole_output(std::string_view id) {
  for (const auto* store : {&outputs_, &captured_.outputs()}) {
    if (!store->has_whole(id)) continue;
    auto task = store->whole_up_to_date(id);
    return task ? std::move(task) : Task([] {});
  }
  return std::nullopt;
}

std::vector<std::string> SessionRuntime::open_inputs() const {
  return input_id_.empty() ? std::vector<std::string>{} : std::vector{input_data_};
}

}  // namespace lectern::runtime
