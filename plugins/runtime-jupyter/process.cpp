#include "process.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "lectern/sdk/plugin.hpp"

extern char** environ;

namespace jupyter {
namespace {

constexpr std::size_t tail_bytes = 8u << 10;
constexpr off_t longest_log = 1 << 20;

std::string find_program(const std::string& name, const std::string& path) {
  if (name.find('/') != std::string::npos) return name;
  std::size_t from = 0;
  while (from <= path.size()) {
    const auto to = std::min(path.find(':', from), path.size());
    const auto candidate = path.substr(from, to - from) + "/" + name;
    if (to > from && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    from = to + 1;
  }
  return {};
}

std::vector<std::string> make_environment(const Command& command, std::string& path) {
  std::map<std::string, std::string> merged;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (const auto equals = text.find('='); equals != std::string::npos) {
      merged[text.substr(0, equals)] = text.substr(equals + 1);
    }
  }
  for (const auto& [name, value] : command.env) merged[name] = value;
  if (!command.path_first.empty()) merged["PATH"] = command.path_first + ":" + merged["PATH"];
  path = merged["PATH"];
  std::vector<std::string> out;
  out.reserve(merged.size());
  for (const auto& [name, value] : merged) out.push_back(name + "=" + value);
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (auto& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

struct ChildPlan {
  const char* program;
  char* const* argv;
  char* const* env;
  const char* cwd;  // null = ours
  int null_fd;
  int output_fd;
  pid_t parent;
  bool outlives;
};

/// Runs in the child between vfork and exec, on the parent's memory: system calls only. Returns the errno of a failure.
int become(const ChildPlan& plan) {
  ::setsid();  // its own group: what it starts ends with it
  if (!plan.outlives) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != plan.parent) return ESRCH;  // the parent went before the line above
  }
  if (::dup2(plan.null_fd, 0) < 0 || ::dup2(plan.output_fd, 1) < 0 || ::dup2(plan.output_fd, 2) < 0) return errno;
  // Sockets of the host must not live on in a kernel; some libraries open them without close-on-exec.
  if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
    for (int fd = 3; fd < 4096; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  if (plan.cwd != nullptr && ::chdir(plan.cwd) != 0) return errno;
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &plain, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(plan.program, plan.argv, plan.env);
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

/// The reading and the writing end of what the child says; the first is -1 when that is a file.
std::array<int, 2> output_ends(const std::string& log_file) {
  std::array<int, 2> ends{-1, -1};
  if (!log_file.empty()) {
    // Appending, so that the file can be emptied under the one that writes.
    ends[1] = ::open(log_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    return ends;
  }
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return {-1, -1};
  ::fcntl(ends[1], F_SETFL, 0);  // the child's end blocks, as programs expect
  return ends;
}

}  // namespace

std::string process_start_time(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  // The second field may hold anything: fields are counted behind its last ')'.
  auto at = text.rfind(')');
  const bool ended = at != std::string::npos && at + 2 < text.size() && (text[at + 2] == 'Z' || text[at + 2] == 'X');
  if (ended) return {};  // and nobody has asked how
  constexpr int start_time = 22;
  for (int field = 2; field < start_time && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  if (at == std::string::npos) return {};
  return text.substr(at + 1, text.find(' ', at + 1) - at - 1);
}

Process::Process(const Command& command) : log_file_(command.log_file) {
  using lectern::sdk::Failure;
  std::string path;
  auto env = make_environment(command, path);
  auto argv = command.argv;
  const auto program = find_program(argv.front(), path);
  if (program.empty()) {
    throw Failure(LECTERN_NOT_FOUND, "the kernel's program \"" + argv.front() + "\" is not on the PATH",
                  "install it, or correct argv in its kernel.json");
  }
  std::array<int, 2> output{-1, -1};
  const int null_fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null_fd >= 0) output = output_ends(log_file_);
  if (output[1] < 0) {
    const int problem = errno;
    if (null_fd >= 0) ::close(null_fd);
    throw Failure(LECTERN_UNAVAILABLE,
                  (log_file_.empty() ? "no descriptors for a kernel: " : "cannot write " + log_file_ + ": ") +
                      std::strerror(problem));
  }
  auto argv_pointers = pointers(argv);
  auto env_pointers = pointers(env);
  const ChildPlan plan{program.c_str(),
                       argv_pointers.data(),
                       env_pointers.data(),
                       command.cwd.empty() ? nullptr : command.cwd.c_str(),
                       null_fd,
                       output[1],
                       ::getpid(),
                       !log_file_.empty()};
  int failure = 0;
  pid_ = spawn(plan, failure);
  ::close(null_fd);
  ::close(output[1]);
  output_ = output[0];
  if (failure != 0) {
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
    if (output_ >= 0) ::close(output_);
    output_ = -1;
    pid_ = -1;
    throw Failure(LECTERN_UNAVAILABLE, "could not start " + program +
                                           (command.cwd.empty() ? "" : " in " + command.cwd) + ": " +
                                           std::strerror(failure));
  }
  watch_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (watch_ >= 0) ::fcntl(watch_, F_SETFD, FD_CLOEXEC);
}

Process::Process(const KeptProcess& kept)
    : pid_(kept.pid), ours_(false), log_file_(kept.log_file), start_time_(kept.start_time) {
  // The descriptor first: what it names cannot become another process between the look and the watch.
  watch_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (watch_ >= 0) ::fcntl(watch_, F_SETFD, FD_CLOEXEC);
  if (pid_ > 1 && !start_time_.empty() && !gone()) return;
  if (watch_ >= 0) ::close(std::exchange(watch_, -1));
  throw lectern::sdk::Failure(LECTERN_NOT_FOUND, "its process " + std::to_string(pid_) + " ended meanwhile");
}

Process::~Process() {
  if (pid_ > 0 && !end_) {
    signal_group(SIGKILL);
    if (ours_) ::waitpid(pid_, nullptr, 0);
  }
  if (watch_ >= 0) ::close(watch_);
  if (output_ >= 0) ::close(output_);
}

void Process::leave() {
  pid_ = -1;
}

/// Of one that is not ours: nobody but its parent learns how it ended.
bool Process::gone() const {
  pollfd ended{watch_, POLLIN, 0};
  if (watch_ >= 0 && ::poll(&ended, 1, 0) > 0) return true;
  return process_start_time(pid_) != start_time_;
}

void Process::read_log() {
  std::ifstream file(log_file_, std::ios::binary | std::ios::ate);
  if (!file) return;
  const auto size = static_cast<std::streamoff>(file.tellg());
  file.seekg(std::max<std::streamoff>(0, size - static_cast<std::streamoff>(tail_bytes)));
  tail_.assign(std::istreambuf_iterator<char>(file), {});
}

void Process::trim_log() const {
  struct stat about {};
  if (log_file_.empty() || ::stat(log_file_.c_str(), &about) != 0 || about.st_size <= longest_log) return;
  (void)!::truncate(log_file_.c_str(), 0);
}

bool Process::read_output() {
  if (!log_file_.empty()) {
    read_log();
    return true;
  }
  std::array<char, 16384> block{};
  while (output_ >= 0) {
    const auto count = ::read(output_, block.data(), block.size());
    if (count > 0) {
      tail_.append(block.data(), static_cast<std::size_t>(count));
      if (tail_.size() > 2 * tail_bytes) tail_.erase(0, tail_.size() - tail_bytes);
      continue;
    }
    if (count < 0 && errno == EINTR) continue;
    return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }
  return false;
}

void Process::close_output() {
  if (output_ >= 0) ::close(std::exchange(output_, -1));
}

std::optional<std::string> Process::ended() {
  if (end_ || pid_ <= 0) return end_;
  if (!ours_) {
    if (!gone()) return std::nullopt;
    signal_group(SIGKILL);  // what it left behind; its group's number stays taken as long as one of it lives
    return end_ = "how is not known, for another host had started it";
  }
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0) {
    return std::nullopt;
  }
  // What it started and left behind; before the reaping, while the group's number cannot belong to anybody else.
  signal_group(SIGKILL);
  int status = 0;
  const auto got = ::waitpid(pid_, &status, 0);
  if (got > 0 && WIFSIGNALED(status)) {
    end_ = "signal " + std::to_string(WTERMSIG(status)) + " (" + ::strsignal(WTERMSIG(status)) + ")";
  } else if (got > 0) {
    end_ = "exit code " + std::to_string(WEXITSTATUS(status));
  } else {
    end_ = "an unknown reason";
  }
  return end_;
}

std::string Process::last_words() const {
  std::string text;
  for (std::size_t i = tail_.size() > 4096 ? tail_.size() - 4096 : 0; i < tail_.size(); ++i) {
    const char c = tail_[i];
    if (c == '\x1b') {  // colours
      while (i < tail_.size() && std::isalpha(static_cast<unsigned char>(tail_[i])) == 0) ++i;
    } else if (c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f)) {
      text += c;
    } else {
      text += '?';
    }
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::size_t at = text.size();
  for (int lines = 0; lines < 10 && at != std::string::npos && at > 0; ++lines) at = text.rfind('\n', at - 1);
  return at == std::string::npos || at == 0 ? text : text.substr(at + 1);
}

void Process::signal_group(int signal) const {
  if (pid_ > 0 && !end_) ::kill(-pid_, signal);
}

}  // namespace jupyter
