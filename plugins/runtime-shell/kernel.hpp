// One shell: its process, the run under way, what is asked of it. Everything happens on a thread of its own, which also
// started the process; other threads leave jobs.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "functions.hpp"
#include "lectern/sdk/runtime.hpp"
#include "process.hpp"
#include "scripts.hpp"
#include "utf8.hpp"

namespace shell {

class Kernel {
 public:
  /// Starts the process. Throws lectern::sdk::Failure when there is none.
  Kernel(std::uint64_t number, Command command, lectern::sdk::RuntimeEvents events);
  /// Ends it and waits for that.
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  // [any] These leave a job and return.
  void execute(std::uint64_t execution, std::string code, std::uint32_t flags);
  void interrupt();
  /// Ends the process and starts it again, or only ends it.
  void stop(bool restart);
  /// Throws lectern::sdk::Failure when nothing was asked.
  void input(std::string value);
  void request(std::uint64_t request, std::string kind, std::string content);

  /// [any] Shut down: there is nothing left of it.
  [[nodiscard]] bool gone() const { return gone_; }
  std::atomic<bool> alive{true};  // false: nothing can be sent to it any more

 private:
  static constexpr int look_for_readers_ms = 100;
  static constexpr std::size_t stream_block = 64u << 10;  // read at a time, so that nobody is kept waiting
  enum class Phase { starting, ready, running, stopping, dead };
  struct Queued {
    std::uint64_t execution = 0;
    std::string code;
    std::uint32_t flags = 0;
  };
  using Job = std::function<void()>;

  void post(Job job);
  void run_jobs();
  void work();
  void poll();
  void send(const lectern::sdk::RuntimeEvent& event) const { events_.send(number_, event); }
  void state(std::int64_t value, std::string_view why = {}, std::string_view info = {}) const;

  void begin(bool restore);
  void become_ready();
  void next();
  void do_stop(bool restart);
  void ask();
  void run_ended(int status);
  void process_ended(const End& end);
  void dead(const std::string& why);
  struct Question {
    std::uint64_t request = 0;
    std::string kind, content;
    std::int64_t until_ms = 0;  // for so long it waits for the shell to have written down what it has
  };
  void answer(Question question);
  void written_down();

  // kernel_streams.cpp: what comes out of the process, and goes in
  void read_control();
  bool read_stream(int fd, std::string_view name, Utf8& text, std::size_t at_most);
  void read_rest();
  void flush_text();
  void tell_stream(std::string_view name, const std::string& text);
  void watch_input();
  void feed_input();

  const std::uint64_t number_;
  const Command command_;
  const lectern::sdk::RuntimeEvents events_;
  Scripts scripts_;
  Functions functions_;
  std::unique_ptr<Process> process_;
  Phase phase_ = Phase::starting;
  bool sees_readers_ = false;  // asked anew of each process
  bool restart_after_stop_ = false, shut_down_ = false, interrupted_ = false, killed_ = false;
  std::uint64_t run_ = 0;  // rises with every line whose end is asked for
  std::int64_t stop_ms_ = 0, looked_ms_ = 0, count_ = 0;
  std::deque<Queued> waiting_;
  std::optional<Queued> running_;
  std::uint64_t last_execution_ = 0;
  std::string control_, line_;  // the unfinished line on the control pipe; that of the cell's output: a prompt
  Utf8 out_text_, err_text_;
  bool asked_input_ = false;
  std::string block_;                    // what is read goes through it
  std::string input_;                    // given, and not yet taken by the pipe
  bool writing_down_ = false;            // from the answer for a run to the prompt after it
  std::string variables_;                // what it wrote last
  std::vector<Question> after_writing_;  // about the variables
  std::vector<std::string> history_;
  std::size_t history_bytes_ = 0;

  std::atomic<bool> gone_{false}, waits_for_input_{false};
  int wake_ = -1;
  std::mutex mutex_;  // of jobs_
  std::vector<Job> jobs_;
  std::thread thread_;  // last: it uses all the others
};

/// [any] Milliseconds of a clock that only rises.
std::int64_t now_ms();

}  // namespace shell
