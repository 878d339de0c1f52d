#include "runtime/processes.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "base/clock.hpp"

namespace lectern::runtime {
namespace {

constexpr std::int64_t reuse_ms = 400;
constexpr int deepest = 64;  // of parents between a kernel and the host

struct Stat {
  std::int64_t parent = 0, session = 0;
  std::uint64_t ticks = 0, pages = 0;
};

/// /proc/<pid>/stat: the name in parentheses may hold anything, so fields are counted after the last of them.
std::optional<Stat> read_stat(const char* process) {
  const auto path = "/proc/" + std::string(process) + "/stat";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::array<char, 2048> text{};
  const auto count = ::read(fd, text.data(), text.size() - 1);
  ::close(fd);
  if (count <= 0) return std::nullopt;
  const std::string all(text.data(), static_cast<std::size_t>(count));
  const auto name_end = all.rfind(')');
  if (name_end == std::string::npos || name_end + 4 > all.size()) return std::nullopt;
  // state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime prio nice threads
  // itrealvalue starttime vsize rss: proc(5) counts the first of these as 3.
  constexpr int parent = 1, session = 3, first_time = 11, last_time = 14, rss = 21;
  Stat out;
  const char* at = all.c_str() + name_end + 3;
  for (int field = 1; field <= rss; ++field) {
    char* end = nullptr;
    const auto value = std::strtoll(at, &end, 10);
    if (end == at) return std::nullopt;
    at = end;
    if (field == parent) out.parent = value;
    if (field == session) out.session = value;
    if (field >= first_time && field <= last_time && value > 0) out.ticks += static_cast<std::uint64_t>(value);
    if (field == rss && value > 0) out.pages = static_cast<std::uint64_t>(value);
  }
  return out;
}

}  // namespace

std::string process_start(std::int64_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  auto at = text.rfind(')');
  const bool ended = at != std::string::npos && at + 2 < text.size() && (text[at + 2] == 'Z' || text[at + 2] == 'X');
  if (ended) return {};           // and nobody has asked how
  constexpr int start_time = 22;  // proc(5); the name is the second field
  for (int field = 2; field < start_time && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  if (at == std::string::npos) return {};
  return text.substr(at + 1, text.find(' ', at + 1) - at - 1);
}

void ProcessTable::take_up(std::int64_t leader) {
  const std::scoped_lock lock(mutex_);
  taken_up_.insert(leader);
}

void ProcessTable::let_go(std::int64_t leader) {
  const std::scoped_lock lock(mutex_);
  taken_up_.erase(leader);
}

void ProcessTable::look() {
  const auto now = clock::now_ms();
  if (at_ms_ >= 0 && now - at_ms_ < reuse_ms) return;
  sessions_.clear();
  parents_.clear();
  at_ms_ = now;
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), &::closedir);
  while (const auto* entry = folder ? ::readdir(folder.get()) : nullptr) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    const auto stat = read_stat(entry->d_name);
    if (!stat) continue;
    parents_[std::strtoll(entry->d_name, nullptr, 10)] = stat->parent;
    auto& figures = sessions_[stat->session];
    figures.rss += stat->pages * page;
    figures.cpu_ms += stat->ticks * 1000 / ticks;
    figures.processes += 1;
    figures.at_ms = now;
  }
}

bool ProcessTable::ours(std::int64_t process) const {
  if (taken_up_.count(process) > 0) return true;
  const auto host = static_cast<std::int64_t>(::getpid());
  for (int depth = 0; depth < deepest; ++depth) {
    const auto it = parents_.find(process);
    if (it == parents_.end() || it->second <= 1) return false;
    if (it->second == host) return true;
    process = it->second;
  }
  return false;
}

std::optional<ProcessFigures> ProcessTable::of(std::int64_t leader) {
  const std::scoped_lock lock(mutex_);
  look();
  const auto it = sessions_.find(leader);
  if (it == sessions_.end() || !ours(leader)) return std::nullopt;
  return it->second;
}

bool ProcessTable::kill(std::int64_t leader) {
  if (leader <= 1) return false;
  const std::scoped_lock lock(mutex_);
  at_ms_ = -1;  // as it is now
  look();
  return sessions_.count(leader) > 0 && ours(leader) && ::kill(static_cast<pid_t>(-leader), SIGKILL) == 0;
}

}  // namespace lectern::runtime
