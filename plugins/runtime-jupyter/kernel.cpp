#include "kernel.hpp"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "../jupyter-messages/clock.hpp"
#include "../jupyter-messages/publishing.hpp"
#include "kept.hpp"
#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/plugin.hpp"

namespace jupyter {
namespace json = lectern::sdk::json;
namespace {

constexpr std::int64_t start_limit_ms = 60'000;
constexpr std::int64_t ask_again_ms = 100;  // kernel_info, until its echo is heard on iopub
constexpr std::int64_t ask_at_most_ms = 500;
constexpr std::int64_t quiet_ms = 3'000;         // of one that is taken up: it computes, and cannot answer
constexpr std::int64_t ask_politely_ms = 1'500;  // shutdown_request, then SIGTERM
constexpr std::int64_t ask_busy_ms = 300;        // the same when code runs, which no request ends
constexpr std::int64_t terminate_ms = 500;       // SIGTERM, then SIGKILL
constexpr std::int64_t ping_every_ms = 5'000;
constexpr std::int64_t pong_within_ms = 15'000;
constexpr std::int64_t watch_every_ms = 1'000;
constexpr int most_last_reads = 64;  // of some MB each, when the process is gone: others may hold its sockets and go on
constexpr std::size_t batch = 64;    // messages of one line per turn: the sockets of all others are read between two

// What the watcher knows a kernel's descriptors by: its lines by their numbers, and these of its process.
constexpr unsigned end_slot = line_count, words_slot = line_count + 1;
static_assert(words_slot < Watcher::slots_each);

constexpr unsigned bit(unsigned slot) {
  return 1u << slot;
}
constexpr unsigned bit(Line line) {
  return bit(static_cast<unsigned>(line));
}

/// The program of a spec in an environment: "python" there means the environment's.
std::vector<std::string> arguments(const Kernelspec& spec, const std::string& connection_file) {
  std::vector<std::string> out;
  for (auto argument : spec.argv) {
    const std::pair<std::string_view, std::string> places[] = {{"{connection_file}", connection_file},
                                                               {"{resource_dir}", spec.directory.string()}};
    for (const auto& [name, value] : places) {
      for (auto at = argument.find(name); at != std::string::npos; at = argument.find(name, at + value.size())) {
        argument.replace(at, name.size(), value);
      }
    }
    out.push_back(std::move(argument));
  }
  return out;
}

/// Where `jupyter labextension` and its like put the JavaScript of widgets: beside the interpreter and beside the spec.
std::string front_end_folders(const Kernelspec& spec) {
  std::vector<std::string> folders;
  const auto add = [&](const std::filesystem::path& folder) {
    std::error_code problem;
    if (!folder.is_absolute() || !std::filesystem::is_directory(folder, problem)) return;
    if (std::find(folders.begin(), folders.end(), folder.string()) == folders.end()) folders.push_back(folder.string());
  };
  if (!spec.argv.empty()) {
    add(std::filesystem::path(spec.argv.front()).parent_path().parent_path() / "share/jupyter");
  }
  add(spec.directory.parent_path().parent_path());
  std::string out = "{\"front_end_folders\":[";
  for (const auto& folder : folders) out += (out.back() == '[' ? "" : ",") + json::quoted(folder);
  out += ']';
  if (!spec.prefix.empty()) out += ",\"environment\":" + json::quoted(spec.prefix.string());
  return out + "}";
}

Command command_of(const StartPlan& plan, const std::string& connection_file) {
  Command command;
  command.argv = arguments(plan.spec, connection_file);
  command.cwd = plan.cwd;
  command.env = plan.spec.env;
  for (const auto& [name, value] : plan.env) command.env[name] = value;
  // Widgets: the host shows a client's write to the others itself (design: never echoed over the writer's newer value).
  command.env.emplace("JUPYTER_WIDGETS_ECHO", "0");
  if (!plan.spec.prefix.empty()) {
    command.path_first = (plan.spec.prefix / "bin").string();
    std::error_code problem;
    const bool conda = std::filesystem::is_directory(plan.spec.prefix / "conda-meta", problem);
    command.env.emplace(conda ? "CONDA_PREFIX" : "VIRTUAL_ENV", plan.spec.prefix.string());
  }
  if (!plan.keep.empty()) {
    command.log_file = kept_log(plan.keep).string();
    command.env["JPY_PARENT_PID"] = "";  // ipykernel would end with that process
  }
  return command;
}

}  // namespace

Kernel::Kernel(std::uint64_t number, StartPlan plan, Watcher& watcher, lectern::sdk::RuntimeEvents events)
    : number_(number), plan_(std::move(plan)), watcher_(watcher), talk_(number, events) {}

void Kernel::say(Line line, std::string_view type, const std::string& id, std::string_view content,
                 std::string_view parent, std::string_view metadata, const std::vector<std::string>& buffers) {
  connection_->wire.send(connection_->line(line), type, id, parent, content, metadata, buffers);
}

void Kernel::state(std::int64_t value, std::string_view info) {
  std::string facts;
  if (!info.empty()) facts = front_end_folders(plan_.spec);
  if (value == LECTERN_KERNEL_STARTING) {
    facts = "{\"process\":" + std::to_string(process_->pid()) + (plan_.keep.empty() ? "}" : ",\"kept\":true}");
  }
  talk_.state(value, {}, info, facts);
}

void Kernel::start() {
  const bool takes_up = std::exchange(plan_.take_up, false);
  try {
    takes_up ? take_up() : start_process();
    if (process_->watch_fd() >= 0) end_watched_ = {watcher_, process_->watch_fd(), number_, end_slot};
    if (process_->output_fd() >= 0) words_watched_ = {watcher_, process_->output_fd(), number_, words_slot};
  } catch (...) {
    drop_process();  // here, on the thread that everything of it belongs to
    throw;
  }
  begin(takes_up);
}

void Kernel::start_process() {
  if (plan_.spec.argv.empty()) {
    throw lectern::sdk::Failure(LECTERN_NOT_FOUND, "there is no kernelspec \"" + plan_.spec.name + "\" any more",
                                "install it again, or choose another kernel");
  }
  if (!plan_.keep.empty()) make_kept_folder(plan_.keep);
  const auto& folder = plan_.keep.empty() ? plan_.connection_folder : plan_.keep;
  connection_ = std::make_unique<Connection>(watcher_, number_, folder, plan_.spec.name);
  process_ = std::make_unique<Process>(command_of(plan_, connection_->file().string()));
  if (plan_.keep.empty()) return;
  write_kept(
      plan_.keep,
      {{process_->pid(), process_start_time(process_->pid()), {}}, connection_->file(), connection_->wire.session()});
}

void Kernel::take_up() {
  const auto kept = read_kept(plan_.keep);
  process_ = std::make_unique<Process>(kept.process);
  connection_ = std::make_unique<Connection>(watcher_, number_, kept.connection_file, KeptSession{kept.session});
}

void Kernel::begin(bool taken_up) {
  phase_ = Phase::starting;
  taken_up_ = taken_up;
  alive = true;
  const auto& session = connection_->wire.session();
  taken_up ? talk_.go_on(session, plan_.running, plan_.life << 32, std::move(plan_.comms)) : talk_.begin(session);
  unreachable_ = false;
  stop_step_ = 0;
  started_ms_ = now_ms();
  info_asked_ms_ = 0;
  state(LECTERN_KERNEL_STARTING);
  ask_info(Line::shell);
  if (taken_up) ask_info(Line::control);
}

void Kernel::ask_info(Line line) {
  info_asked_ms_ = now_ms();
  say(line, "kernel_info_request", talk_.next_id(), "{}");
}

void Kernel::become_ready() {
  const auto now = now_ms();
  const bool computes = taken_up_ && now - started_ms_ > quiet_ms;
  if (phase_ != Phase::starting || (!talk_.heard() && !computes)) return;
  phase_ = Phase::ready;
  ping_ms_ = pong_ms_ = now;
  state(LECTERN_KERNEL_IDLE, talk_.info());
  if (talk_.busy()) state(LECTERN_KERNEL_BUSY);
  if (taken_up_) {
    // What ran under the earlier host ends now, as it ends, or has ended while nobody listened.
    if (const auto fence = talk_.fence(); !fence.empty()) say(Line::shell, "kernel_info_request", fence, "{}");
  } else if (const auto hold = hold_what_is_published(talk_.info())) {
    say(Line::shell, "execute_request", talk_.next_id('k'), *hold);
  }
  for (auto& queued : std::exchange(waiting_, {})) send_or_fail(queued);
}

void Kernel::execute(std::uint64_t execution, std::string code, std::uint32_t flags) {
  const Queued queued{execution, std::move(code), flags};
  if (phase_ == Phase::ready) {
    send_execute(queued);
  } else if (phase_ != Phase::dead) {
    waiting_.push_back(queued);
  }
}

void Kernel::execute_handed_over(std::uint64_t execution, std::string code, std::uint32_t flags) {
  if (phase_ == Phase::ready) return send_or_fail({execution, std::move(code), flags});
  execute(execution, std::move(code), flags);
}

void Kernel::send_execute(const Queued& queued) {
  const auto content = talk_.begin_run(queued.execution, queued.code, queued.flags);
  try {
    say(Line::shell, "execute_request", talk_.id('x', std::to_string(queued.execution)), content);
  } catch (...) {
    talk_.forget_run(queued.execution);
    throw;
  }
}

void Kernel::send_or_fail(const Queued& queued) {
  try {
    send_execute(queued);
  } catch (const std::exception& problem) {
    talk_.cannot_run(queued.execution, problem.what());
  }
}

void Kernel::interrupt() {
  if (!process_ || !connection_) return;
  talk_.interrupted();
  if (plan_.spec.interrupt_mode == "message") {
    say(Line::control, "interrupt_request", talk_.next_id(), "{}");
  } else {
    process_->signal_group(SIGINT);
  }
}

void Kernel::stop(bool restart) {
  if (!restart) shut_down_ = true;
  if (phase_ == Phase::dead) {
    if (shut_down_) {
      alive = false;
      watcher_.again(number_, end_slot);  // whoever keeps this object sees that it is gone()
      return talk_.state(LECTERN_KERNEL_DEAD, "shutdown");
    }
    state(LECTERN_KERNEL_RESTARTING);
    restart_after_stop_ = true;
    return process_ended({});
  }
  restart_after_stop_ = restart && !shut_down_;
  waiting_.clear();
  if (restart) state(LECTERN_KERNEL_RESTARTING);
  if (phase_ == Phase::stopping) return;
  // A kernel that is not up yet would answer only when it is: nothing of it is worth waiting for.
  stop_step_ = phase_ == Phase::starting ? 1 : 0;
  try {
    say(Line::control, "shutdown_request", talk_.next_id(), restart ? R"({"restart":true})" : R"({"restart":false})");
  } catch (const std::exception&) {  // no descriptor left for the control line
    stop_step_ = 1;
  }
  if (stop_step_ == 1) process_->signal_group(SIGTERM);
  phase_ = Phase::stopping;
  stop_ms_ = now_ms();
  watcher_.again(number_, end_slot);  // to be due when patience ends
}

void Kernel::host_ends() {
  const bool kept =
      !plan_.keep.empty() && process_ && !shut_down_ && (phase_ == Phase::starting || phase_ == Phase::ready);
  if (!kept) return stop(false);
  process_->leave();
  connection_->leave_file();
  drop_process();
  shut_down_ = true;
  phase_ = Phase::dead;
  alive = false;
  watcher_.again(number_, end_slot);  // whoever keeps this object sees that it is gone()
}

void Kernel::input(std::string_view value) {
  const auto parent = talk_.answer_input();
  if (parent.empty() || !connection_) return;
  say(Line::input, "input_reply", talk_.next_id(), Conversation::input_content(value), parent);
}

void Kernel::request(std::uint64_t request, std::string_view kind, std::string_view content) {
  if (!connection_) return;
  say(Line::shell, std::string(kind) + "_request", talk_.id('r', std::to_string(request)), content);
}

void Kernel::question(std::uint64_t request, const std::string& content) {
  if (!connection_) return;
  say(Line::shell, "execute_request", talk_.id('q', std::to_string(request)), content);
}

void Kernel::comm(const CommCopy& message) {
  if (!connection_) return;
  say(Line::shell, "comm_" + message.kind, talk_.id('c', message.comm_id), Conversation::comm_content(message), {},
      message.metadata, message.buffers);
}

void Kernel::handle(unsigned slots) {
  // iopub before shell: what a reply refers to was published before it.
  if ((slots & bit(Line::shell)) != 0) slots |= bit(Line::iopub);
  if (connection_) slots |= connection_->serve(slots, now_ms());
  if ((slots & bit(Line::iopub)) != 0) take(Line::iopub, &Kernel::on_iopub);
  if ((slots & bit(Line::shell)) != 0) take(Line::shell, &Kernel::on_shell);
  if ((slots & bit(Line::input)) != 0) take(Line::input, &Kernel::on_input);
  // One that computes answers there alone.
  if ((slots & bit(Line::control)) != 0) take(Line::control, taken_up_ ? &Kernel::on_shell : nullptr);
  if ((slots & bit(Line::heartbeat)) != 0) take_pongs();
  if ((slots & bit(words_slot)) != 0) read_words();
  if (process_ && ((slots & bit(end_slot)) != 0 || process_->watch_fd() < 0)) {
    if (const auto how = process_->ended()) process_ended(*how);
  }
  due_ms_ = tick(now_ms());
  if (connection_) due_ms_ = std::min(due_ms_, connection_->due_ms());
}

void Kernel::take(Line line, void (Kernel::*message)(const Message&)) {
  for (std::size_t i = 0; i < batch; ++i) {
    auto* peer = connection_ ? connection_->opened(line) : nullptr;
    if (peer == nullptr) return;
    const auto taken = connection_->wire.receive(*peer);
    if (!taken) return;
    if (message != nullptr) (this->*message)(*taken);
  }
  watcher_.again(number_, static_cast<unsigned>(line));
}

void Kernel::take_pongs() {
  auto* peer = connection_ ? connection_->opened(Line::heartbeat) : nullptr;
  bool came = false;
  while (peer != nullptr && peer->next()) came = true;
  if (!came) return;
  pong_ms_ = now_ms();
  if (std::exchange(unreachable_, false)) state(talk_.busy() ? LECTERN_KERNEL_BUSY : LECTERN_KERNEL_IDLE);
}

void Kernel::on_shell(const Message& message) {
  const bool first_word = !talk_.shell_heard();
  talk_.on_shell(message);
  if (first_word && talk_.shell_heard()) info_asked_ms_ = 0;  // asked again at once if its echo is not heard yet
  become_ready();
}

void Kernel::on_iopub(const Message& message) {
  talk_.on_iopub(message);
  become_ready();
}

void Kernel::read_words() {
  if (!process_ || process_->read_output()) return;
  words_watched_ = {};
  process_->close_output();
}

void Kernel::drop_process() {
  end_watched_ = {};
  words_watched_ = {};
  process_.reset();
  connection_.reset();
}

void Kernel::process_ended(const std::string& how) {
  // What it had still published is in our sockets already: the process wrote it before it ended.
  for (int i = 0; connection_ && i < most_last_reads; ++i) {
    auto& iopub = connection_->line(Line::iopub);
    const auto before = iopub.bytes_read();
    connection_->serve(bit(Line::iopub), now_ms());
    while (const auto message = connection_->wire.receive(iopub)) on_iopub(*message);
    if (iopub.bytes_read() == before) break;
  }
  std::string why = "the kernel ended: " + how;
  bool address_taken = false;
  if (process_) {
    process_->read_output();
    const auto words = process_->last_words();
    if (!words.empty()) why += "\n" + words;
    address_taken = words.find("ddress already in use") != std::string::npos;
  }
  const bool was_stopping = phase_ == Phase::stopping;
  const bool was_starting = phase_ == Phase::starting;
  drop_process();
  if (shut_down_) {
    phase_ = Phase::dead;
    alive = false;
    return talk_.state(LECTERN_KERNEL_DEAD, "shutdown");
  }
  const bool again = was_starting && address_taken && std::exchange(port_retry_left_, false);
  if (!again && !std::exchange(restart_after_stop_, false)) return dead(was_stopping ? "the kernel ended" : why);
  try {
    start();
  } catch (const std::exception& problem) {
    dead(std::string("the kernel could not be started again: ") + problem.what());
  }
}

void Kernel::dead(const std::string& why) {
  phase_ = Phase::dead;
  alive = false;
  drop_process();
  waiting_.clear();
  talk_.end();
  talk_.state(LECTERN_KERNEL_DEAD, why);
}

void Kernel::ping() {
  std::string message;
  zmtp::append_part(message, {}, true);  // whom the answer goes to: a REQ's envelope
  zmtp::append_part(message, "ping", false);
  connection_->line(Line::heartbeat).send(std::move(message));
}

void Kernel::watch_runs(std::int64_t now) {
  const auto probes = talk_.probes(now);
  for (const auto& id : probes.control) say(Line::control, "kernel_info_request", id, "{}");
  for (const auto& id : probes.shell) say(Line::shell, "kernel_info_request", id, "{}");
}

/// When it is to be called again.
std::int64_t Kernel::tick(std::int64_t now) {
  switch (phase_) {
    case Phase::starting:
      if (taken_up_) {
        if (now - info_asked_ms_ >= ask_at_most_ms) ask_info(Line::control);
        become_ready();
        return now + ask_again_ms;
      }
      if (now - started_ms_ > start_limit_ms) {
        process_->read_output();
        const auto words = process_->last_words();
        dead("the kernel did not answer within 60 s" + (words.empty() ? "" : ":\n" + words));
        return never;
      }
      // Once it answers, until its echo is heard on iopub: only then does no output get lost.
      if (talk_.shell_heard() ? now - info_asked_ms_ >= ask_again_ms / 4 : now - info_asked_ms_ >= ask_at_most_ms)
        ask_info(Line::shell);
      return now + ask_again_ms / 4;
    case Phase::stopping:
      if (stop_step_ == 0 && now - stop_ms_ >= (talk_.running() ? ask_busy_ms : ask_politely_ms)) {
        process_->signal_group(SIGTERM);
        stop_step_ = 1;
        stop_ms_ = now;
      } else if (stop_step_ == 1 && now - stop_ms_ >= terminate_ms) {
        process_->signal_group(SIGKILL);
        stop_step_ = 2;
      }
      return now + 50;
    case Phase::ready: {
      if (now - ping_ms_ >= ping_every_ms) {
        ping_ms_ = now;
        process_->trim_log();
        ping();
        if (now - pong_ms_ > pong_within_ms && !std::exchange(unreachable_, true)) {
          talk_.state(LECTERN_KERNEL_UNREACHABLE, "the kernel's process lives but does not answer");
        }
      }
      watch_runs(now);
      const auto next = ping_ms_ + ping_every_ms;
      if (process_->watch_fd() < 0) return std::min(next, now + 200);
      return talk_.running() ? std::min(next, now + watch_every_ms) : next;
    }
    case Phase::dead:
      break;
  }
  return never;
}

}  // namespace jupyter
