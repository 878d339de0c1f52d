// One kernel: its process, its connection, what it is doing. Lives on the I/O thread of its runtime; only `alive` is
// read elsewhere.
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
#include <zmq.hpp>

#include "connection.hpp"
#include "kernelspec.hpp"
#include "lectern/sdk/runtime.hpp"
#include "process.hpp"
#include "wire.hpp"

namespace jupyter {

struct StartPlan {
  Kernelspec spec;
  std::string cwd;
  std::map<std::string, std::string> env;
  std::filesystem::path connection_folder;
};

struct CommCopy {
  std::string kind, comm_id, target, data, metadata;
  std::vector<std::string> buffers;
};

class Kernel {
 public:
  /// Watched by `watcher` under its number.
  Kernel(std::uint64_t number, StartPlan plan, zmq::context_t& context, Watcher& watcher,
         lectern::sdk::RuntimeEvents events);

  /// Starts the process. Throws lectern::sdk::Failure.
  void start();
  void execute(std::uint64_t execution, std::string code, std::uint32_t flags);
  void interrupt();
  /// Ends the process and starts it again, or only ends it.
  void stop(bool restart);
  void input(std::string_view value);
  void request(std::uint64_t request, std::string_view kind, std::string_view content);
  /// Asks by an execute_request (questions.hpp).
  void question(std::uint64_t request, const std::string& content);
  /// Of its spec; never changes.
  [[nodiscard]] const std::string& language() const { return plan_.spec.language; }
  void comm(const CommCopy& message);

  /// Reads what the watcher says is there, and does what is due by time.
  void handle(unsigned slots);
  /// When handle() is to be called even if nothing comes, on the steady clock.
  [[nodiscard]] std::int64_t due_ms() const { return due_ms_; }

  /// Ended because it was asked to: there is nothing left of it.
  [[nodiscard]] bool gone() const { return phase_ == Phase::dead && shut_down_; }
  std::atomic<bool> alive{true};  // false: nothing can be sent to it any more

 private:
  enum class Phase { starting, ready, stopping, dead };
  struct Run {
    bool replied = false, idle = false, failed = false, interrupted = false;
    std::int64_t finished = LECTERN_FINISHED_OK;
    std::string reply;
    std::int64_t since_ms = 0;  // the first of the two ends, or the last probe
  };
  struct Queued {
    std::uint64_t execution;
    std::string code;
    std::uint32_t flags;
  };

  void say(Line line, std::string_view type, const std::string& id, std::string_view content,
           std::string_view parent = {}, std::string_view metadata = {}, const std::vector<std::string>& buffers = {});
  void send_event(const lectern::sdk::RuntimeEvent& event) { events_.send(number_, event); }
  void state(std::int64_t value, std::string_view why = {}, std::string_view info = {});
  [[nodiscard]] std::string id(char kind, std::string_view rest);
  void ask_info();
  void become_ready();
  void send_execute(const Queued& queued);
  void take(Line line, void (Kernel::*message)(const Message&));
  void take_pongs();
  void read_words();
  [[nodiscard]] std::int64_t tick(std::int64_t now_ms);
  void on_shell(const Message& message);
  void on_iopub(const Message& message);
  void on_input(const Message& message);
  void on_output(const Message& message, std::uint64_t execution);
  void on_status(const Message& message, std::uint64_t execution);
  void on_comm(const Message& message, std::uint64_t execution);
  void on_pages(std::string_view payload, std::uint64_t execution);
  void finish_if_done(std::uint64_t execution);
  void no_reply_comes(std::uint64_t execution);
  void drop_process();
  void process_ended(const std::string& how);
  void dead(const std::string& why);
  [[nodiscard]] std::uint64_t execution_of(std::string_view parent_id) const;
  [[nodiscard]] std::string_view own_part(std::string_view parent_id) const;

  std::uint64_t number_;
  StartPlan plan_;
  zmq::context_t& context_;
  Watcher& watcher_;
  lectern::sdk::RuntimeEvents events_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Process> process_;
  Watched end_watched_, words_watched_;  // of the process, which they must not outlive
  Phase phase_ = Phase::starting;
  bool restart_after_stop_ = false, shut_down_ = false;
  bool iopub_seen_ = false, unreachable_ = false, busy_ = false;
  bool port_retry_left_ = true;
  std::string info_;
  std::int64_t due_ms_ = 0;
  std::int64_t started_ms_ = 0, info_asked_ms_ = 0, stop_ms_ = 0, ping_ms_ = 0, pong_ms_ = 0;
  int stop_step_ = 0;
  std::uint64_t next_id_ = 1;
  std::deque<Queued> waiting_;
  std::map<std::uint64_t, Run> runs_;
  std::map<std::string, std::uint64_t, std::less<>>
      comm_execution_;  // which run made a comm: its callbacks print there
  std::string input_parent_;
};

}  // namespace jupyter
