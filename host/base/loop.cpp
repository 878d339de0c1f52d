#include "base/loop.hpp"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <iterator>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace lectern {

namespace asio = boost::asio;

namespace {

thread_local const void* running_here = nullptr;  // the State whose thread this is

}  // namespace

// What is posted lies in a queue of our own, and who posts from another thread wakes the loop when the queue's lock is
// free again. Asio wakes it while it holds the scheduler's lock: the loop ran into that lock each time and slept once
// more, two switches of threads between a journal's sync and telling of it.
struct Loop::State {
  std::mutex mutex;
  std::vector<Task> posted;      // under mutex
  bool signalled = false;        // under mutex: whoever woke the loop for what is posted
  bool closed = false;           // under mutex
  bool drain_is_posted = false;  // [reactor]
  // Concurrency hint 1: one thread runs the context, so Asio skips locking between its own handlers.
  asio::io_context context{1};
  asio::posix::stream_descriptor bell{context, make_eventfd()};
  std::uint64_t rings = 0;
  std::vector<Task> turn_end;
  std::thread thread;

  State() { listen(); }
  ~State() { close(); }

  static int make_eventfd() {
    const auto made = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (made < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
    return made;
  }

  void listen() {
    bell.async_read_some(asio::buffer(&rings, sizeof rings),
                         [this](const boost::system::error_code& error, std::size_t) {
                           if (error) return;
                           listen();
                           drain();
                         });
  }

  void post_here(Task task) {
    {
      const std::lock_guard lock(mutex);
      posted.push_back(std::move(task));
    }
    if (std::exchange(drain_is_posted, true)) return;
    asio::post(context, [this] {
      drain_is_posted = false;
      drain();
    });
  }

  void post_from_afar(Task task) {
    {
      const std::lock_guard lock(mutex);
      if (closed) return;
      posted.push_back(std::move(task));
      if (std::exchange(signalled, true)) return;
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(bell.native_handle(), &one, sizeof one);
  }

  void drain() {
    std::vector<Task> tasks;
    {
      const std::lock_guard lock(mutex);
      tasks.swap(posted);
      signalled = false;
    }
    auto task = tasks.begin();
    for (; task != tasks.end() && !context.stopped(); ++task) {
      (*task)();
      *task = Task();  // what it holds ends before the next begins
    }
    if (task == tasks.end()) return;
    const std::lock_guard lock(mutex);
    posted.insert(posted.begin(), std::move_iterator(task), std::move_iterator(tasks.end()));
  }

  void flush_turn() {
    auto tasks = std::move(turn_end);
    turn_end.clear();
    for (auto& task : tasks) task();
  }

  /// What was not run ends while the context is there still; what that posts in turn, too.
  void close() {
    for (bool empty = false; !empty;) {
      std::vector<Task> tasks;
      const std::lock_guard lock(mutex);
      tasks.swap(posted);
      empty = tasks.empty();
      closed = empty;
    }
  }
};

Loop::Loop(std::string name) : state_(std::make_unique<State>()) {
  state_->thread = std::thread([state = state_.get(), name = std::move(name)] {
    pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
    running_here = state;
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
  if (here()) {
    state_->post_here(std::move(task));
  } else {
    state_->post_from_afar(std::move(task));
  }
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
  return running_here == state_.get();
}

void Loop::stop() {
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

Timer::Timer(Loop& loop) : loop_(&loop) {}
Timer::~Timer() {
  cancel();
}
Timer::Timer(Timer&&) noexcept = default;
Timer& Timer::operator=(Timer&& other) noexcept {
  if (this != &other) {
    cancel();
    loop_ = other.loop_;
    state_ = std::move(other.state_);
  }
  return *this;
}

void Timer::start(std::chrono::milliseconds delay, Task task) {
  cancel();
  if (!state_) state_ = std::make_shared<State>(loop_->context());
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
  if (!state_) return;
  ++state_->generation;
  state_->armed = false;
  state_->timer.cancel();
}

bool Timer::armed() const {
  return state_ && state_->armed;
}

}  // namespace lectern
