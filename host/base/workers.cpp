#include "base/workers.hpp"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace lectern {

struct Workers::State {
  std::mutex mutex;
  std::condition_variable ready;
  std::deque<Task> queue;
  bool stopping = false, stopped = false;
  std::vector<std::thread> threads;

  void run() {
    pthread_setname_np(pthread_self(), "worker");
    for (;;) {
      Task task;
      {
        std::unique_lock lock(mutex);
        ready.wait(lock, [this] { return stopping || !queue.empty(); });
        if (queue.empty()) return;
        task = std::move(queue.front());
        queue.pop_front();
      }
      task();  // one that throws ends the process here: std::terminate tells what it threw, and the stack is whole
    }
  }
};

Workers::Workers(std::size_t threads) : state_(std::make_unique<State>()) {
  for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i) {
    state_->threads.emplace_back([state = state_.get()] { state->run(); });
  }
}

Workers::~Workers() {
  stop();
}

void Workers::stop() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->ready.notify_all();
  for (auto& thread : std::exchange(state_->threads, {})) thread.join();
  std::deque<Task> late;  // from one who came when the last thread had looked
  std::lock_guard lock(state_->mutex);
  state_->stopped = true;
  late.swap(state_->queue);
}

void Workers::submit(Task task) {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stopped) return;
    state_->queue.push_back(std::move(task));
  }
  state_->ready.notify_one();
}

}  // namespace lectern
