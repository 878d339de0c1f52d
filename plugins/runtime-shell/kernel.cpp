#include "kernel.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <future>
#include <utility>

#include "answers.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/plugin.hpp"
#include "readers.hpp"

namespace shell {
namespace json = lectern::sdk::json;
using lectern::sdk::Failure;
using lectern::sdk::RuntimeEvent;
namespace {

constexpr std::int64_t terminate_ms = 300;  // what was asked to end, then SIGKILL
constexpr int look_for_writing_ms = 5;      // while somebody waits for what the shell writes down
constexpr int longest_writing_ms = 2'000;   // then it could not: what it wrote before has to do
constexpr int look_for_the_end_ms = 100;    // where the system has no process descriptors
constexpr std::size_t most_history = 1000, most_history_bytes = 1u << 20;
constexpr int interrupted_status = 128 + SIGINT;

constexpr std::string_view kernel_info =
    R"({"status":"ok","protocol_version":"5.3","implementation":"lectern-shell","implementation_version":"0.1.0",)"
    R"("banner":"/bin/sh","language_info":{"name":"sh","version":"","mimetype":"text/x-sh","file_extension":".sh",)"
    R"("codemirror_mode":"shell","pygments_lexer":"sh"}})";

struct Verdict {
  std::string name, value;
};

/// What a status other than 0 means, in words.
Verdict verdict(int status, bool interrupted) {
  if (interrupted && status == interrupted_status) return {"Interrupted", "the cell was interrupted"};
  auto value = "exit status " + std::to_string(status);
  if (status == 126) value += ": a command could not be run";
  if (status == 127) value += ": a command was not found";
  if (status > 128 && status - 128 < NSIG) {
    value += ": a command was ended by signal " + std::to_string(status - 128) + " (" + ::strsignal(status - 128) + ")";
  }
  return {"ExitStatus", value};
}

}  // namespace

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Kernel::Kernel(std::uint64_t number, Command command, lectern::sdk::RuntimeEvents events)
    : number_(number), command_(std::move(command)), events_(events) {
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_ < 0) throw Failure(LECTERN_UNAVAILABLE, std::string("no event descriptor: ") + std::strerror(errno));
  auto done = std::make_shared<std::promise<void>>();  // shared: the thread may still be in it when the answer is here
  auto started = done->get_future();
  thread_ = std::thread([this, done] {
    ::pthread_setname_np(::pthread_self(), "shell");
    sigset_t broken_pipe;  // a shell that is gone is seen by its descriptor, not by a signal to the host
    ::sigemptyset(&broken_pipe);
    ::sigaddset(&broken_pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    try {
      begin(false);
    } catch (...) {
      gone_ = true;
      return done->set_exception(std::current_exception());
    }
    done->set_value();
    work();
  });
  try {
    started.get();
  } catch (...) {
    thread_.join();
    ::close(wake_);
    throw;
  }
}

Kernel::~Kernel() {
  stop(false);
  thread_.join();
  ::close(wake_);
}

void Kernel::post(Job job) {
  {
    const std::scoped_lock lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);  // full means it is readable already
}

void Kernel::run_jobs() {
  std::uint64_t count = 0;
  (void)!::read(wake_, &count, sizeof count);
  std::vector<Job> jobs;
  {
    const std::scoped_lock lock(mutex_);
    jobs.swap(jobs_);
  }
  for (auto& job : jobs) {
    if (gone_) return;
    try {
      job();
    } catch (const std::exception& problem) {  // the others are still to be done
      lectern::sdk::log_error("shell " + std::to_string(number_) + ": " + problem.what());
    }
  }
}

void Kernel::work() {
  while (!gone_) {
    try {
      run_jobs();
      if (!gone_) poll();
    } catch (const std::exception& problem) {
      lectern::sdk::log_error("shell " + std::to_string(number_) + ": " + problem.what());
    }
  }
}

void Kernel::poll() {
  enum { wake, watch, control, out, err, items };
  pollfd polled[items] = {{wake_, POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLIN, 0}};
  int wait = -1;
  if (process_) {
    polled[watch].fd = process_->watch.get();
    polled[control].fd = process_->control.get();
    polled[out].fd = process_->out.get();
    polled[err].fd = process_->err.get();
    if (process_->watch.get() < 0 || phase_ == Phase::stopping) wait = look_for_the_end_ms;
    if (phase_ == Phase::running && sees_readers_ && !asked_input_) wait = look_for_readers_ms;
    if (!after_writing_.empty() && !writing_down_) wait = look_for_writing_ms;
  }
  ::poll(polled, items, wait);
  if (!process_) return;
  // Outputs first: what a run wrote comes before its end.
  if (polled[out].revents != 0) read_stream(process_->out.get(), "stdout", out_text_, stream_block);
  if (polled[err].revents != 0) read_stream(process_->err.get(), "stderr", err_text_, stream_block);
  if (polled[control].revents != 0) read_control();
  if (process_ && (polled[watch].revents != 0 || process_->watch.get() < 0)) {
    if (const auto end = process_->ended()) return process_ended(*end);
  }
  if (!process_) return;
  if (phase_ == Phase::stopping && !killed_ && now_ms() - stop_ms_ >= terminate_ms) {
    killed_ = true;
    process_->signal_group(SIGKILL);
  }
  if (phase_ == Phase::running && sees_readers_) watch_input();
  feed_input();
  if (!writing_down_) written_down();
}

void Kernel::state(std::int64_t value, std::string_view why, std::string_view info) const {
  RuntimeEvent event;
  event.kind = LECTERN_RUN_STATE;
  event.value = value;
  event.text = why;
  event.json = info;
  std::string facts;
  const bool new_process =
      value == LECTERN_KERNEL_STARTING || (value == LECTERN_KERNEL_IDLE && phase_ == Phase::starting);
  if (new_process && process_) facts = "{\"process\":" + std::to_string(process_->pid()) + "}";
  event.metadata = facts;
  send(event);
}

// -- a shell's life

void Kernel::begin(bool restore) {
  scripts_.make_sure();
  const auto line = scripts_.begin(
      restore, functions_.text([this](const std::string& text) { return scripts_.completeness(text) == "complete"; }));
  process_ = std::make_unique<Process>(command_);
  phase_ = Phase::starting;
  alive = true;
  interrupted_ = killed_ = asked_input_ = false;
  control_.clear();
  line_.clear();
  input_.clear();
  out_text_ = err_text_ = {};
  ++run_;
  if (restore) {
    state(LECTERN_KERNEL_IDLE);  // of another process
  } else {
    functions_.clear();
    variables_.clear();
    count_ = 0;
    state(LECTERN_KERNEL_STARTING);
  }
  process_->say(line);
  sees_readers_ = can_see(process_->pid());
}

void Kernel::become_ready() {
  const bool first = count_ == 0 && !running_;
  phase_ = Phase::ready;
  if (first) state(LECTERN_KERNEL_IDLE, {}, kernel_info);
  next();
}

void Kernel::next() {
  if (phase_ != Phase::ready || waiting_.empty()) return;
  running_ = std::move(waiting_.front());
  waiting_.pop_front();
  last_execution_ = running_->execution;
  phase_ = Phase::running;
  interrupted_ = false;
  line_.clear();
  ++run_;
  state(LECTERN_KERNEL_BUSY);
  if ((running_->flags & (LECTERN_EXECUTE_SILENT | LECTERN_EXECUTE_NO_HISTORY)) == 0) {
    ++count_;
    history_.push_back(running_->code);
    history_bytes_ += running_->code.size();
    while (history_.size() > most_history || (history_.size() > 1 && history_bytes_ > most_history_bytes)) {
      history_bytes_ -= history_.front().size();
      history_.erase(history_.begin());
    }
  }
  RuntimeEvent event;
  event.kind = LECTERN_RUN_STARTED;
  event.execution = running_->execution;
  event.value = count_;
  send(event);
  functions_.learn(running_->code);
  try {
    const bool with_input = sees_readers_ && (running_->flags & LECTERN_EXECUTE_NO_STDIN) == 0;
    process_->say(scripts_.run(running_->code, with_input));
  } catch (const std::exception& problem) {
    tell_stream("stderr", std::string(problem.what()) + "\n");
    run_ended(1);
  }
}

void Kernel::ask() {
  process_->say(scripts_.ask(run_));
}

void Kernel::run_ended(int status) {
  read_rest();
  flush_text();
  process_->drain_input();
  asked_input_ = waits_for_input_ = false;
  input_.clear();
  const auto run = std::move(*running_);
  running_.reset();
  phase_ = Phase::ready;
  RuntimeEvent finished;
  finished.kind = LECTERN_RUN_FINISHED;
  finished.execution = run.execution;
  std::string reply = R"({"status":"ok","execution_count":)" + std::to_string(count_) + "}";
  if (status != 0) {
    const auto said = verdict(status, interrupted_);
    const auto words = R"("ename":)" + json::quoted(said.name) + R"(,"evalue":)" + json::quoted(said.value) +
                       R"(,"traceback":[)" + json::quoted(said.name + ": " + said.value) + "]}";
    const auto output = R"({"output_type":"error",)" + words;
    RuntimeEvent error;
    error.kind = LECTERN_RUN_OUTPUT;
    error.execution = run.execution;
    error.json = output;
    send(error);
    finished.value = LECTERN_FINISHED_ERROR;
    reply = R"({"status":"error","execution_count":)" + std::to_string(count_) + "," + words;
  }
  finished.json = reply;
  send(finished);
  state(LECTERN_KERNEL_IDLE);
}

void Kernel::process_ended(const End& end) {
  written_down();
  read_rest();
  flush_text();
  const bool by_exit = phase_ == Phase::running && !end.by_signal;
  if (by_exit) {
    // `exit`, or `set -e`: the cell's end, not the kernel's. The next shell goes on where this one was.
    run_ended(end.number);
    process_.reset();
    try {
      begin(true);
    } catch (const std::exception& problem) {
      dead(std::string("the shell could not be started again: ") + problem.what());
    }
    return;
  }
  const bool again = std::exchange(restart_after_stop_, false);
  process_.reset();
  running_.reset();
  if (shut_down_) {
    alive = false;
    state(LECTERN_KERNEL_DEAD, "shutdown");
    gone_ = true;
    return;
  }
  if (!again) return dead("the shell ended: " + end.text());
  try {
    begin(false);
  } catch (const std::exception& problem) {
    dead(std::string("the shell could not be started again: ") + problem.what());
  }
}

void Kernel::dead(const std::string& why) {
  phase_ = Phase::dead;
  alive = waits_for_input_ = false;
  process_.reset();
  waiting_.clear();
  running_.reset();
  written_down();
  state(LECTERN_KERNEL_DEAD, why);
}

void Kernel::do_stop(bool restart) {
  if (!restart) shut_down_ = true;
  restart_after_stop_ = restart && !shut_down_;
  waiting_.clear();
  waits_for_input_ = false;
  if (restart) state(LECTERN_KERNEL_RESTARTING);
  if (phase_ == Phase::dead) return process_ended({});
  if (phase_ == Phase::stopping) return;
  phase_ = Phase::stopping;
  stop_ms_ = now_ms();
  // An interactive shell ignores SIGTERM, and what a stopped process is sent waits for its SIGCONT.
  process_->signal_group(SIGTERM);
  process_->signal_group(SIGHUP);
  process_->signal_group(SIGCONT);
}

// -- what is asked of it

void Kernel::execute(std::uint64_t execution, std::string code, std::uint32_t flags) {
  if (code.find('\0') != std::string::npos) throw Failure(LECTERN_INVALID, "the cell's text has a NUL in it");
  post([this, queued = Queued{execution, std::move(code), flags}]() mutable {
    if (phase_ == Phase::dead) return;
    waiting_.push_back(std::move(queued));
    next();
  });
}

void Kernel::interrupt() {
  post([this] {
    if (phase_ != Phase::running) return;
    interrupted_ = true;
    asked_input_ = waits_for_input_ = false;
    process_->signal_group(SIGINT);
    ask();  // should the signal take an earlier question away, this one stays
  });
}

void Kernel::stop(bool restart) {
  post([this, restart] { do_stop(restart); });
}

void Kernel::input(std::string value) {
  if (!waits_for_input_.exchange(false)) throw Failure(LECTERN_CONFLICT, "nothing was asked");
  post([this, value = std::move(value)] {
    if (phase_ != Phase::running) return;
    asked_input_ = false;
    line_.clear();
    input_ += value + "\n";
    feed_input();
  });
}

void Kernel::request(std::uint64_t request, std::string kind, std::string content) {
  post([this, request, kind = std::move(kind), content = std::move(content)] {
    answer({request, kind, content, now_ms() + longest_writing_ms});
  });
}

void Kernel::written_down() {
  writing_down_ = false;
  for (auto& question : std::exchange(after_writing_, {})) answer(std::move(question));
}

void Kernel::answer(Question question) {
  const auto& [request, kind, content, until_ms] = question;
  std::string reply;
  if (kind == "is_complete") {
    std::string said = "unknown";
    try {
      said = scripts_.completeness(json::text(json::member(content, "code")));
    } catch (const std::exception& problem) {
      lectern::sdk::log_error("shell " + std::to_string(number_) + ": " + problem.what());
    }
    reply = R"({"status":)" + json::quoted(said) + (said == "incomplete" ? R"(,"indent":""})" : "}");
  } else if (kind == "history") {
    reply = history_reply(history_);
  } else {
    auto written = writing_down_ ? std::nullopt : scripts_.variables();
    // After a prompt, too, it may be writing: a question that was asked twice is answered twice.
    if (writing_down_ || (!written && process_ && now_ms() < until_ms)) {
      after_writing_.push_back(std::move(question));
      return;
    }
    if (written) variables_ = std::move(*written);
    const Facts facts{process_ ? process_->pid() : 0, command_.cwd, variables_, functions_.all()};
    reply = kind == "complete" ? complete(content, facts) : inspect(content, facts);
  }
  RuntimeEvent event;
  event.kind = LECTERN_RUN_REPLY;
  event.request = request;
  event.json = reply;
  send(event);
}

}  // namespace shell
