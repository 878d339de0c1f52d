// One process of a kernel: its own process group, ended with the host unless it is kept, watched by a descriptor that
// becomes readable when it ends. What it writes to its standard output and error is read, or goes to a file when it is
// kept; the end of it explains a death.
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
  std::string log_file;                    // not empty: it outlives us, and this takes what it writes; made anew
};

/// A process that an earlier host started.
struct KeptProcess {
  pid_t pid = -1;
  std::string start_time;  // in clock ticks since the boot: a reused pid has another
  std::string log_file;
};

/// Empty when there is no such process.
std::string process_start_time(pid_t pid);

class Process {
 public:
  /// Starts it. Must be called by a thread that lives as long as the child shall: the kernel kills the child when that
  /// thread ends. Throws lectern::sdk::Failure naming the program and the reason.
  explicit Process(const Command& command);
  /// Takes up one that was kept. Throws lectern::sdk::Failure (LECTERN_NOT_FOUND) when it is gone.
  explicit Process(const KeptProcess& kept);
  /// Kills the whole group and reaps.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// To be polled for reading; -1 when the system has none (then call ended() now and then).
  [[nodiscard]] int watch_fd() const { return watch_; }
  /// -1 when it writes to a file.
  [[nodiscard]] int output_fd() const { return output_; }
  /// Reads what there is; false at the end of it: then nothing more comes.
  bool read_output();
  /// Empties the file of one that is kept when it has grown past a mebibyte: nobody reads but its end.
  void trim_log() const;
  /// From here on it goes on without us.
  void leave();
  void close_output();
  /// How it ended, "exit code 1" or "signal 9 (Killed)", once it has; reaps it.
  std::optional<std::string> ended();
  /// The last lines it wrote.
  [[nodiscard]] std::string last_words() const;
  void signal_group(int signal) const;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  [[nodiscard]] bool gone() const;
  void read_log();

  pid_t pid_ = -1;
  int watch_ = -1;
  int output_ = -1;
  bool ours_ = true;        // a child of this process
  std::string log_file_;    // empty: output_ is read
  std::string start_time_;  // of one that is not ours
  std::string tail_;
  std::optional<std::string> end_;
};

}  // namespace jupyter
