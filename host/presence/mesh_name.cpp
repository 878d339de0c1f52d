#include "presence/mesh_name.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "presence/device.hpp"

namespace lectern::presence {
namespace {

constexpr std::size_t most_said = 256u << 10;  // without the peers it is 2 KiB
constexpr int time_to_die_ms = 500;

/// A program with one end of a pipe for its output, in a process group of its own: it ends with all that it started.
class Program {
 public:
  explicit Program(std::vector<std::string> arguments) {
    std::array<int, 2> pipe{-1, -1};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return;
    output_ = pipe[0];
    ::fcntl(output_, F_SETFL, O_NONBLOCK);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    // Our own settings, tokens among them, are nobody else's business.
    std::vector<char*> environment;
    for (char** one = environ; *one != nullptr; ++one) {
      if (!std::string_view(*one).starts_with("LECTERN_")) environment.push_back(*one);
    }
    environment.push_back(nullptr);
    std::vector<char*> words;
    words.reserve(arguments.size() + 1);
    for (auto& one : arguments) words.push_back(one.data());
    words.push_back(nullptr);
    if (::posix_spawn(&pid_, words[0], &actions, &attributes, words.data(), environment.data()) != 0) pid_ = -1;
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(pipe[1]);
  }
  ~Program() {
    end();
    if (output_ >= 0) ::close(output_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  [[nodiscard]] bool runs() const { return pid_ > 0; }

  /// All it says until it closes its output; "" when that is too much or comes too late.
  std::string output(std::int64_t until_ms) {
    std::string out;
    std::array<char, 8192> chunk{};
    for (;;) {
      const auto left = until_ms - clock::now_ms();
      if (left <= 0) return {};
      pollfd readable{output_, POLLIN, 0};
      if (::poll(&readable, 1, static_cast<int>(left)) < 0 && errno != EINTR) return {};
      const auto got = ::read(output_, chunk.data(), chunk.size());
      if (got == 0) return out;
      if (got < 0 && errno != EAGAIN && errno != EINTR) return {};
      if (got < 0) continue;
      out.append(chunk.data(), static_cast<std::size_t>(got));
      if (out.size() > most_said) return {};
    }
  }

 private:
  /// One that cannot be killed, because a disk or a network it waits for hangs, is not waited for either.
  void end() {
    if (pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);
    const int ended = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    pollfd gone{ended, POLLIN, 0};
    if (ended < 0 || ::poll(&gone, 1, time_to_die_ms) == 1) ::waitpid(pid_, nullptr, 0);
    if (ended >= 0) ::close(ended);
    pid_ = -1;
  }

  pid_t pid_ = -1;
  int output_ = -1;
};

/// Only folders named in full: what lies in the folder that is served is not ours to run.
std::string on_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::string_view left = path == nullptr ? "" : path;
  while (!left.empty()) {
    const auto folder = left.substr(0, left.find(':'));
    left.remove_prefix(std::min(left.size(), folder.size() + 1));
    if (!folder.starts_with('/')) continue;
    auto file = std::string(folder) + "/" + program;
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return {};
}

}  // namespace

std::string mesh_name_in(std::string_view status) {
  const auto parsed = json::parse(status);
  if (!parsed) return {};
  // Stopped or logged out, it still says what it was called.
  if (json::string_or_empty(*parsed, "BackendState") != "Running") return {};
  const auto* self = parsed->find("Self");
  if (self == nullptr) return {};
  const auto full = json::string_or_empty(*self, "DNSName");
  if (auto name = shown_name(full.substr(0, full.find('.'))); !name.empty()) return name;
  return shown_name(json::string_or_empty(*self, "HostName"));
}

std::string mesh_program() {
  return on_path("tailscale");
}

std::string mesh_name(const std::string& program, std::chrono::milliseconds budget) {
  const auto until_ms = clock::now_ms() + budget.count();
  Program running({program, "status", "--json", "--peers=false"});
  return running.runs() ? mesh_name_in(running.output(until_ms)) : std::string();
}

NameLookup::NameLookup(std::string configured, std::chrono::milliseconds budget) : configured_(std::move(configured)) {
  if (!shown_name(configured_).empty()) return;
  configured_.clear();
  auto program = mesh_program();
  if (program.empty()) return;
  thread_ = std::thread([this, program = std::move(program), budget] { found_ = mesh_name(program, budget); });
}

NameLookup::~NameLookup() {
  if (thread_.joinable()) thread_.join();
}

std::string NameLookup::get() {
  if (thread_.joinable()) thread_.join();
  return device_name(configured_.empty() ? found_ : configured_);
}

}  // namespace lectern::presence
