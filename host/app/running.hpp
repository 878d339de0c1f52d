// The list of running servers of this person: one private file per process under $XDG_RUNTIME_DIR/lectern/servers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace lectern::app {

struct RunningServer {
  std::int64_t pid = 0;
  std::string start_time;  // of the process, in clock ticks since boot: a reused pid has another
  std::string url;         // "http://127.0.0.1:8899"
  std::string token;       // empty with --no-token
  std::string root, tls_cert, started_at;
};

/// An entry of the list, removed with the object.
class RunningEntry {
 public:
  RunningEntry() = default;
  RunningEntry(RunningEntry&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  RunningEntry& operator=(RunningEntry&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~RunningEntry();
  /// [control] Writes the entry of this process, mode 0600; pid and start time are filled in. 500 `runtime_dir`.
  static Result<RunningEntry> write(RunningServer server);

 private:
  std::filesystem::path path_;
};

/// [control] The servers that run, newest first; entries of processes that are gone are removed.
Result<std::vector<RunningServer>> running_servers();

}  // namespace lectern::app
