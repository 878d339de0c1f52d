// What a plugin's process writes to its standard error, its log lines among it: a pipe to the host, which takes it line
// by line, cleaned and cut. What was said before a crash comes through.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/log.hpp"

namespace lectern::isolation {

/// Takes a line of a plugin, without area and time; [worker].
using LineSink = std::function<void(log::Level level, std::string_view text)>;

/// Not thread-safe: its owner's.
class ChildLog {
 public:
  ChildLog() = default;
  ~ChildLog();
  ChildLog(const ChildLog&) = delete;
  ChildLog& operator=(const ChildLog&) = delete;

  /// [worker] The end for the child, which the caller closes; negative when there is none. It never blocks: what the
  /// host does not take in time is lost.
  /// Without `to` the first lines go into the host's log as they are.
  int open(const std::string& id, LineSink to);
  /// To poll for POLLIN; negative = closed.
  [[nodiscard]] int fd() const { return fd_; }
  /// [worker] Passes on what is there, at most 256 KiB at once. Never waits.
  void drain();

 private:
  void take(std::string_view bytes);
  void line() noexcept;
  LineSink to_;
  std::string area_, line_;
  int fd_ = -1;
  int lines_ = 0;
};

}  // namespace lectern::isolation
