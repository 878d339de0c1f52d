#include "isolation/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/text.hpp"

namespace lectern::isolation {

namespace fs = std::filesystem;

namespace {

constexpr Deadline to_start{5000, 30'000};
constexpr int child_socket = 3;
constexpr std::size_t most_said = 600;  // code points of what a child says about itself

std::string signal_words(int signal) {
  switch (signal) {
    case SIGSEGV:
      return "SIGSEGV: it touched memory that is not there";
    case SIGBUS:
      return "SIGBUS: it touched memory that a file no longer backs";
    case SIGABRT:
      return "SIGABRT: it called abort, or an exception left a function that must not throw";
    case SIGFPE:
      return "SIGFPE: it divided by zero";
    case SIGILL:
      return "SIGILL: it ran an instruction this machine does not know";
    case SIGSYS:
      return "SIGSYS: it made a system call that an isolated plugin may not make (starting programs, sockets)";
    case SIGXCPU:
      return "SIGXCPU: it used up the processor time a plugin's process may use";
    case SIGALRM:
      return "SIGALRM: the host was gone and a call did not end";
    case SIGKILL:
      return "SIGKILL: the system was out of memory, or somebody ended it";
    default:
      return "signal " + std::to_string(signal);
  }
}

std::string ending(int status) {
  if (WIFSIGNALED(status)) return "its process was ended by " + signal_words(WTERMSIG(status));
  return "its process ended by itself with code " + std::to_string(WEXITSTATUS(status));
}

// What the host was started with is none of the plugin's business, tokens least of all. A runtime starts the user's
// programs, which need to know where his things are.
constexpr std::string_view kernels_are_in = "LECTERN_VENV=";
std::vector<std::string> child_environment(bool programs) {
  if (programs) {
    std::vector<std::string> all;
    for (char** one = environ; *one != nullptr; ++one) {
      const std::string_view entry(*one);
      if (!entry.starts_with("LECTERN_") || entry.starts_with(kernels_are_in)) all.emplace_back(entry);
    }
    return all;
  }
  std::vector<std::string> kept{"LANG=C.UTF-8"};
  for (const char* name : {"ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LLVM_PROFILE_FILE", "TZ"}) {
    if (const char* value = std::getenv(name)) kept.push_back(std::string(name) + "=" + value);
  }
  return kept;
}

struct SpawnActions {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  SpawnActions() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnActions() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
};

std::string hello(const Launch& launch) {
  Packer to;
  to.text(launch.id);
  to.text(launch.kind);
  to.number(launch.abi_major);
  to.number(launch.abi_minor);
  to.text(launch.library);
  to.text(launch.manifest.string());
  to.text(launch.staged.string());
  to.text(launch.sha256);
  to.number(launch.limits.memory_bytes);
  to.number(launch.limits.cpu_seconds);
  to.number(launch.limits.open_files);
  to.text(launch.folder.string());
  to.number(launch.checks);
  to.number(launch.lowest_level);
  return std::move(to.bytes());
}

}  // namespace

std::uint64_t resident_bytes(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  std::uint64_t total = 0, resident = 0;
  if (!(file >> total >> resident)) return 0;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

fs::path plugin_host_program() {
  std::error_code error;
  const auto self = fs::read_symlink("/proc/self/exe", error);
  if (error) return {};
  for (const char* place : {"lectern-plugin-host", "../libexec/lectern/lectern-plugin-host"}) {
    auto path = self.parent_path() / place;
    if (fs::is_regular_file(path, error)) return path;
  }
  return {};
}

Result<std::unique_ptr<Process>> Process::start(const Launch& launch) {
  std::unique_ptr<Process> made(new Process);
  made->id_ = launch.id;
  made->kept_ = launch.kind == "runtime";
  LECTERN_CHECK(made->spawn(launch));
  const Watch watch = made->watch(to_start);
  LECTERN_CHECK(made->send(FrameType::hello, hello(launch), {}, watch));
  LECTERN_TRY(Frame frame, made->receive(watch, most_small));
  made->log_.drain();
  if (frame.type == FrameType::refused) {
    Unpacker from(frame.payload);
    Error error;
    error.status = std::clamp(from.number<std::int32_t>(), 400, 599);
    error.code = text::label(from.text(), 64);
    error.message = text::label(from.text(), most_said);
    error.hint = text::label(from.text(), most_said);
    if (!from.ok() || error.code.empty()) return made->died("its process answered what makes no sense");
    return fail(std::move(error));
  }
  if (frame.type != FrameType::ready) return made->died("its process answered out of turn");
  made->ready_ = std::move(frame.payload);
  return made;
}

Status Process::spawn(const Launch& launch) {
  const auto missing = [&](const std::string& why) {
    return fail(503, "plugin_host_missing",
                "the program lectern-plugin-host cannot be started" + (why.empty() ? "" : ": " + why),
                "It is installed beside lectern; or trust the plugin with `lectern plugins trust`.");
  };
  if (launch.program.empty()) return missing("it is not beside this program");
  std::array<int, 2> pair{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) return missing(std::strerror(errno));
  fd_ = pair[0];
  ::fcntl(fd_, F_SETFL, O_NONBLOCK);
  SpawnActions spawn;
  // dup2 onto itself would keep close-on-exec: lift the socket out of the way first.
  const int lifted = ::fcntl(pair[1], F_DUPFD_CLOEXEC, 16);
  ::close(pair[1]);
  posix_spawn_file_actions_addopen(&spawn.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&spawn.actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const int log = log_.open(id_, launch.on_line);
  const int lifted_log = log < 0 ? -1 : ::fcntl(log, F_DUPFD_CLOEXEC, 16);
  if (log >= 0) ::close(log);
  if (lifted_log >= 0) {
    posix_spawn_file_actions_adddup2(&spawn.actions, lifted_log, STDERR_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&spawn.actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  }
  posix_spawn_file_actions_adddup2(&spawn.actions, lifted, child_socket);
  // A group of its own, so that Ctrl-C in the host's terminal does not end plugins before the sessions are saved.
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&spawn.attributes, &none);
  posix_spawnattr_setflags(&spawn.attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  auto environment = child_environment(launch.kind == "runtime");
  std::vector<char*> envp;
  envp.reserve(environment.size() + 1);
  for (auto& entry : environment) envp.push_back(entry.data());
  envp.push_back(nullptr);
  std::string program = launch.program.string(), id = launch.id;
  std::array<char*, 3> arguments{program.data(), id.data(), nullptr};
  const int failed =
      ::posix_spawn(&pid_, program.c_str(), &spawn.actions, &spawn.attributes, arguments.data(), envp.data());
  ::close(lifted);
  if (lifted_log >= 0) ::close(lifted_log);
  if (failed != 0) {
    pid_ = -1;
    return missing(program + ": " + std::strerror(failed));
  }
  pidfd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  return {};
}

Process::~Process() {
  end(true);
}

std::string Process::end(bool kill) {
  std::string words;
  if (pid_ > 0) {
    if (!kill) {  // it closed the socket: it has ended, ends just now, or only pretends to
      pollfd ended{pidfd_, POLLIN, 0};
      kill = pidfd_ < 0 || ::poll(&ended, 1, 2000) != 1;
    }
    if (kill && kept_ && pidfd_ >= 0) {
      pollfd ended{pidfd_, POLLIN, 0};
      ::kill(pid_, SIGTERM);
      kill = ::poll(&ended, 1, 4000) != 1;
    }
    if (kill) ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    words = ending(status);
    log_.drain();
  }
  if (fd_ >= 0) ::close(fd_);
  if (pidfd_ >= 0) ::close(pidfd_);
  fd_ = pidfd_ = -1;
  pid_ = -1;
  return words;
}

// `what` is empty when the child went by itself: then how it ended is the blame.
tl::unexpected<Error> Process::died(const std::string& what) {
  const std::string words = end(!what.empty());
  return fail(500, "plugin_died", what.empty() ? words : what,
              "This is a fault of the plugin " + id_ + "; the host and its sessions go on.");
}

std::int64_t Process::cpu_us() const {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return 0;
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000 + time.tv_nsec / 1000;
}

Process::Watch Process::watch(Deadline deadline) const {
  return {deadline, clock::now_ms(), cpu_us()};
}

Status Process::in_time(const Watch& watch) {
  const auto spent = clock::now_ms() - watch.started_ms;
  if (spent < watch.deadline.soft_ms) return {};
  if (spent >= watch.deadline.hard_ms || cpu_us() - watch.cpu_us_at_start >= watch.deadline.soft_ms * 800ll)
    return died("it did not answer within " + std::to_string(spent) + " ms, so its process was ended");
  return {};
}

Status Process::wait_for(short events, const Watch& watch) {
  for (;;) {
    LECTERN_CHECK(in_time(watch));
    const auto spent = clock::now_ms() - watch.started_ms;
    const auto left = spent >= watch.deadline.soft_ms ? std::min<std::int64_t>(50, watch.deadline.hard_ms - spent)
                                                      : watch.deadline.soft_ms - spent;
    std::array<pollfd, 2> on{pollfd{fd_, events, 0}, pollfd{log_.fd(), POLLIN, 0}};
    const int n = ::poll(on.data(), on.size(), static_cast<int>(std::max<std::int64_t>(1, left)));
    if (n < 0 && errno != EINTR) return died(std::string("its socket failed: ") + std::strerror(errno));
    if (n > 0 && on[1].revents != 0) log_.drain();
    if (n > 0 && on[0].revents != 0) return {};
  }
}

Status Process::send(FrameType type, std::string_view a, std::string_view b, const Watch& watch) {
  if (fd_ < 0) return fail(500, "plugin_died", "its process is gone");
  if (a.size() + b.size() > most_to_child)
    return fail(413, "too_large", "the call has more than 4 GiB", "Make the notebook smaller.");
  std::array<char, frame_head> head{};
  const auto length = static_cast<std::uint32_t>(a.size() + b.size());
  std::memcpy(head.data(), &length, sizeof length);
  head[4] = static_cast<char>(type);
  std::array<std::string_view, 3> parts{std::string_view(head.data(), head.size()), a, b};
  for (;;) {
    std::array<iovec, 3> pieces{};
    std::size_t left = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      pieces[i] = {const_cast<char*>(parts[i].data()), parts[i].size()};
      left += parts[i].size();
    }
    if (left == 0) return {};
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    const auto n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return died("");
      LECTERN_CHECK(wait_for(POLLOUT, watch));
      continue;
    }
    auto sent = static_cast<std::size_t>(n);
    for (auto& part : parts) {
      const auto here = std::min(sent, part.size());
      part.remove_prefix(here);
      sent -= here;
    }
  }
}

// The frame at the head of the inbox. A large one is not copied when nothing follows, and leaves no large buffer.
Process::Frame Process::take(std::size_t length) {
  Frame frame;
  frame.type = static_cast<FrameType>(inbox_[4]);
  if (inbox_.size() == frame_head + length) {
    inbox_.erase(0, frame_head);
    frame.payload = std::exchange(inbox_, {});
  } else {
    frame.payload = inbox_.substr(frame_head, length);
    inbox_.erase(0, frame_head + length);
  }
  return frame;
}

Result<Process::Frame> Process::receive(const Watch& watch, std::uint32_t most_bytes) {
  if (fd_ < 0) return fail(500, "plugin_died", "its process is gone");
  std::array<char, 64u << 10> chunk;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (;;) {
    if (inbox_.size() >= frame_head) {
      std::uint32_t length = 0;
      std::memcpy(&length, inbox_.data(), sizeof length);
      if (length > most_bytes) {
        return died("its process announced a frame of " + std::to_string(length) + " bytes, " +
                    std::to_string(most_bytes) + " is the most here");
      }
      if (inbox_.size() >= frame_head + length) return take(length);
    }
    LECTERN_CHECK(in_time(watch));
    const auto n = ::recv(fd_, chunk.data(), chunk.size(), 0);
    if (n > 0) {
      inbox_.append(chunk.data(), static_cast<std::size_t>(n));
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      return died("");
    } else if (errno == EAGAIN) {
      LECTERN_CHECK(wait_for(POLLIN, watch));
    }
  }
}

Result<std::string> Process::call(std::string_view request, std::string_view shared, Deadline deadline,
                                  std::uint32_t most_bytes,
                                  const std::function<lectern_status(std::string_view)>& on_records) {
  const Watch watch = this->watch(deadline);
  LECTERN_CHECK(send(FrameType::call, request, shared, watch));
  for (lectern_status said = LECTERN_OK;;) {
    LECTERN_TRY(Frame frame, receive(watch, most_bytes));
    if (frame.type == FrameType::done) {
      log_.drain();
      return std::move(frame.payload);
    }
    if (frame.type != FrameType::records) return died("its process answered out of turn");
    if (said != LECTERN_OK) return died("its process went on after it was refused");
    said = on_records(frame.payload);
    LECTERN_CHECK(send(FrameType::ack, std::string_view(reinterpret_cast<const char*>(&said), sizeof said), {}, watch));
  }
}

Result<std::string> Process::ping(Deadline deadline) {
  const Watch watch = this->watch(deadline);
  log_.drain();
  LECTERN_CHECK(send(FrameType::ping, {}, {}, watch));
  LECTERN_TRY(Frame frame, receive(watch, most_small));
  if (frame.type != FrameType::pong) return died("its process answered out of turn");
  log_.drain();
  return std::move(frame.payload);
}

}  // namespace lectern::isolation
