// One lectern-plugin-host and the socket to it: started, called with a deadline, watched, ended, blamed in words.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "base/result.hpp"
#include "isolation/child_log.hpp"
#include "isolation/wire.hpp"

namespace lectern::isolation {

struct Limits {
  std::uint64_t memory_bytes = 1ull << 30;  // address space
  std::uint64_t cpu_seconds = 3600;         // of its whole life; a new process begins anew
  std::uint64_t open_files = 32;
  int transport_ms = 1000;     // a call of a transport, before it counts as hanging
  int presence_ms = 10'000;    // a call of a presence backend, which may have to wait for a disk
  int beat_ms = 5000;          // an idle process's sign of life
  int quick_settings_ms = 50;  // a policy's object whose settings take longer to be taken gets a process of its own
};

/// What a child needs to know to load one plugin.
struct Launch {
  std::filesystem::path program;  // lectern-plugin-host
  std::string id, kind;
  std::uint32_t abi_major = 0, abi_minor = 0;
  std::string library;             // file name, for messages
  std::filesystem::path manifest;  // its path, for messages
  std::filesystem::path staged;    // what is loaded
  std::string sha256;
  Limits limits;
  std::filesystem::path folder = {};  // where it may read and write; empty = nowhere. It must exist
  std::int32_t checks = 1;            // LECTERN_CHECKS_*: the host's
  log::Level lowest_level = log::Level::info;
  LineSink on_line = {};  // what it logs
};

/// How long a call may take. `hard_ms` counts when the child had little processor time meanwhile: a busy machine must
/// not look like a plugin that hangs.
struct Deadline {
  int soft_ms, hard_ms;
};

/// Not thread-safe: its owner calls one thing at a time.
class Process {
 public:
  /// [worker] Starts the program and lets it load. The plugin's own refusal, or 500 `plugin_died` with the blame;
  /// 503 `plugin_host_missing`.
  static Result<std::unique_ptr<Process>> start(const Launch& launch);
  /// Ends the child.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// The payload of `ready`: the constants of the interface.
  [[nodiscard]] const std::string& ready() const { return ready_; }

  /// [worker] One call. `shared` follows `request` without being copied first. `on_records` gets each batch and answers
  /// what the sinks said; a batch after a refusal is a death. `deadline` is that of the whole call, `most_bytes` the
  /// limit of one frame of the child. Returns the payload of `done`. 500 `plugin_died`: the child is dead, and the
  /// message says why.
  Result<std::string> call(std::string_view request, std::string_view shared, Deadline deadline,
                           std::uint32_t most_bytes, const std::function<lectern_status(std::string_view)>& on_records);
  /// [worker] What the child has to tell, as News::read takes it, when it answers in time.
  Result<std::string> ping(Deadline deadline);

  [[nodiscard]] bool alive() const { return fd_ >= 0; }
  [[nodiscard]] pid_t pid() const { return pid_; }

  /// One clock for all frames of a call: a child that keeps sending does not get more time.
  struct Watch {
    Deadline deadline;
    std::int64_t started_ms, cpu_us_at_start;
  };
  /// For whoever talks with it without waiting (Line) instead of by call() and ping(). The socket is non-blocking.
  [[nodiscard]] int socket() const { return fd_; }
  [[nodiscard]] int log_pipe() const { return log_.fd(); }  // to poll for POLLIN; then drain_log()
  void drain_log() { log_.drain(); }
  [[nodiscard]] Watch watch(Deadline deadline) const;
  /// An error when its time is up: it has been ended.
  Status in_time(const Watch& watch);
  /// Ends it. `what` is what it did wrong; empty when it went by itself: then how it ended is the blame.
  tl::unexpected<Error> died(const std::string& what);

 private:
  Process() = default;
  struct Frame {
    FrameType type{};
    std::string payload;
  };
  Status spawn(const Launch& launch);
  Status send(FrameType type, std::string_view a, std::string_view b, const Watch& watch);
  Result<Frame> receive(const Watch& watch, std::uint32_t most_bytes);
  Frame take(std::size_t length);
  Status wait_for(short events, const Watch& watch);
  [[nodiscard]] std::int64_t cpu_us() const;
  std::string end(bool kill);

  std::string id_, ready_, inbox_;
  ChildLog log_;
  int fd_ = -1;
  int pidfd_ = -1;
  pid_t pid_ = -1;
  bool kept_ = false;  // what runs is a keeper (keeper.hpp), which ends what it keeps when it is asked to end
};

/// [any] Resident bytes of a process; 0 when unknown.
std::uint64_t resident_bytes(pid_t pid);

/// [any] The program beside this executable, or in ../libexec/lectern; empty when there is none.
std::filesystem::path plugin_host_program();

}  // namespace lectern::isolation
