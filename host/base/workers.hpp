// The pool for what blocks: files, format plugins, presence backends. Reactors hand work here and get it back by post;
// they never wait.
#pragma once

#include <cstddef>
#include <memory>

#include "base/task.hpp"

namespace lectern {

class Workers {
 public:
  /// [control] Starts `threads` threads (at least one).
  explicit Workers(std::size_t threads);
  /// [control] stop().
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// [control] Runs what is queued, then joins. Once.
  void stop();
  /// [any] Queues `task`; tasks start in order and run side by side. After stop() it is destroyed unrun: loops that end
  /// later than the workers need not know.
  void submit(Task task);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lectern
