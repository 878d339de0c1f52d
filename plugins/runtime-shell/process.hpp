// The shell's process: a session and process group of its own, ended with the host, watched by a descriptor that
// becomes readable when it ends. The shell reads commands from one pipe and says on another when it is ready for the
// next, so that neither can be mistaken for what cells read and write.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace shell {

/// A descriptor with an owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  void reset(int fd = -1);
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_ = -1;
};

struct Command {
  std::string cwd;                         // empty = ours
  std::map<std::string, std::string> env;  // added to our own
};

struct End {
  bool by_signal = false;
  int number = 0;                          // exit code or signal
  [[nodiscard]] std::string text() const;  // "exit code 1", "signal 9 (Killed)"
};

class Process {
 public:
  /// Where the shell finds what belongs to cells: command lines name these descriptors.
  static constexpr int cell_out = 5, cell_err = 6, cell_in = 7;

  /// Starts `/bin/sh`. Must be called by a thread that lives as long as the shell shall: the system kills the shell
  /// when that thread ends. Throws lectern::sdk::Failure naming the reason.
  explicit Process(const Command& command);
  /// Kills the whole group and reaps.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Hands the shell one line; false when it takes no more.
  bool say(std::string_view line);
  /// Gives the cells' standard input as much as fits; the number of bytes.
  std::size_t feed(std::string_view text);
  /// Some of what it was given was not read yet.
  [[nodiscard]] bool input_unread() const;
  /// Takes back what nobody read.
  void drain_input();
  /// How it ended, once it has: kills what it left behind, and reaps it.
  std::optional<End> ended();
  void signal_group(int signal) const;
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const struct stat& input_pipe() const { return input_pipe_; }

  Fd watch, out, err, control;  // to be polled for reading

 private:
  Fd commands_, input_, input_back_;
  struct stat input_pipe_ {};
  pid_t pid_ = -1;
  std::optional<End> end_;
};

}  // namespace shell
