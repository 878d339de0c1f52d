// A runtime whose kernels give every line back in capitals; a cell that says "fail" fails. Calls only hand work over:
// one thread runs it and tells what happens, so the events of a kernel come in order.
#include <lectern/sdk/json.hpp>
#include <lectern/sdk/runtime.hpp>
#include <lectern/sdk/settings.hpp>

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

namespace {

using namespace lectern::sdk;

constexpr std::string_view kernel_info =
    R"({"status":"ok","language_info":{"name":"capitals","file_extension":".txt"}})";

// Your interpreter goes here.
std::string run(std::string_view code) {
  if (code == "fail") throw std::runtime_error("the cell asked for it");
  std::string out(code);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return out + "\n";
}

class MyPlugin final : public Runtime {
 public:
  MyPlugin(std::string_view config, RuntimeEvents events) : events_(events) {
    Settings(config).done();
    thread_ = std::thread([this] { work(); });
  }
  // What is queued is still done; then nothing of ours runs any more.
  ~MyPlugin() override {
    queue([this] { stopping_ = true; });
    thread_.join();
  }

  void kernels(const Sink& out) override {
    out.write(R"([{"name":"capitals","display_name":"Capitals","language":"capitals","interrupt_mode":"message"}])");
  }
  void start(std::uint64_t kernel, std::string_view name, std::string_view) override {
    if (name != "capitals") throw Failure(LECTERN_NOT_FOUND, "there is no kernel " + quote(name), "There is capitals.");
    {
      const std::lock_guard lock(mutex_);
      kernels_.insert(kernel);
    }
    hand_over(kernel, [this, kernel] { begin(kernel); });
  }
  void execute(std::uint64_t kernel, std::uint64_t execution, std::string_view code, std::uint32_t) override {
    hand_over(kernel, [this, kernel, execution, code = std::string(code)] { execute_now(kernel, execution, code); });
  }
  void interrupt(std::uint64_t kernel) override {
    hand_over(kernel, [] {});  // nothing here runs long enough
  }
  void restart(std::uint64_t kernel) override {
    hand_over(kernel, [this, kernel] {
      state(kernel, LECTERN_KERNEL_RESTARTING);
      begin(kernel);
    });
  }
  void shutdown(std::uint64_t kernel) override {
    hand_over(kernel, [this, kernel] { state(kernel, LECTERN_KERNEL_DEAD, "shutdown"); });
    const std::lock_guard lock(mutex_);
    kernels_.erase(kernel);
  }
  void input(std::uint64_t, std::string_view) override { throw Failure(LECTERN_CONFLICT, "nothing was asked"); }
  void request(std::uint64_t kernel, std::uint64_t request, std::string_view kind, std::string_view) override {
    hand_over(kernel, [this, kernel, request, complete = kind == "is_complete"] {
      RuntimeEvent event;
      event.kind = LECTERN_RUN_REPLY;
      event.request = request;
      event.json = complete ? R"({"status":"complete"})"
                            : R"({"status":"ok","matches":[],"cursor_start":0,"cursor_end":0,"found":false,"data":{}})";
      events_.send(kernel, event);
    });
  }
  void comm(std::uint64_t kernel, const Comm&) override {
    hand_over(kernel, [] {});  // and they have no widgets
  }

 private:
  // What a kernel is to do; a Failure becomes the status of the call.
  void hand_over(std::uint64_t kernel, std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    if (kernels_.count(kernel) == 0) throw Failure(LECTERN_NOT_FOUND, "there is no such kernel");
    queue_.push_back(std::move(task));
    wake_.notify_one();
  }
  void queue(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(task));
    wake_.notify_one();
  }
  void work() {
    while (!stopping_) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return !queue_.empty(); });
      const auto task = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      task();
    }
  }
  // From here on: the thread's own.
  void begin(std::uint64_t kernel) {
    counts_[kernel] = 0;
    state(kernel, LECTERN_KERNEL_STARTING);
    state(kernel, LECTERN_KERNEL_IDLE, {}, kernel_info);
  }
  void execute_now(std::uint64_t kernel, std::uint64_t execution, std::string_view code) {
    state(kernel, LECTERN_KERNEL_BUSY);
    tell(kernel, execution, {LECTERN_RUN_STARTED, ++counts_[kernel], 0, 0, {}, {}, {}, {}, {}});
    auto verdict = LECTERN_FINISHED_OK;
    try {
      tell(kernel, execution, {LECTERN_RUN_STREAM, 0, 0, 0, "stdout", run(code), {}, {}, {}});
    } catch (const std::exception& problem) {
      verdict = LECTERN_FINISHED_ERROR;
      const auto output = R"({"output_type":"error","ename":"Error","evalue":)" + quote(problem.what()) +
                          R"(,"traceback":[)" + quote(problem.what()) + "]}";
      tell(kernel, execution, {LECTERN_RUN_OUTPUT, 0, 0, 0, {}, {}, output, {}, {}});
    }
    tell(kernel, execution, {LECTERN_RUN_FINISHED, verdict, 0, 0, {}, {}, {}, {}, {}});
    state(kernel, LECTERN_KERNEL_IDLE);
  }
  void tell(std::uint64_t kernel, std::uint64_t execution, RuntimeEvent event) const {
    event.execution = execution;
    events_.send(kernel, event);
  }
  void state(std::uint64_t kernel, std::int64_t value, std::string_view why = {}, std::string_view info = {}) const {
    events_.send(kernel, {LECTERN_RUN_STATE, value, 0, 0, {}, why, info, {}, {}});
  }

  RuntimeEvents events_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  std::set<std::uint64_t> kernels_;               // those that were started and not shut down
  std::map<std::uint64_t, std::int64_t> counts_;  // of executions, by kernel
  bool stopping_ = false;                         // set by a task, so that the queue is emptied first
  std::thread thread_;
};

}  // namespace

LECTERN_PLUGIN(RuntimeOf<MyPlugin>);
