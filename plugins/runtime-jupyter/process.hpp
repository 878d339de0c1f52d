// One child process: its own process group, ended with the host, watched by a descriptor that becomes readable when it
// ends. What it writes to its standard output and error is read, and the end of it kept to explain a death.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace jupyter {

struct Command {
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;  // added to our own
  std::string cwd;                         // empty = ours
  std::string path_first;                  // put in front of PATH; may be empty
};

class Process {
 public:
  /// Starts it. Must be called by a thread that lives as long as the child shall: the kernel kills the child when that
  /// thread ends. Throws lectern::sdk::Failure naming the program and the reason.
  explicit Process(const Command& command);
  /// Kills the whole group and reaps.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// To be polled for reading; -1 when the system has none (then call ended() now and then).
  [[nodiscard]] int watch_fd() const { return watch_; }
  [[nodiscard]] int output_fd() const { return output_; }
  /// Reads what there is; false at the end of it: then nothing more comes.
  bool read_output();
  void close_output();
  /// How it ended, "exit code 1" or "signal 9 (Killed)", once it has; reaps it.
  std::optional<std::string> ended();
  /// The last lines it wrote.
  [[nodiscard]] std::string last_words() const;
  void signal_group(int signal) const;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int watch_ = -1;
  int output_ = -1;
  std::string tail_;
  std::optional<std::string> end_;
};

}  // namespace jupyter
