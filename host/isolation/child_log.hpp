// What a plugin's process writes to its standard error: a pipe to the host, which logs it line by line, cleaned and
// bounded, so that neither terminal escapes nor a flood of lines get through.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lectern::isolation {

/// Not thread-safe: its owner's.
class ChildLog {
 public:
  ChildLog() = default;
  ~ChildLog();
  ChildLog(const ChildLog&) = delete;
  ChildLog& operator=(const ChildLog&) = delete;

  /// [worker] The end for the child, which the caller closes; negative when there is none. It never blocks: what the
  /// host does not take in time is lost.
  int open(const std::string& id);
  /// To poll for POLLIN; negative = closed.
  [[nodiscard]] int fd() const { return fd_; }
  /// [worker] Logs what is there, at most 256 KiB at once. Never waits.
  void drain();

 private:
  void take(std::string_view bytes);
  void line();
  std::string area_, line_;
  int fd_ = -1;
  std::int64_t window_ms_ = 0;
  int lines_ = 0;  // in the window
};

}  // namespace lectern::isolation
