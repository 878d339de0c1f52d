// A reactor: one thread and its event loop. A session lives on one loop, so its state needs no lock; everybody else
// posts to it. Boost.Asio stays behind this header so that including it costs nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/task.hpp"

namespace boost::asio {
class io_context;
}

namespace lectern {

class Loop {
 public:
  /// [control] Starts the thread. `name` (<= 15 bytes) is the thread's name in debuggers.
  explicit Loop(std::string name);
  /// [control] Stops and joins; tasks not yet run are destroyed unrun. Never call it on the loop's own thread.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// [any] Runs `task` on the loop's thread, after everything posted before it. Tasks posted after stop() are dropped.
  void post(Task task);
  /// [any] Runs `task` at once when called on the loop's own thread, else posts it.
  void dispatch(Task task);
  /// [reactor] Runs `task` once at the end of this turn: after all work that is ready now, before waiting. What is
  /// batched per turn (changes of a document, journal records) hangs here.
  void at_turn_end(Task task);
  /// [any] True on the loop's own thread.
  [[nodiscard]] bool here() const;
  /// [control] Ends the loop after the task that runs now; joins the thread.
  void stop();
  /// [any] The io_context, for net/ to put sockets on.
  [[nodiscard]] boost::asio::io_context& context();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A one-shot timer of one loop. Destroying or restarting it cancels; a cancelled callback never runs, even if it was
/// already due. [reactor] for every function.
class Timer {
 public:
  explicit Timer(Loop& loop);
  ~Timer();
  Timer(Timer&&) noexcept;
  Timer& operator=(Timer&&) noexcept;

  void start(std::chrono::milliseconds delay, Task task);
  void cancel();
  [[nodiscard]] bool armed() const;

 private:
  struct State;
  Loop* loop_;
  // Shared with the pending wait, which may outlive the Timer by one turn. Made by the first start(): a session has
  // twenty timers, and most of them never start.
  std::shared_ptr<State> state_;
};

}  // namespace lectern
