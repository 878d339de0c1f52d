// A runtime whose one kernel, "crash", does what the code says: dies in a way of crash.hpp, floods, or starts a program
// that leaves its parents ("spawn"), whose process it tells.
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <mutex>
#include <set>
#include <string>

#include "crash.hpp"
#include "lectern/sdk/runtime.hpp"

namespace {

using namespace lectern::sdk;

/// A process that is nobody's child any more, in a session of its own.
std::string left_alone() {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  if (const pid_t child = ::fork(); child == 0) {
    ::setsid();
    if (::fork() == 0) {
      const std::string self = std::to_string(::getpid());
      if (::write(ends[1], self.data(), self.size()) < 0) ::_exit(1);
      ::close(ends[0]);
      ::close(ends[1]);
      ::execl("/bin/sleep", "sleep", "600", nullptr);
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  char text[32] = {};
  const auto n = ::read(ends[0], text, sizeof text - 1);
  ::close(ends[0]);
  return n > 0 ? std::string(text, static_cast<std::size_t>(n)) : "nobody";
}

class Crashing final : public Runtime {
 public:
  Crashing(std::string_view config, RuntimeEvents events) : events_(events) {
    if (config.find("refuse") != std::string_view::npos) throw Failure(LECTERN_INVALID, "not like this");
  }
  void kernels(const Sink& out) override {
    out.write(R"([{"name":"crash","display_name":"Crash","language":"crash"}])");
  }
  void start(std::uint64_t kernel, std::string_view name, std::string_view) override {
    if (name == "wait") {
      while (!go_) ::poll(nullptr, 0, 1);
      return;
    }
    if (name != "crash") throw Failure(LECTERN_NOT_FOUND, "there is only crash");
    {
      const std::scoped_lock lock(mutex_);
      kernels_.insert(kernel);
    }
    state(kernel, LECTERN_KERNEL_STARTING);
    state(kernel, LECTERN_KERNEL_IDLE);
  }
  void execute(std::uint64_t kernel, std::uint64_t execution, std::string_view code, std::uint32_t) override {
    known(kernel);
    if (code == "refuse") throw Failure(LECTERN_CONFLICT, "not now");
    RuntimeEvent event;
    event.kind = LECTERN_RUN_STARTED;
    event.execution = execution;
    events_.send(kernel, event);
    event.kind = LECTERN_RUN_STREAM;
    event.name = "stdout";
    std::string said(code);
    if (code == "go") go_ = true;
    if (code == "spawn") said = left_alone();
    if (code == "widget") {
      RuntimeEvent open;
      open.kind = LECTERN_RUN_COMM_OPEN;
      open.execution = execution;
      open.name = "model";
      open.text = "jupyter.widget";
      open.json = R"({"state":{"value":""}})";
      events_.send(kernel, open);
    }
    if (code == "flood") {
      const std::string much(1000, '.');
      for (int i = 0; i < 50'000; ++i) {
        const std::string line = std::to_string(i) + much;
        event.text = line;
        events_.send(kernel, event);
      }
    }
    die(code, &said);
    event.text = said;
    events_.send(kernel, event);
    event.kind = LECTERN_RUN_FINISHED;
    event.text = {};
    events_.send(kernel, event);
  }
  void interrupt(std::uint64_t kernel) override { known(kernel); }
  void restart(std::uint64_t kernel) override {
    known(kernel);
    for (const auto now : {LECTERN_KERNEL_RESTARTING, LECTERN_KERNEL_STARTING, LECTERN_KERNEL_IDLE}) state(kernel, now);
  }
  void shutdown(std::uint64_t kernel) override {
    known(kernel);
    {
      const std::scoped_lock lock(mutex_);
      kernels_.erase(kernel);
    }
    state(kernel, LECTERN_KERNEL_DEAD, "shutdown");
  }
  void input(std::uint64_t kernel, std::string_view) override { known(kernel); }
  void request(std::uint64_t, std::uint64_t, std::string_view, std::string_view) override {
    throw Failure(LECTERN_UNSUPPORTED, "nothing is asked here");
  }
  void comm(std::uint64_t kernel, const Comm& message) override {
    known(kernel);
    if (message.data.find("refuse") != std::string_view::npos) {
      says_first_ = message.data.find("says first") != std::string_view::npos;
      throw Failure(LECTERN_UNAVAILABLE, "too much waits");
    }
    RuntimeEvent answer;
    answer.kind = LECTERN_RUN_COMM_MESSAGE;
    answer.name = message.comm_id;
    if (message.data.find("request_state") != std::string_view::npos) {
      const std::scoped_lock lock(mutex_);
      if (asked_++ == 0) {
        if (says_first_) {
          answer.json = R"({"method":"update","state":{"of_a_callback":1},"buffer_paths":[]})";
          events_.send(kernel, answer);
        }
        throw Failure(LECTERN_UNAVAILABLE, "too much waits still");
      }
      answer.json = value_;
      return events_.send(kernel, answer);
    }
    const std::scoped_lock lock(mutex_);
    value_ = message.data;
  }

 private:
  static void die(std::string_view how, std::string* said = nullptr) {
    std::string ignored;
    crash::try_it(how, said != nullptr ? *said : ignored);
  }
  void known(std::uint64_t kernel) const {
    const std::scoped_lock lock(mutex_);
    if (!kernels_.contains(kernel)) throw Failure(LECTERN_NOT_FOUND, "no such kernel");
  }
  void state(std::uint64_t kernel, std::int64_t now, std::string_view why = {}) const {
    RuntimeEvent event;
    event.value = now;
    event.text = why;
    events_.send(kernel, event);
  }
  RuntimeEvents events_;
  std::atomic<bool> go_{false}, says_first_{false};
  mutable std::mutex mutex_;  // a start may come while other calls do
  int asked_ = 0;             // for the state of its widget
  std::string value_ = R"({"method":"update","state":{"value":""},"buffer_paths":[]})";
  std::set<std::uint64_t> kernels_;
};

}  // namespace

LECTERN_PLUGIN(RuntimeOf<Crashing>);
