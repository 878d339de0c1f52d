// One kernel: its process, its connection, what it is doing. Everything in a turn (turns.hpp); what is not marked [any]
// on the I/O thread of its runtime, too. `alive` needs neither.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connection.hpp"
#include "kernelspec.hpp"
#include "lectern/sdk/runtime.hpp"
#include "process.hpp"
#include "turns.hpp"
#include "wire.hpp"

namespace jupyter {

struct StartPlan {
  Kernelspec spec;
  std::string cwd;
  std::map<std::string, std::string> env;
  std::filesystem::path connection_folder;
  std::filesystem::path keep;  // not empty: the process outlives the host, and what is to be known of it lies there
  bool take_up = false;        // what was kept there, in place of a new process
  std::uint64_t life = 0;      // how many hosts it had before
  std::uint64_t running = 0;   // the execution that ran when its host ended; 0 = none
  Conversation::Makers comms = {};  // of that time
};

class Kernel {
 public:
  /// Watched by `watcher` under its number.
  Kernel(std::uint64_t number, StartPlan plan, Watcher& watcher, lectern::sdk::RuntimeEvents events);

  /// Starts the process, or takes up the one that was kept. Throws lectern::sdk::Failure: then none runs.
  void start();
  /// [any] Throws when the run cannot be told to the kernel: then there is no such run.
  void execute(std::uint64_t execution, std::string code, std::uint32_t flags);
  /// For one whose caller is gone: a run that cannot be told to the kernel ends with an error.
  void execute_handed_over(std::uint64_t execution, std::string code, std::uint32_t flags);
  void interrupt();
  /// Ends the process and starts it again, or only ends it.
  void stop(bool restart);
  /// The host ends: what is kept goes on without us, the rest ends.
  void host_ends();
  /// [any]
  void input(std::string_view value);
  /// [any]
  void request(std::uint64_t request, std::string_view kind, std::string_view content);
  /// [any] Asks by an execute_request (questions.hpp).
  void question(std::uint64_t request, const std::string& content);
  /// Of its spec; never changes.
  [[nodiscard]] const std::string& language() const { return plan_.spec.language; }
  /// [any]
  void comm(const CommCopy& message);

  /// Reads what the watcher says is there, and does what is due by time.
  void handle(unsigned slots);
  /// When handle() is to be called even if nothing comes, on the steady clock.
  [[nodiscard]] std::int64_t due_ms() const { return due_ms_; }

  /// Ended because it was asked to: there is nothing left of it.
  [[nodiscard]] bool gone() const { return phase_ == Phase::dead && shut_down_; }
  Turns turns;
  std::atomic<bool> alive{true};  // false: nothing can be sent to it any more

 private:
  enum class Phase { starting, ready, stopping, dead };
  struct Queued {
    std::uint64_t execution;
    std::string code;
    std::uint32_t flags;
  };

  /// [any] On a line that is opened.
  void say(Line line, std::string_view type, const std::string& id, std::string_view content,
           std::string_view parent = {}, std::string_view metadata = {}, const std::vector<std::string>& buffers = {});
  /// With what the host is told of a kernel that starts, or is up with `info`.
  void state(std::int64_t value, std::string_view info = {});
  void ask_info(Line line);
  void begin(bool taken_up);
  void take_up();
  void start_process();
  void become_ready();
  void send_execute(const Queued& queued);
  void send_or_fail(const Queued& queued);
  void take(Line line, void (Kernel::*message)(const Message&));
  void take_pongs();
  void read_words();
  void ping();
  void watch_runs(std::int64_t now_ms);
  [[nodiscard]] std::int64_t tick(std::int64_t now_ms);
  void on_shell(const Message& message);
  void on_iopub(const Message& message);
  void on_input(const Message& message) { talk_.on_input(message); }
  void drop_process();
  void process_ended(const std::string& how);
  void dead(const std::string& why);

  std::uint64_t number_;
  StartPlan plan_;
  Watcher& watcher_;
  Conversation talk_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Process> process_;
  Watched end_watched_, words_watched_;  // of the process, which they must not outlive
  Phase phase_ = Phase::starting;
  bool restart_after_stop_ = false, shut_down_ = false;
  bool unreachable_ = false;
  bool taken_up_ = false;  // this process: an earlier host started it
  bool port_retry_left_ = true;
  std::int64_t due_ms_ = 0;
  std::int64_t started_ms_ = 0, info_asked_ms_ = 0, stop_ms_ = 0, ping_ms_ = 0, pong_ms_ = 0;
  int stop_step_ = 0;
  std::deque<Queued> waiting_;
};

}  // namespace jupyter
