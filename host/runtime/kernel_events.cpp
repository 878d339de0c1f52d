// What the kernel of a session says: its states and all events, each to what it is about.
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "runtime/session_runtime.hpp"

namespace lectern::runtime {
namespace {

using Kind = plugin::RuntimeEventKind;

// Viewers get a widget's outputs whole each time: told with every event, a long print would be told in square.
constexpr std::chrono::milliseconds captured_after{100}, interrupt_again_after{500};

/// The kernel's process, when the plugin says it; else 0.
std::int64_t process_in(std::string_view metadata) {
  if (metadata.empty()) return 0;
  const auto value = json::parse(metadata);
  const auto* process = value ? value->find("process") : nullptr;
  return process != nullptr ? process->as_int().value_or(0) : 0;
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

void SessionRuntime::on_events(std::vector<plugin::RuntimeEvent>& events) {
  const auto alive = alive_;
  care_.active();  // what it says of its own accord is use, too: a callback runs, a thread prints
  for (auto& event : events) {
    if (event.kind == Kind::input && !show_held()) return;  // what was printed before a question belongs above it
    if (!held_back(event)) on_event(event);
    if (!*alive) return;
    if (taken_up_models_.settled() && !show_held()) return;
  }
  after_events();
}

void SessionRuntime::after_events() {
  const auto alive = alive_;
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
    case Kind::again:
      if (process_ends_) return true;
      break;
    default:
      break;
  }
  // Its own runs count from when they are announced until some runs after their end.
  if ((event.execution & plugin::own_run) != 0)
    return event.kind != Kind::again && executions_->cell_of(event.execution) == nullptr;
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
    case Kind::again:
      return runs_by_itself(event);
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

void SessionRuntime::runs_by_itself(const plugin::RuntimeEvent& event) {
  if (cells_.contains(event.name) && executions_->announced(event.execution, event.name)) return;
  log::warning("runtime", info_.name + " wants to run a cell by itself that did not run here, or runs already: '" +
                              text::label(event.name, 100) + "'");
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

// An idle kernel ignores interrupts, and this one may have come before it had read what to run. Where it had, the run
// is about to end: a second interrupt now would hit the kernel while it tells of the first (IPython then shows no
// error).
void SessionRuntime::repeat_interrupt(std::uint64_t execution) {
  interrupt_soon_.start(interrupt_again_after, [this, execution] {
    const auto* running = executions_->running();
    if (running != nullptr && running->number == execution && kernel_) (void)kernel_->interrupt();
  });
}

}  // namespace lectern::runtime
