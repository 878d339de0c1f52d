#include "process.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "lectern/sdk/failure.hpp"

extern char** environ;

namespace shell {
namespace {

using lectern::sdk::Failure;

constexpr int above_ours = 16;  // the child's own numbers lie below, so no dup2 overwrites what is still needed

[[noreturn]] void no_descriptors() {
  throw Failure(LECTERN_UNAVAILABLE, std::string("no descriptors for a shell: ") + std::strerror(errno));
}

/// Both ends above the numbers the child uses; `ours` does not block, the child's does, as programs expect.
void make_pipe(Fd& read_end, Fd& write_end, bool ours_reads) {
  std::array<int, 2> made{};
  if (::pipe2(made.data(), O_CLOEXEC) != 0) no_descriptors();
  const Fd low_read(made[0]), low_write(made[1]);
  read_end.reset(::fcntl(made[0], F_DUPFD_CLOEXEC, above_ours));
  write_end.reset(::fcntl(made[1], F_DUPFD_CLOEXEC, above_ours));
  if (read_end.get() < 0 || write_end.get() < 0) no_descriptors();
  ::fcntl(ours_reads ? read_end.get() : write_end.get(), F_SETFL, O_NONBLOCK);
}

std::vector<std::string> make_environment(const Command& command) {
  std::map<std::string, std::string> merged;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (const auto equals = text.find('='); equals != std::string::npos) {
      merged[text.substr(0, equals)] = text.substr(equals + 1);
    }
  }
  for (const auto& [name, value] : command.env) merged[name] = value;
  merged.erase("ENV");  // a file of somebody's own prompts and aliases
  merged.erase("PS1");
  merged.emplace("PYTHONUNBUFFERED", "1");  // a pipe is no terminal, yet what cells print shall be seen at once
  std::vector<std::string> out;
  out.reserve(merged.size());
  for (const auto& [name, value] : merged) out.emplace_back(name).append("=").append(value);
  return out;
}

struct ChildPlan {
  char* const* argv;
  char* const* env;
  const char* cwd;  // null = ours
  std::array<std::pair<int, int>, 6> descriptors;
  pid_t parent;
};

/// Runs in the child between vfork and exec, on the parent's memory: system calls only. Returns the errno of a failure.
int become(const ChildPlan& plan) {
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != plan.parent) return ESRCH;  // the parent went before the line above
  for (const auto& [from, to] : plan.descriptors) {
    if (::dup2(from, to) < 0) return errno;
  }
  ::close(3);
  ::close(4);
  // Sockets of the host must not live on in a shell; some libraries open them without close-on-exec.
  if (::syscall(SYS_close_range, 8U, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
    for (int fd = 8; fd < 4096; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  if (plan.cwd != nullptr && ::chdir(plan.cwd) != 0) return errno;
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &plain, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve("/bin/sh", plan.argv, plan.env);
  return errno;
}

/// vfork: no page table of a large host is copied, and exec's failure comes back in `failure`.
pid_t spawn(const ChildPlan& plan, int& failure) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // no handler may run in the child
  volatile int child_failure = 0;
  const pid_t pid = ::vfork();
  if (pid == 0) {
    child_failure = become(plan);
    ::_exit(127);
  }
  const int problem = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  failure = pid < 0 ? problem : child_failure;
  return pid;
}

}  // namespace

void Fd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

std::string End::text() const {
  if (!by_signal) return "exit code " + std::to_string(number);
  return "signal " + std::to_string(number) + " (" + ::strsignal(number) + ")";
}

Process::Process(const Command& command) {
  Fd child_commands, child_control, child_out, child_err, child_in;
  make_pipe(child_commands, commands_, false);
  make_pipe(control, child_control, true);
  make_pipe(out, child_out, true);
  make_pipe(err, child_err, true);
  make_pipe(child_in, input_, false);
  ::fstat(child_in.get(), &input_pipe_);
  // A second opening of the same end: not to block on it must not make cells not block on theirs.
  const auto again = "/proc/self/fd/" + std::to_string(child_in.get());
  input_back_.reset(::open(again.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));

  auto env = make_environment(command);
  std::vector<char*> env_pointers;
  env_pointers.reserve(env.size() + 1);
  for (auto& entry : env) env_pointers.push_back(entry.data());
  env_pointers.push_back(nullptr);
  // Interactive, so that an error or an interrupt ends a cell and not the shell; without job control, so that all it
  // starts is in one group.
  std::string arguments[] = {"sh", "+m", "-i"};
  char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(), nullptr};
  const ChildPlan plan{argv,
                       env_pointers.data(),
                       command.cwd.empty() ? nullptr : command.cwd.c_str(),
                       {{{child_commands.get(), 0},
                         {child_control.get(), 1},
                         {child_control.get(), 2},
                         {child_out.get(), cell_out},
                         {child_err.get(), cell_err},
                         {child_in.get(), cell_in}}},
                       ::getpid()};
  int failure = 0;
  pid_ = spawn(plan, failure);
  if (failure != 0) {
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
    throw Failure(LECTERN_UNAVAILABLE, "could not start /bin/sh" +
                                           (command.cwd.empty() ? std::string() : " in " + command.cwd) + ": " +
                                           std::strerror(failure));
  }
  watch.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (watch.get() >= 0) ::fcntl(watch.get(), F_SETFD, FD_CLOEXEC);
}

Process::~Process() {
  if (pid_ > 0 && !end_) {
    signal_group(SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

bool Process::say(std::string_view line) {
  // Shorter than PIPE_BUF, so it is written whole or not at all.
  ssize_t count = 0;
  do {
    count = ::write(commands_.get(), line.data(), line.size());
  } while (count < 0 && errno == EINTR);
  return count == static_cast<ssize_t>(line.size());
}

std::size_t Process::feed(std::string_view text) {
  const auto count = ::write(input_.get(), text.data(), text.size());
  return count > 0 ? static_cast<std::size_t>(count) : 0;
}

bool Process::input_unread() const {
  int count = 0;
  return ::ioctl(input_back_.get(), FIONREAD, &count) == 0 && count > 0;
}

void Process::drain_input() {
  std::array<char, 4096> block{};
  while (input_back_.get() >= 0 && ::read(input_back_.get(), block.data(), block.size()) > 0) {
  }
}

std::optional<End> Process::ended() {
  if (end_ || pid_ <= 0) return end_;
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0) {
    return std::nullopt;
  }
  // What it started and left behind; before the reaping, while the group's number cannot belong to anybody else.
  signal_group(SIGKILL);
  int status = 0;
  (void)::waitpid(pid_, &status, 0);
  end_ = WIFSIGNALED(status) ? End{true, WTERMSIG(status)} : End{false, WEXITSTATUS(status)};
  return end_;
}

void Process::signal_group(int signal) const {
  if (pid_ > 0 && !end_) ::kill(-pid_, signal);
}

}  // namespace shell
