#include "runner.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>

#include "base/json.hpp"
#include "base/text.hpp"

extern char** environ;

namespace lectern::validate {

namespace {

using Clock = std::chrono::steady_clock;
constexpr int result_fd = 3;
constexpr std::size_t doing_size = 4096;
constexpr char doing_mark = '!';  // starts what the signal handler writes, where a verdict starts with {

// Written by doing(), read by a signal handler: a plain array, and the size last.
std::array<char, doing_size> doing_text{};
volatile sig_atomic_t doing_length = 0;

void last_words(int signal) {
  const auto length = static_cast<std::size_t>(doing_length);
  ssize_t ignored = ::write(result_fd, &doing_mark, 1);
  if (length != 0) ignored = ::write(result_fd, doing_text.data(), length);
  (void)ignored;
  if (signal == SIGTERM) ::_exit(1);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

void watch_for_the_end() {
  // A stack of its own: the plugin may have used up the other.
  static std::array<char, 64u << 10> stack;
  stack_t alternative{};
  alternative.ss_sp = stack.data();
  alternative.ss_size = stack.size();
  ::sigaltstack(&alternative, nullptr);
  struct sigaction action {};
  action.sa_handler = &last_words;
  action.sa_flags = SA_ONSTACK;
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string to_json(const Verdict& verdict) {
  std::string out;
  json::Writer to(out);
  to.begin_object().member("outcome", outcome_name(verdict.outcome)).key("problems").begin_array();
  for (const auto& one : verdict.problems) {
    to.begin_object().member("grave", one.grave).member("what", one.what).member("fix", one.fix).end_object();
  }
  to.end_array().key("notes").begin_array();
  for (const auto& note : verdict.notes) to.string(note);
  to.end_array().end_object();
  return out;
}

std::optional<Verdict> from_json(const std::string& text) {
  const auto root = json::parse(text, {.bytes = 4u << 20, .depth = 8, .nodes = 100'000, .unique_keys = true});
  if (!root) return std::nullopt;
  const auto* outcome = root->find("outcome");
  const auto* problems = root->find("problems");
  const auto* notes = root->find("notes");
  if (outcome == nullptr || outcome->as_string() == nullptr || problems == nullptr || problems->as_array() == nullptr ||
      notes == nullptr || notes->as_array() == nullptr) {
    return std::nullopt;
  }
  Verdict made;
  made.outcome = outcome_from(*outcome->as_string()).value_or(Outcome::failed);
  for (const auto& one : *problems->as_array()) {
    const auto* what = one.find("what");
    const auto* fix = one.find("fix");
    const auto* grave = one.find("grave");
    if (what == nullptr || what->as_string() == nullptr || fix == nullptr || fix->as_string() == nullptr) continue;
    made.problems.push_back(
        {grave == nullptr || grave->as_bool().value_or(true), *what->as_string(), *fix->as_string()});
  }
  for (const auto& note : *notes->as_array()) {
    if (note.as_string() != nullptr) made.notes.push_back(*note.as_string());
  }
  return made;
}

/// A pipe whose ends close with it.
struct Pipe {
  int read = -1, write = -1;
  Pipe() {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) == 0) {
      read = ends[0];
      write = ends[1];
    }
  }
  ~Pipe() {
    close(read);
    close(write);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  static void close(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
};

struct Child {
  pid_t pid = -1;
  Pipe result, words;

  bool start(const std::vector<std::string>& arguments) {
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (const auto& one : arguments) argv.push_back(const_cast<char*>(one.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&files, words.write, 1);
    ::posix_spawn_file_actions_adddup2(&files, words.write, 2);
    // dup2 of a descriptor to itself would keep close-on-exec; ours start at 3.
    const int moved = result.write == result_fd ? ::fcntl(result.write, F_DUPFD_CLOEXEC, 10) : -1;
    ::posix_spawn_file_actions_adddup2(&files, moved >= 0 ? moved : result.write, result_fd);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    const int problem = ::posix_spawn(&pid, "/proc/self/exe", &files, &attributes, argv.data(), environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&files);
    if (moved >= 0) ::close(moved);
    Pipe::close(result.write);
    Pipe::close(words.write);
    return problem == 0;
  }
};

/// Appends what there is to read. False at the end of the pipe.
bool take(int fd, std::string& to, std::size_t most, bool keep_end) {
  std::array<char, 16384> buffer{};
  const ssize_t n = ::read(fd, buffer.data(), buffer.size());
  if (n < 0) return errno == EINTR || errno == EAGAIN;
  if (n == 0) return false;
  to.append(buffer.data(), static_cast<std::size_t>(n));
  if (to.size() > most) {
    if (keep_end) {
      to.erase(0, to.size() - most);
    } else {
      to.resize(most);
    }
  }
  return true;
}

/// Reads both pipes until the child ends or the deadline is there. True = in time.
bool listen(Child& child, Clock::time_point deadline, std::string& result, std::string& words) {
  std::array<pollfd, 2> pipes{pollfd{child.result.read, POLLIN, 0}, pollfd{child.words.read, POLLIN, 0}};
  while (pipes[0].fd >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    const int ready = ::poll(pipes.data(), pipes.size(), static_cast<int>(std::min<std::int64_t>(left, 1000)));
    if (ready < 0 && errno != EINTR) return true;
    if (ready <= 0) continue;
    if (pipes[0].revents != 0 && !take(pipes[0].fd, result, 4u << 20, false)) pipes[0].fd = -1;
    if (pipes[1].revents != 0 && !take(pipes[1].fd, words, 4096, true)) pipes[1].fd = -1;
  }
  return true;
}

/// Waits for the end until `deadline`; empty = still running.
std::optional<int> ended(pid_t pid, Clock::time_point deadline) {
  for (;;) {
    int status = 0;
    const pid_t got = ::waitpid(pid, &status, WNOHANG);
    if (got == pid) return status;
    if (Clock::now() >= deadline) return std::nullopt;
    ::poll(nullptr, 0, 5);
  }
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return std::string("signal ") + ::sigdescr_np(WTERMSIG(status));
  return "exit code " + std::to_string(WEXITSTATUS(status));
}

Verdict cut_short(Outcome outcome, const std::string& what, const std::string& where, std::string fix) {
  Verdict made;
  made.outcome = outcome;
  made.problems.push_back({true, where.empty() ? what : what + ", while it had to " + where, std::move(fix)});
  return made;
}

/// --fuzz says itself how long it goes on.
int deadline_of(const Test& test, const Options& options) {
  if (options.deadline_s != 0) return options.deadline_s;
  return test.deadline_s != 0 ? test.deadline_s : static_cast<int>(options.minutes * 60) + 120;
}

constexpr const char* debugger_hint =
    "Run this one test under a debugger: lectern-validate PLUGIN --in-process --include ";

}  // namespace

void doing(std::string_view what) {
  const auto length = std::min(what.size(), doing_text.size());
  doing_length = 0;
  std::memcpy(doing_text.data(), what.data(), length);
  doing_length = static_cast<sig_atomic_t>(length);
}

Verdict run_here(const Test& test, const Subject& subject, const Options& options, const std::filesystem::path& work) {
  Report report;
  doing("");
  const Context context{subject, options, work};
  try {
    test.run(context, report);
  } catch (const std::exception& problem) {
    report.fail(std::string("the test could not go on: ") + problem.what(),
                "If the disk has room and this folder can be written to, this is a fault of the validator.");
  }
  return report.verdict();
}

int run_as_child(const Test& test, const Subject& subject, const Options& options) {
  watch_for_the_end();
  const Verdict verdict = run_here(test, subject, options, options.work);
  write_all(result_fd, to_json(verdict));
  return 0;
}

TestRun run_in_child(const Test& test, const Options& options, const std::filesystem::path& work) {
  std::vector<std::string> arguments{"lectern-validate"};
  for (auto& one : to_arguments(options)) arguments.push_back(std::move(one));
  arguments.push_back("--run-test=" + test.id);
  arguments.push_back("--work=" + work.string());

  TestRun run;
  run.test = &test;
  const auto started = Clock::now();
  Child child;
  if (!child.start(arguments)) {
    run.verdict = cut_short(Outcome::failed, "a child process could not be started", {}, "Try --in-process.");
    return run;
  }
  std::string result, words;
  const int deadline_s = deadline_of(test, options);
  const bool in_time = listen(child, started + std::chrono::seconds(deadline_s), result, words);
  std::optional<int> status;
  if (in_time) status = ended(child.pid, Clock::now() + std::chrono::seconds(10));
  const bool hung = !status;
  if (hung) {
    ::kill(child.pid, SIGTERM);  // it tells where it is
    (void)listen(child, Clock::now() + std::chrono::seconds(2), result, words);
    ::kill(-child.pid, SIGKILL);
    int ignored = 0;
    while (::waitpid(child.pid, &ignored, 0) < 0 && errno == EINTR) {
    }
  } else {
    ::kill(-child.pid, SIGKILL);  // whatever the plugin left running
  }
  run.ms = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started).count();

  const auto mark = result.find(doing_mark);
  std::string where;
  if (!result.empty() && result.front() == doing_mark) {
    where = text::label(result.substr(1), 4000);
  } else if (mark != std::string::npos && !from_json(result)) {
    where = "end the process";
    result.erase(result.rfind(doing_mark));
  }
  auto verdict = from_json(result);
  if (verdict && !hung && *status == 0) {
    run.verdict = std::move(*verdict);
    return run;
  }
  run.last_words = words;
  if (hung) {
    run.verdict = cut_short(verdict ? Outcome::crashed : Outcome::timed_out,
                            verdict ? "the process did not end after the test was over"
                                    : "no answer within " + std::to_string(deadline_s) + " s",
                            where, std::string(debugger_hint) + test.id);
  } else if (verdict) {
    run.verdict = std::move(*verdict);
    run.verdict.outcome = Outcome::crashed;
    run.verdict.problems.push_back({true, "the process crashed while it ended: " + how_it_ended(*status),
                                    "Something of the plugin runs after deinit: a thread, an exit handler, a static."});
  } else {
    run.verdict = cut_short(Outcome::crashed, how_it_ended(*status), where, std::string(debugger_hint) + test.id);
  }
  return run;
}

}  // namespace lectern::validate
