#include "isolation/keeper.hpp"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace lectern::isolation {

namespace {

constexpr std::int64_t grace_ms = 5000;        // to leave by itself when the host has closed the socket
constexpr std::int64_t time_to_end_ms = 3000;  // of killed processes to be gone

/// Processes whose parent is this one. Those of a child that died come to it, for it is their subreaper.
std::vector<pid_t> children() {
  std::vector<pid_t> out;
  DIR* const all = ::opendir("/proc");
  if (all == nullptr) return out;
  while (const dirent* entry = ::readdir(all)) {
    const int pid = std::atoi(entry->d_name);
    if (pid <= 0) continue;
    std::ifstream file(std::string("/proc/") + entry->d_name + "/stat");
    std::string stat;
    std::getline(file, stat);
    const auto name_ends = stat.rfind(')');
    char state = 0;
    int parent = 0;
    if (name_ends != std::string::npos && std::sscanf(stat.c_str() + name_ends + 1, " %c %d", &state, &parent) == 2 &&
        parent == ::getpid())
      out.push_back(pid);
  }
  ::closedir(all);
  return out;
}

/// Ends all that is left, generation after generation, and reaps it.
void end_all() {
  const auto give_up_ms = clock::now_ms() + time_to_end_ms;
  for (;;) {
    for (const pid_t pid : children()) ::kill(pid, SIGKILL);
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (children().empty() || clock::now_ms() > give_up_ms) return;
    const timespec moment{0, 2'000'000};
    ::nanosleep(&moment, nullptr);
  }
}

[[noreturn]] void end_like(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    ::signal(signal, SIG_DFL);
    sigset_t just;
    sigemptyset(&just);
    sigaddset(&just, signal);
    ::sigprocmask(SIG_UNBLOCK, &just, nullptr);
    ::kill(::getpid(), signal);
  }
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

[[noreturn]] void stand_by(pid_t kept, int socket, int signals) {
  std::int64_t leave_by_ms = 0;
  for (;;) {
    std::array<pollfd, 2> on{pollfd{signals, POLLIN, 0},
                             pollfd{leave_by_ms == 0 ? socket : -1, static_cast<short>(POLLRDHUP), 0}};
    const int timeout =
        leave_by_ms == 0 ? -1 : static_cast<int>(std::max<std::int64_t>(0, leave_by_ms - clock::now_ms()));
    const int n = ::poll(on.data(), on.size(), timeout);
    if (n < 0 && errno != EINTR) break;
    if (n == 0) break;
    if (on[1].revents != 0) leave_by_ms = clock::now_ms() + grace_ms;
    signalfd_siginfo told{};
    if (on[0].revents == 0 || ::read(signals, &told, sizeof told) != static_cast<ssize_t>(sizeof told)) continue;
    if (told.ssi_signo == SIGTERM) break;
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid != kept) continue;
      end_all();
      end_like(status);
    }
  }
  end_all();
  ::_exit(0);
}

}  // namespace

bool keep(int socket) {
  sigset_t watched, before;
  sigemptyset(&watched);
  sigaddset(&watched, SIGCHLD);
  sigaddset(&watched, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &watched, &before);
  ::signal(SIGCHLD, SIG_DFL);
  const int signals = ::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0 || ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return false;
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return false;
  const pid_t keeper = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return false;
  if (pid > 0) stand_by(pid, socket, signals);
  ::close(signals);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != keeper) ::_exit(0);
  return true;
}

}  // namespace lectern::isolation
