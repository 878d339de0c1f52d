#include "base/loop.hpp"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <thread>
#include <vector>

namespace lectern {

namespace asio = boost::asio;

struct Loop::State {
  // Concurrency hint 1: one thread runs the context, so Asio skips locking between its own handlers.
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  std::vector<Task> turn_end;
  std::thread thread;

  void flush_turn() {
    auto tasks = std::move(turn_end);
    turn_end.clear();
    for (auto& task : tasks) task();
  }
};

Loop::Loop(std::string name) : state_(std::make_unique<State>()) {
  state_->thread = std::thread([state = state_.get(), name = std::move(name)] {
    pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
    while (!state->context.stopped()) {
      if (state->context.run_one() == 0) break;
      // Bounded, so that a task which posts itself again cannot keep the end of the turn away for ever.
      for (int ready = 0; ready < 256 && state->context.poll_one() != 0; ++ready) {
      }
      while (!state->turn_end.empty()) state->flush_turn();
    }
  });
}

Loop::~Loop() {
  stop();
}

void Loop::post(Task task) {
  // Asio wants copyable-looking handlers only for some paths; post() accepts move-only ones.
  asio::post(state_->context, [task = std::move(task)]() mutable { task(); });
}

void Loop::dispatch(Task task) {
  if (here()) {
    task();
  } else {
    post(std::move(task));
  }
}

void Loop::at_turn_end(Task task) {
  state_->turn_end.push_back(std::move(task));
}

bool Loop::here() const {
  return std::this_thread::get_id() == state_->thread.get_id();
}

void Loop::stop() {
  state_->work.reset();
  state_->context.stop();
  if (state_->thread.joinable()) state_->thread.join();
}

asio::io_context& Loop::context() {
  return state_->context;
}

struct Timer::State {
  explicit State(asio::io_context& context) : timer(context) {}
  asio::steady_timer timer;
  std::uint64_t generation = 0;
  bool armed = false;
};

Timer::Timer(Loop& loop) : state_(std::make_shared<State>(loop.context())) {}
Timer::~Timer() {
  if (state_) cancel();
}
Timer::Timer(Timer&&) noexcept = default;
Timer& Timer::operator=(Timer&& other) noexcept {
  if (this != &other) {
    if (state_) cancel();
    state_ = std::move(other.state_);
  }
  return *this;
}

void Timer::start(std::chrono::milliseconds delay, Task task) {
  cancel();
  state_->armed = true;
  state_->timer.expires_after(delay);
  state_->timer.async_wait([state = state_, generation = state_->generation,
                            task = std::move(task)](const boost::system::error_code& error) mutable {
    // The generation decides, not the error code: a timer that was due already cannot be cancelled through Asio.
    if (error || generation != state->generation) return;
    state->armed = false;
    task();
  });
}

void Timer::cancel() {
  ++state_->generation;
  state_->armed = false;
  state_->timer.cancel();
}

bool Timer::armed() const {
  return state_->armed;
}

}  // namespace lectern
