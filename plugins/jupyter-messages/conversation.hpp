// What the runtimes of Jupyter kernels share: what a kernel says turned into events, and what it is told turned into
// contents (messaging protocol 5.3). How messages travel is the runtime's.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lectern/sdk/runtime.hpp"

namespace jupyter {

/// A message of a kernel. Views into bytes that the wire keeps.
struct KernelMessage {
  std::string_view header, parent, metadata, content;
  std::vector<std::string_view> buffers;
  std::string type;       // of the header
  std::string parent_id;  // msg_id of the parent; empty when there is none
};

/// A comm message on its way to a kernel.
struct CommCopy {
  std::string kind, comm_id, target, data, metadata;
  std::vector<std::string> buffers;
};

/// One kernel's side of what is said, from the start of its process to its end. Not thread-safe.
class Conversation {
 public:
  Conversation(std::uint64_t kernel, lectern::sdk::RuntimeEvents events) : kernel_(kernel), events_(events) {}

  /// A new process: what the one before was asked is forgotten. `session` makes our ids known from everybody else's.
  void begin(std::string session);
  /// The runs that made comms, 0 where that is not known: by comm id, and of all others.
  struct Makers {
    std::map<std::string, std::uint64_t, std::less<>> known;
    std::uint64_t others = 0;
  };
  /// A process that an earlier host spoke with in `session`: `running` may still run (0: nothing does), and wait for an
  /// answer to what it asked that host; our ids begin at `next_id`, above its. `makers` made the comms of that time.
  void go_on(std::string session, std::uint64_t running, std::uint64_t next_id, Makers makers);
  /// `comms` and `others` of `take_up`, of the options of start.
  [[nodiscard]] static Makers makers_in(std::string_view taken_up);
  /// The same process on a new line: whether it is heard has to show again.
  void listen_again() { shell_heard_ = iopub_heard_ = false; }
  /// No run goes on.
  void end();

  /// `metadata` as of LECTERN_RUN_STATE.
  void state(std::int64_t value, std::string_view why = {}, std::string_view info = {}, std::string_view metadata = {});
  /// The kernel's answer to what the host asked.
  void reply(std::uint64_t request, std::string_view content);
  /// Both the answers and the output channel are known to reach us: nothing that is printed from now on is lost.
  [[nodiscard]] bool heard() const { return shell_heard_ && iopub_heard_; }
  [[nodiscard]] bool shell_heard() const { return shell_heard_; }
  [[nodiscard]] bool busy() const { return busy_; }
  [[nodiscard]] bool running() const { return !runs_.empty(); }
  [[nodiscard]] const std::string& info() const { return info_; }  // the content of kernel_info_reply

  // What goes to the kernel: message ids, and contents.
  [[nodiscard]] std::string id(char kind, std::string_view rest) const;
  [[nodiscard]] std::string next_id(char kind = 'i');
  /// What is asked by an execute_request (questions.hpp) has an id of kind 'q': it becomes a reply, and nothing that it
  /// makes the kernel print an output. Of kind 'k' is what the kernel is told by one (publishing.hpp): nobody hears of
  /// what it makes.
  /// The content of the execute_request that begins this run; its id is id('x', execution).
  std::string begin_run(std::uint64_t execution, std::string_view code, std::uint32_t flags);
  /// That request could not be said: there is no such run.
  void forget_run(std::uint64_t execution) { runs_.erase(execution); }
  /// It could not, and who asked for the run hears of it here: it ends with these words as its error.
  void cannot_run(std::uint64_t execution, std::string_view words);
  [[nodiscard]] static std::string comm_content(const CommCopy& message);
  [[nodiscard]] static std::string input_content(std::string_view value);
  /// The header of the open input request, which its answer names as its parent; empty when none is open.
  std::string answer_input();

  // What comes from it.
  /// The kind and the rest of an id of ours; empty for anybody else's.
  [[nodiscard]] std::string_view own_part(std::string_view id) const;
  void on_shell(const KernelMessage& message);
  void on_iopub(const KernelMessage& message);
  void on_input(const KernelMessage& message);

  /// Runs of which one end has been missing for a second, the reply or the idle: what to ask then.
  struct Probes {
    /// Ids of kernel_info_requests on the control channel: their own idle comes after everything published before.
    std::vector<std::string> control;
    /// The same on the shell, where their reply comes after that of the run; an interrupt at the very beginning of a
    /// run makes ipykernel end it without one.
    std::vector<std::string> shell;
  };
  Probes probes(std::int64_t now_ms);
  /// An interrupt is on its way.
  void interrupted();
  /// The id of a kernel_info_request on the shell channel, to be sent after a line was lost: what has not ended when it
  /// is answered was lost with the line, and is ended by it. Empty when nothing runs.
  std::string fence();

 private:
  struct Run {
    bool replied = false, idle = false, failed = false, interrupted = false;
    std::int64_t finished = LECTERN_FINISHED_OK;
    std::string reply;
    std::int64_t since_ms = 0;  // the first of the two ends, or the last probe
  };

  void send(const lectern::sdk::RuntimeEvent& event) { events_.send(kernel_, event); }
  void on_output(const KernelMessage& message, std::uint64_t execution);
  void on_status(const KernelMessage& message, std::uint64_t execution);
  void on_comm(const KernelMessage& message, std::uint64_t execution);
  void on_pages(std::string_view payload, std::uint64_t execution);
  void finish_if_done(std::uint64_t execution);
  void end_what_was_lost();
  void no_reply_comes(std::uint64_t execution);
  void end_with_error(std::uint64_t execution, Run& run);
  void say_error(std::uint64_t execution, std::string_view name, std::string_view words);
  [[nodiscard]] std::uint64_t execution_of(std::string_view parent_id) const;

  std::uint64_t kernel_;
  lectern::sdk::RuntimeEvents events_;
  std::string session_, info_, input_parent_;
  bool shell_heard_ = false, iopub_heard_ = false, busy_ = false;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, Run> runs_;
  Makers makers_;      // what a comm's callbacks print is of its maker
  std::string fence_;  // the rest of its id; empty when none is up
  bool fence_replied_ = false, fence_idle_ = false;
  std::set<std::uint64_t> before_fence_;
};

}  // namespace jupyter
