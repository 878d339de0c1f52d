#include "kernel.hpp"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/plugin.hpp"

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
constexpr std::int64_t lost_end_ms = 1'000;
constexpr std::size_t batch = 256;  // messages of one socket per turn: others get theirs

constexpr std::string_view execute_options(bool history, bool silent) {
  if (silent) return R"(,"silent":true,"store_history":false)";
  return history ? R"(,"silent":false,"store_history":true)" : R"(,"silent":false,"store_history":false)";
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

Kernel::Kernel(std::uint64_t number, StartPlan plan, zmq::context_t& context, lectern::sdk::RuntimeEvents events)
    : number_(number), plan_(std::move(plan)), context_(context), events_(events) {}

void Kernel::state(std::int64_t value, std::string_view why, std::string_view info) {
  lectern::sdk::RuntimeEvent event;
  event.kind = LECTERN_RUN_STATE;
  event.value = value;
  event.text = why;
  event.json = info;
  std::string facts;
  if (!info.empty()) facts = front_end_folders(plan_.spec);
  if (value == LECTERN_KERNEL_STARTING && process_) facts = "{\"process\":" + std::to_string(process_->pid()) + "}";
  event.metadata = facts;
  send_event(event);
}

void Kernel::start() {
  connection_ = std::make_unique<Connection>(context_, plan_.connection_folder, plan_.spec.name);
  process_ = std::make_unique<Process>(command_of(plan_, connection_->file().string()));
  phase_ = Phase::starting;
  alive = true;
  iopub_seen_ = unreachable_ = busy_ = false;
  info_.clear();
  runs_.clear();
  comm_execution_.clear();
  input_parent_.clear();
  stop_step_ = 0;
  started_ms_ = now_ms();
  info_asked_ms_ = 0;
  state(LECTERN_KERNEL_STARTING);
  ask_info();
}

std::string Kernel::id(char kind, std::string_view rest) {
  return connection_->wire.session() + "_" + kind + std::string(rest);
}

void Kernel::ask_info() {
  info_asked_ms_ = now_ms();
  connection_->wire.send(connection_->shell, "kernel_info_request", id('i', std::to_string(next_id_++)), {}, "{}");
}

void Kernel::become_ready() {
  if (phase_ != Phase::starting || info_.empty() || !iopub_seen_) return;
  phase_ = Phase::ready;
  ping_ms_ = pong_ms_ = now_ms();
  state(LECTERN_KERNEL_IDLE, {}, info_);
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
  runs_[queued.execution] = {};
  std::string content = "{\"code\":";
  json::quote(queued.code, content);
  content +=
      execute_options((queued.flags & LECTERN_EXECUTE_NO_HISTORY) == 0, (queued.flags & LECTERN_EXECUTE_SILENT) != 0);
  content += R"(,"user_expressions":{},"stop_on_error":true,"allow_stdin":)";
  content += (queued.flags & LECTERN_EXECUTE_NO_STDIN) != 0 ? "false}" : "true}";
  connection_->wire.send(connection_->shell, "execute_request", id('x', std::to_string(queued.execution)), {}, content);
}

void Kernel::interrupt() {
  if (!process_ || !connection_) return;
  for (auto& [execution, run] : runs_) run.interrupted = true;
  if (plan_.spec.interrupt_mode == "message") {
    connection_->wire.send(connection_->control, "interrupt_request", id('i', std::to_string(next_id_++)), {}, "{}");
  } else {
    process_->signal_group(SIGINT);
  }
}

void Kernel::stop(bool restart) {
  if (!restart) shut_down_ = true;
  if (phase_ == Phase::dead) {
    if (shut_down_) {
      alive = false;
      return state(LECTERN_KERNEL_DEAD, "shutdown");
    }
    state(LECTERN_KERNEL_RESTARTING);
    restart_after_stop_ = true;
    return process_ended({});
  }
  restart_after_stop_ = restart && !shut_down_;
  waiting_.clear();
  if (restart) state(LECTERN_KERNEL_RESTARTING);
  if (phase_ == Phase::stopping) return;
  connection_->wire.send(connection_->control, "shutdown_request", id('i', std::to_string(next_id_++)), {},
                         restart ? R"({"restart":true})" : R"({"restart":false})");
  // A kernel that is not up yet would answer only when it is: nothing of it is worth waiting for.
  stop_step_ = phase_ == Phase::starting ? 1 : 0;
  if (stop_step_ == 1) process_->signal_group(SIGTERM);
  phase_ = Phase::stopping;
  stop_ms_ = now_ms();
}

void Kernel::input(std::string_view value) {
  if (input_parent_.empty() || !connection_) return;
  connection_->wire.send(connection_->input, "input_reply", id('i', std::to_string(next_id_++)), input_parent_,
                         "{\"status\":\"ok\",\"value\":" + json::quoted(value) + "}");
  input_parent_.clear();
}

void Kernel::request(std::uint64_t request, std::string_view kind, std::string_view content) {
  if (!connection_) return;
  connection_->wire.send(connection_->shell, std::string(kind) + "_request", id('r', std::to_string(request)), {},
                         content);
}

void Kernel::question(std::uint64_t request, const std::string& content) {
  if (!connection_) return;
  connection_->wire.send(connection_->shell, "execute_request", id('q', std::to_string(request)), {}, content);
}

void Kernel::comm(const CommCopy& message) {
  if (!connection_) return;
  std::string content = "{\"comm_id\":" + json::quoted(message.comm_id);
  if (message.kind == "open") content += ",\"target_name\":" + json::quoted(message.target);
  content += ",\"data\":" + (message.data.empty() ? "{}" : message.data) + "}";
  connection_->wire.send(connection_->shell, "comm_" + message.kind, id('c', message.comm_id), {}, content,
                         message.metadata, message.buffers);
}

void Kernel::poll_items(zmq_pollitem_t* items) {
  for (std::size_t i = 0; i < poll_slots; ++i) items[i] = {nullptr, -1, 0, 0};
  if (connection_) {
    zmq::socket_t* sockets[] = {&connection_->shell, &connection_->iopub, &connection_->input, &connection_->control,
                                &connection_->heartbeat};
    for (std::size_t i = 0; i < 5; ++i) items[i] = {sockets[i]->handle(), 0, ZMQ_POLLIN, 0};
  }
  if (process_ && process_->watch_fd() >= 0) items[5] = {nullptr, process_->watch_fd(), ZMQ_POLLIN, 0};
  if (process_ && process_->output_fd() >= 0) items[6] = {nullptr, process_->output_fd(), ZMQ_POLLIN, 0};
}

void Kernel::handle(const zmq_pollitem_t* items) {
  const auto readable = [&](std::size_t i) { return items[i].revents != 0; };
  // iopub before shell: what a reply refers to was published before it.
  const auto drain = [&](zmq::socket_t& socket, void (Kernel::*take)(const Message&)) {
    for (std::size_t i = 0; i < batch && connection_; ++i) {
      const auto message = connection_->wire.receive(socket);
      if (!message) return;
      (this->*take)(*message);
    }
  };
  if (connection_ && readable(1)) drain(connection_->iopub, &Kernel::on_iopub);
  if (connection_ && readable(0)) drain(connection_->shell, &Kernel::on_shell);
  if (connection_ && readable(2)) drain(connection_->input, &Kernel::on_input);
  if (connection_ && readable(3)) {
    while (connection_->wire.receive(connection_->control)) {
    }
  }
  if (connection_ && readable(4)) {
    zmq::message_t pong;
    while (connection_->heartbeat.recv(pong, zmq::recv_flags::dontwait)) {
    }
    pong_ms_ = now_ms();
    if (std::exchange(unreachable_, false)) state(busy_ ? LECTERN_KERNEL_BUSY : LECTERN_KERNEL_IDLE);
  }
  if (process_ && readable(6)) process_->read_output();
  if (process_ && (readable(5) || process_->watch_fd() < 0)) {
    if (const auto how = process_->ended()) process_ended(*how);
  }
}

void Kernel::process_ended(const std::string& how) {
  // What it had still published is in our sockets already: the process wrote it before it ended.
  for (std::size_t i = 0; connection_ && i < 100'000; ++i) {
    const auto message = connection_->wire.receive(connection_->iopub);
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
  process_.reset();
  connection_.reset();
  if (shut_down_) {
    phase_ = Phase::dead;
    alive = false;
    return state(LECTERN_KERNEL_DEAD, "shutdown");
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
  process_.reset();
  connection_.reset();
  waiting_.clear();
  runs_.clear();
  state(LECTERN_KERNEL_DEAD, why);
}

int Kernel::tick(std::int64_t now) {
  switch (phase_) {
    case Phase::starting:
      if (now - started_ms_ > start_limit_ms) {
        process_->read_output();
        const auto words = process_->last_words();
        dead("the kernel did not answer within 60 s" + (words.empty() ? "" : ":\n" + words));
        return -1;
      }
      // Once it answers, until its echo is heard on iopub: only then does no output get lost.
      if (!info_.empty() ? now - info_asked_ms_ >= ask_again_ms / 4 : now - info_asked_ms_ >= ask_at_most_ms)
        ask_info();
      return static_cast<int>(ask_again_ms / 4);
    case Phase::stopping:
      if (stop_step_ == 0 && now - stop_ms_ >= (runs_.empty() ? ask_politely_ms : ask_busy_ms)) {
        process_->signal_group(SIGTERM);
        stop_step_ = 1;
        stop_ms_ = now;
      } else if (stop_step_ == 1 && now - stop_ms_ >= terminate_ms) {
        process_->signal_group(SIGKILL);
        stop_step_ = 2;
      }
      return 50;
    case Phase::ready: {
      if (now - ping_ms_ >= ping_every_ms) {
        ping_ms_ = now;
        connection_->heartbeat.send(zmq::message_t(), zmq::send_flags::sndmore | zmq::send_flags::dontwait);
        connection_->heartbeat.send(zmq::str_buffer("ping"), zmq::send_flags::dontwait);
        if (now - pong_ms_ > pong_within_ms && !std::exchange(unreachable_, true)) {
          state(LECTERN_KERNEL_UNREACHABLE, "the kernel's process lives but does not answer");
        }
      }
      for (auto& [execution, run] : runs_) {
        if (run.replied == run.idle || now - run.since_ms < lost_end_ms) continue;
        run.since_ms = now;
        // One of its two ends never came: a probe tells. Its own idle comes after everything that was published before,
        // and its reply on the shell after that of the run; an interrupt at the very beginning of a run makes ipykernel
        // end it without one.
        connection_->wire.send(run.replied ? connection_->control : connection_->shell, "kernel_info_request",
                               id(run.replied ? 'p' : 's', std::to_string(execution)), {}, "{}");
      }
      const bool soon = process_->watch_fd() < 0;
      return soon ? 200 : runs_.empty() ? static_cast<int>(ping_every_ms) : static_cast<int>(lost_end_ms);
    }
    case Phase::dead:
      break;
  }
  return -1;
}

}  // namespace jupyter
