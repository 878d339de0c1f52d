#include "runtime/session_runtime.hpp"

#include <chrono>

#include "base/log.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "runtime/hub.hpp"

namespace lectern::runtime {
namespace {

using Kind = plugin::RuntimeEventKind;

// Viewers get a widget's outputs whole each time: told with every event, a long print would be told in square.
constexpr std::chrono::milliseconds captured_after{100};

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

}  // namespace

SessionRuntime::SessionRuntime(Loop& loop, Service& service, RuntimeListener& listener)
    : loop_(loop),
      service_(service),
      listener_(listener),
      outputs_(service.blobs()),
      captured_(service.blobs(), models_),
      care_(loop, service.hub(), service.processes(), care_hooks()),
      captured_soon_(loop),
      alive_(std::make_shared<bool>(true)) {
  Executions::Hooks hooks;
  hooks.send = [this](const Execution& execution) {
    const auto sent = kernel_ ? kernel_->execute(execution.number, execution.code)
                              : Status(fail(409, "no_kernel", "this notebook has no running kernel"));
    // The kernel's own events say why it cannot run anything; the run itself must not hang.
    if (!sent) executions_->cancel_all(sent.error().message);
  };
  hooks.changed = [this](const Execution& execution, std::string_view reason) { execution_changed(execution, reason); };
  executions_ = std::make_unique<Executions>(std::move(hooks));
}

SessionRuntime::~SessionRuntime() {
  *alive_ = false;
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
  kernel_lost("KernelCulled", words);
  set_state(KernelState::none, std::move(words));
  reason_ = "culled";
  tell_state();
}

// -- kernel

void SessionRuntime::start(std::string runtime, std::string language, StartOptions options, Callback<KernelInfo> done) {
  const bool none = state_ == KernelState::none || state_ == KernelState::dead;
  if (!none || (kernel_ && !kernel_->attached())) {
    return done(fail(409, "kernel_running", "this notebook has a kernel already (" + info_.name + ")",
                     "restart it, or shut it down first"));
  }
  kernel_ = std::make_unique<Kernel>(service_.hub(), loop_,
                                     [this](std::vector<plugin::RuntimeEvent>& events) { on_events(events); });
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
    kernel_lost("KernelNotStarted", error.message);
    set_state(KernelState::none, error.message);
    tell_state();
    (*done)(fail(error));
  };
  if (!found) return failed(found.error());
  info_ = *found;
  const auto started = kernel_->start(info_, options, [this, done, failed](Status status) {
    if (!status) return failed(status.error());
    (*done)(info_);
  });
  if (!started) failed(started.error());
}

Status SessionRuntime::interrupt() {
  if (!kernel_) return fail(409, "no_kernel", "this notebook has no running kernel");
  const bool runs = executions_->running() != nullptr;
  executions_->interrupt();
  return runs || kernel_->attached() ? kernel_->interrupt() : Status();
}

Status SessionRuntime::restart() {
  if (!kernel_) return fail(409, "no_kernel", "this notebook has no kernel to restart", "start one");
  LECTERN_CHECK(kernel_->restart());
  // From here on everything belongs to the new process: what is asked for now must outlive the old one's end.
  ++restarts_;
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
  executions_->set_ready(false);
  if (const auto* running = executions_->running()) {
    (void)outputs_.add(running->cell_id, error_output(name, reason), {});  // the text is ours: it is valid
  }
  executions_->cancel_all(reason);
  flush_outputs();
  end_input();
  flush_captured();
  captured_.forget();
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
    on_event(event);
    if (!*alive) return;
  }
  if (!captured_soon_.armed() && captured_.waits()) captured_soon_.start(captured_after, [this] { flush_captured(); });
  flush_outputs();
  tell_state();
}

void SessionRuntime::on_event(plugin::RuntimeEvent& event) {
  switch (event.kind) {
    case Kind::state:
      return on_state(event);
    case Kind::started:
      return executions_->started(event.execution, event.value);
    case Kind::stream:
    case Kind::output:
    case Kind::update:
    case Kind::clear:
      return on_output(event);
    case Kind::finished:
      if (!input_id_.empty()) end_input();
      flush_captured();
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
      over_.clear();
      care_.started(process_in(event.metadata));
      return set_state(KernelState::starting);
    case plugin::KernelState::idle:
      set_state(KernelState::idle);
      if (const auto process = process_in(event.metadata); process > 0) care_.started(process);
      if (!event.metadata.empty()) front_end_folders_ = folders_in(event.metadata);
      if (!event.json.empty()) listener_.on_kernel_info(info_, std::move(event.json));
      return executions_->set_ready(true);
    case plugin::KernelState::busy:
      return set_state(KernelState::busy);
    case plugin::KernelState::restarting:
      kernel_lost("KernelRestarted", "the kernel was restarted");
      return set_state(KernelState::restarting);
    case plugin::KernelState::unreachable:
      return set_state(KernelState::unreachable, std::move(event.text));
    case plugin::KernelState::dead:
      restarts_ = 0;
      care_.ended();
      if (event.text == "shutdown") {
        kernel_lost("KernelShutDown", "the kernel was shut down");
        return set_state(KernelState::none);
      }
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

const std::string* SessionRuntime::target_cell(std::uint64_t execution) const {
  if (const auto* cell = executions_->cell_of(execution)) return cell;
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

void SessionRuntime::on_comm(plugin::RuntimeEvent& event) {
  if (event.kind == Kind::comm_close) return tell_kernel_models(models_.close(event.name), event.execution);
  Status problem;
  if (event.kind == Kind::comm_open) {
    const auto* cell = executions_->cell_of(event.execution);
    auto opened = models_.open(event.name, event.text, event.json, std::move(event.buffers),
                               cell != nullptr ? std::string_view(*cell) : std::string_view());
    if (opened) return tell_kernel_models({std::move(*opened)}, event.execution);
    problem = fail(opened.error());
  } else {
    auto events = models_.message(event.name, event.json, std::move(event.buffers));
    if (events) return tell_kernel_models(*events, event.execution);
    problem = fail(events.error());
  }
  log::warning("runtime", "a model message of the kernel was dropped: " + problem.error().message);
}

void SessionRuntime::tell_models(const std::vector<ModelEvent>& events) {
  for (const auto& event : events) listener_.on_model(event);
}

void SessionRuntime::tell_kernel_models(const std::vector<ModelEvent>& events, std::uint64_t execution) {
  for (const auto& event : events) {
    if (captured_.heard(event, execution)) flush_captured(event.model_id);
  }
  tell_models(events);
}

// Viewers see a widget's outputs as they come; the kernel hears of them once, when the widget has them all.
void SessionRuntime::flush_captured(std::string_view ended) {
  for (auto& changed : captured_.changed()) {
    auto event = models_.host_write(changed.model_id, "outputs", std::move(changed.outputs));
    if (event) tell_models({std::move(*event)});
  }
  if (ended.empty() || !models_.has(ended) || !kernel_ || !kernel_->attached()) return;
  json::Value state;
  state.set("outputs", models_.state_at(ended, "outputs", [](const Buffer&) { return json::Value(); }));
  json::Value data;
  data.set("method", "update");
  data.set("state", std::move(state));
  data.set("buffer_paths", json::Array{});
  const auto text = json::write(data);
  if (const auto sent = kernel_->comm({"msg", ended, {}, text, {}, {}}); !sent) {
    log::warning("runtime", "the kernel was not told what an Output widget captured: " + sent.error().message);
  }
}

void SessionRuntime::on_input(const plugin::RuntimeEvent& event) {
  end_input();
  input_id_ = "input-" + std::to_string(next_input_++);
  input_data_.clear();
  json::Writer writer(input_data_);
  writer.begin_object()
      .member("request_id", std::string_view(input_id_))
      .member("prompt", std::string_view(event.text));
  writer.member("password", event.value != 0);
  if (const auto* cell = executions_->cell_of(event.execution)) writer.member("cell_id", std::string_view(*cell));
  writer.end_object();
  flush_outputs();  // what was printed before the question belongs above it
  listener_.on_input_request(input_id_, input_data_);
}

void SessionRuntime::end_input() {
  if (input_id_.empty()) return;
  const auto request_id = std::exchange(input_id_, {});
  input_data_.clear();
  listener_.on_input_done(request_id);
}

void SessionRuntime::on_reply(plugin::RuntimeEvent& event) {
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

Result<std::uint64_t> SessionRuntime::model(std::string_view model_id, const json::Value& message,
                                            std::vector<std::string> buffers, std::string_view client_id) {
  if (!kernel_ || !kernel_->attached()) return fail(409, "no_kernel", "this notebook has no running kernel");
  care_.active();
  LECTERN_TRY(auto write, models_.client_write(model_id, message, std::move(buffers), client_id));
  plugin::CommMessage comm{"msg", write.to_kernel.comm_id, {}, write.to_kernel.data, {}, {}};
  for (const auto& buffer : write.to_kernel.buffers) comm.buffers.push_back(*buffer);
  LECTERN_CHECK(kernel_->comm(comm));
  const auto revision = write.event.revision;
  tell_models({std::move(write.event)});
  return revision;
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

std::vector<std::string> SessionRuntime::open_inputs() const {
  return input_id_.empty() ? std::vector<std::string>{} : std::vector{input_data_};
}

}  // namespace lectern::runtime
