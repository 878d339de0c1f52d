#include "kernel.hpp"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/plugin.hpp"
#include "questions.hpp"

namespace jupyter {
namespace json = lectern::sdk::json;
namespace {

constexpr std::int64_t start_limit_ms = 60'000;
constexpr std::int64_t ask_again_ms = 100;  // kernel_info, until its echo is heard on iopub
constexpr std::int64_t ask_at_most_ms = 500;
constexpr std::int64_t ask_politely_ms = 1'500;  // shutdown_request, then SIGTERM
constexpr std::int64_t ask_busy_ms = 300;        // the same when code runs, which no request ends
constexpr std::int64_t terminate_ms = 500;       // SIGTERM, then SIGKILL
constexpr std::int64_t ping_every_ms = 5'000;
constexpr std::int64_t pong_within_ms = 15'000;
constexpr std::int64_t watch_every_ms = 1'000;
constexpr std::size_t batch = 256;  // messages of one line per turn: others get theirs
constexpr auto never = std::numeric_limits<std::int64_t>::max();

// What the watcher knows a kernel's descriptors by: its lines by their numbers, and these of its process.
constexpr unsigned end_slot = line_count, words_slot = line_count + 1;
static_assert(words_slot < Watcher::slots_each);

constexpr unsigned bit(unsigned slot) {
  return 1u << slot;
}
constexpr unsigned bit(Line line) {
  return bit(static_cast<unsigned>(line));
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
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
  add(std::filesystem::path(spec.argv.front()).parent_path().parent_path() / "share/jupyter");
  add(spec.directory.parent_path().parent_path());
  std::string out = "{\"front_end_folders\":[";
  for (const auto& folder : folders) out += (out.back() == '[' ? "" : ",") + json::quoted(folder);
  return out + "]}";
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
    command.env.emplace("VIRTUAL_ENV", plan.spec.prefix.string());
  }
  return command;
}

}  // namespace

Kernel::Kernel(std::uint64_t number, StartPlan plan, zmq::context_t& context, Watcher& watcher,
               lectern::sdk::RuntimeEvents events)
    : number_(number), plan_(std::move(plan)), context_(context), watcher_(watcher), talk_(number, events) {}

void Kernel::say(Line line, std::string_view type, const std::string& id, std::string_view content,
                 std::string_view parent, std::string_view metadata, const std::vector<std::string>& buffers) {
  connection_->wire.send(connection_->line(line), type, id, parent, content, metadata, buffers);
  watcher_.again(number_, static_cast<unsigned>(line));
}

void Kernel::state(std::int64_t value, std::string_view info) {
  std::string facts;
  if (!info.empty()) facts = front_end_folders(plan_.spec);
  if (value == LECTERN_KERNEL_STARTING) facts = "{\"process\":" + std::to_string(process_->pid()) + "}";
  talk_.state(value, {}, info, facts);
}

void Kernel::start() {
  try {
    connection_ = std::make_unique<Connection>(context_, watcher_, number_, plan_.connection_folder, plan_.spec.name);
    process_ = std::make_unique<Process>(command_of(plan_, connection_->file().string()));
    if (process_->watch_fd() >= 0) end_watched_ = {watcher_, process_->watch_fd(), number_, end_slot};
    words_watched_ = {watcher_, process_->output_fd(), number_, words_slot};
  } catch (...) {
    drop_process();  // here, on the thread that everything of it belongs to
    throw;
  }
  phase_ = Phase::starting;
  alive = true;
  talk_.begin(connection_->wire.session());
  unreachable_ = false;
  stop_step_ = 0;
  started_ms_ = now_ms();
  info_asked_ms_ = 0;
  state(LECTERN_KERNEL_STARTING);
  ask_info();
}

void Kernel::ask_info() {
  info_asked_ms_ = now_ms();
  say(Line::shell, "kernel_info_request", talk_.next_id(), "{}");
}

void Kernel::become_ready() {
  if (phase_ != Phase::starting || !talk_.heard()) return;
  phase_ = Phase::ready;
  ping_ms_ = pong_ms_ = now_ms();
  state(LECTERN_KERNEL_IDLE, talk_.info());
  for (auto& queued : std::exchange(waiting_, {})) send_execute(queued);
}

void Kernel::execute(std::uint64_t execution, std::string code, std::uint32_t flags) {
  const Queued queued{execution, std::move(code), flags};
  if (phase_ == Phase::ready) {
    send_execute(queued);
  } else if (phase_ != Phase::dead) {
    waiting_.push_back(queued);
  }
}

void Kernel::send_execute(const Queued& queued) {
  const auto content = talk_.begin_run(queued.execution, queued.code, queued.flags);
  say(Line::shell, "execute_request", talk_.id('x', std::to_string(queued.execution)), content);
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
  if ((slots & (bit(Line::iopub) | bit(Line::shell))) != 0) take(Line::iopub, &Kernel::on_iopub);
  if ((slots & bit(Line::shell)) != 0) take(Line::shell, &Kernel::on_shell);
  if ((slots & bit(Line::input)) != 0) take(Line::input, &Kernel::on_input);
  if ((slots & bit(Line::control)) != 0) take(Line::control, nullptr);
  if ((slots & bit(Line::heartbeat)) != 0) take_pongs();
  if ((slots & bit(words_slot)) != 0) read_words();
  if (process_ && ((slots & bit(end_slot)) != 0 || process_->watch_fd() < 0)) {
    if (const auto how = process_->ended()) process_ended(*how);
  }
  due_ms_ = tick(now_ms());
}

/// Until nothing is left: only then is the next message signalled.
void Kernel::take(Line line, void (Kernel::*message)(const Message&)) {
  for (std::size_t i = 0; i < batch; ++i) {
    auto* socket = connection_ ? connection_->opened(line) : nullptr;
    if (socket == nullptr) return;
    const auto taken = connection_->wire.receive(*socket);
    if (!taken) return;
    if (message != nullptr) (this->*message)(*taken);
  }
  watcher_.again(number_, static_cast<unsigned>(line));
}

void Kernel::take_pongs() {
  auto* socket = connection_ ? connection_->opened(Line::heartbeat) : nullptr;
  bool came = false;
  for (zmq::message_t pong; socket != nullptr && socket->recv(pong, zmq::recv_flags::dontwait);) came = true;
  if (!came) return;
  pong_ms_ = now_ms();
  if (std::exchange(unreachable_, false)) state(talk_.busy() ? LECTERN_KERNEL_BUSY : LECTERN_KERNEL_IDLE);
}

void Kernel::on_shell(const Message& message) {
  const auto part = talk_.own_part(message.parent_id);
  if (part.starts_with('q') && message.type == "execute_reply") {
    return talk_.reply(static_cast<std::uint64_t>(json::integer(part.substr(1)).value_or(0)),
                       answer_of(message.content));
  }
  const bool first_word = !talk_.shell_heard();
  talk_.on_shell(message);
  if (first_word && talk_.shell_heard()) info_asked_ms_ = 0;  // asked again at once if its echo is not heard yet
  become_ready();
}

void Kernel::on_iopub(const Message& message) {
  // What a question makes the kernel print is no output.
  if (talk_.own_part(message.parent_id).starts_with('q')) return;
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
  for (std::size_t i = 0; connection_ && i < 100'000; ++i) {
    const auto message = connection_->wire.receive(connection_->line(Line::iopub));
    if (!message) break;
    on_iopub(*message);
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

void Kernel::watch_runs(std::int64_t now) {
  const auto probes = talk_.probes(now);
  for (const auto& id : probes.control) say(Line::control, "kernel_info_request", id, "{}");
  for (const auto& id : probes.shell) say(Line::shell, "kernel_info_request", id, "{}");
}

/// When it is to be called again.
std::int64_t Kernel::tick(std::int64_t now) {
  switch (phase_) {
    case Phase::starting:
      if (now - started_ms_ > start_limit_ms) {
        process_->read_output();
        const auto words = process_->last_words();
        dead("the kernel did not answer within 60 s" + (words.empty() ? "" : ":\n" + words));
        return never;
      }
      // Once it answers, until its echo is heard on iopub: only then does no output get lost.
      if (talk_.shell_heard() ? now - info_asked_ms_ >= ask_again_ms / 4 : now - info_asked_ms_ >= ask_at_most_ms)
        ask_info();
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
        auto& heartbeat = connection_->line(Line::heartbeat);
        heartbeat.send(zmq::message_t(), zmq::send_flags::sndmore | zmq::send_flags::dontwait);
        heartbeat.send(zmq::str_buffer("ping"), zmq::send_flags::dontwait);
        watcher_.again(number_, static_cast<unsigned>(Line::heartbeat));
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
