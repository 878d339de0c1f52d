// A runtime whose cells stay right: each is lines of sums with names, and one that reads a name runs again by itself
// when the cell that gives it has changed. The host is told of such a run (lectern/abi/ext/cells.h) and shows it as any
// other.
//
// A sum takes no time, so everything happens within the call; the lock keeps the events of a kernel in order.
#include <lectern/sdk/json.hpp>
#include <lectern/sdk/runtime.hpp>
#include <lectern/sdk/settings.hpp>

#include <array>
#include <charconv>
#include <map>
#include <mutex>
#include <string>

#include "expression.hpp"
#include "sheet.hpp"

namespace {

using namespace lectern::sdk;

constexpr std::string_view kernel_info = R"({"status":"ok","language_info":{"name":"sheet","file_extension":".txt"}})";

std::string shown(double value) {
  std::array<char, 32> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() ? std::string(digits.data(), end) : std::string();
}

class SheetRuntime final : public CellRuntime {
 public:
  SheetRuntime(std::string_view config, RuntimeEvents events) : events_(events) { Settings(config).done(); }

  void kernels(const Sink& out) override {
    out.write(R"([{"name":"sheet","display_name":"Sheet","language":"sheet","interrupt_mode":"message"}])");
  }
  void start(std::uint64_t kernel, std::string_view name, std::string_view) override {
    if (name != "sheet") throw Failure(LECTERN_NOT_FOUND, "there is no kernel " + quote(name), "There is sheet.");
    const std::lock_guard lock(mutex_);
    kernels_[kernel] = {};
    begin(kernel);
  }
  void execute_cell(std::uint64_t kernel, std::uint64_t execution, std::string_view cell, std::string_view code,
                    std::uint32_t) override {
    const std::lock_guard lock(mutex_);
    auto& on = find(kernel);
    state(kernel, LECTERN_KERNEL_BUSY);
    const auto readers = on.sheet.set(std::string(cell), code);
    run(kernel, on, execution, std::string(cell));
    run_again(kernel, on, readers);
    state(kernel, LECTERN_KERNEL_IDLE);
  }
  void forget_cell(std::uint64_t kernel, std::string_view cell) override {
    const std::lock_guard lock(mutex_);
    auto& on = find(kernel);
    run_again(kernel, on, on.sheet.forget(std::string(cell)));
  }
  void interrupt(std::uint64_t kernel) override {
    const std::lock_guard lock(mutex_);
    (void)find(kernel);  // nothing here runs long enough
  }
  void restart(std::uint64_t kernel) override {
    const std::lock_guard lock(mutex_);
    find(kernel) = {};
    state(kernel, LECTERN_KERNEL_RESTARTING);
    begin(kernel);
  }
  void shutdown(std::uint64_t kernel) override {
    const std::lock_guard lock(mutex_);
    (void)find(kernel);
    kernels_.erase(kernel);
    state(kernel, LECTERN_KERNEL_DEAD, "shutdown");
  }
  void input(std::uint64_t, std::string_view) override { throw Failure(LECTERN_CONFLICT, "nothing was asked"); }
  void request(std::uint64_t kernel, std::uint64_t request, std::string_view kind, std::string_view) override {
    const std::lock_guard lock(mutex_);
    (void)find(kernel);
    if (kind != "is_complete") throw Failure(LECTERN_UNSUPPORTED, "a sheet does not answer that");
    RuntimeEvent event;
    event.kind = LECTERN_RUN_REPLY;
    event.request = request;
    event.json = R"({"status":"complete"})";
    events_.send(kernel, event);
  }
  void comm(std::uint64_t kernel, const Comm&) override {
    const std::lock_guard lock(mutex_);
    (void)find(kernel);
    throw Failure(LECTERN_UNSUPPORTED, "a sheet has no widgets");
  }

 private:
  struct Kernel {
    Sheet sheet;
    std::int64_t count = 0;  // of runs
    std::uint64_t own = 0;   // of those that nobody asked for
  };
  Kernel& find(std::uint64_t kernel) {
    const auto found = kernels_.find(kernel);
    if (found == kernels_.end()) throw Failure(LECTERN_NOT_FOUND, "there is no such kernel");
    return found->second;
  }
  void begin(std::uint64_t kernel) const {
    state(kernel, LECTERN_KERNEL_STARTING);
    state(kernel, LECTERN_KERNEL_IDLE, {}, kernel_info);
  }
  /// All are announced before the first runs: people see at once what is about to change.
  void run_again(std::uint64_t kernel, Kernel& on, const std::vector<std::string>& cells) {
    auto execution = LECTERN_RUN_OWN | (on.own + 1);
    on.own += cells.size();
    for (std::size_t i = 0; i < cells.size(); ++i) {
      tell(kernel, execution + i, {LECTERN_RUN_AGAIN, 0, 0, 0, cells[i], {}, {}, {}, {}});
    }
    for (const auto& cell : cells) run(kernel, on, execution++, cell);
  }
  void run(std::uint64_t kernel, Kernel& on, std::uint64_t execution, const std::string& cell) {
    tell(kernel, execution, {LECTERN_RUN_STARTED, ++on.count, 0, 0, {}, {}, {}, {}, {}});
    auto verdict = LECTERN_FINISHED_OK;
    std::string output;
    try {
      output = R"({"output_type":"execute_result","metadata":{},"execution_count":)" + std::to_string(on.count) +
               R"(,"data":{"text/plain":)" + quote(shown(on.sheet.run(cell))) + "}}";
    } catch (const Wrong& wrong) {
      verdict = LECTERN_FINISHED_ERROR;
      output = R"({"output_type":"error","ename":"Wrong","evalue":)" + quote(wrong.what()) + R"(,"traceback":[)" +
               quote(wrong.what()) + "]}";
    }
    tell(kernel, execution, {LECTERN_RUN_OUTPUT, 0, 0, 0, {}, {}, output, {}, {}});
    tell(kernel, execution, {LECTERN_RUN_FINISHED, verdict, 0, 0, {}, {}, {}, {}, {}});
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
  std::map<std::uint64_t, Kernel> kernels_;
};

}  // namespace

LECTERN_PLUGIN(RuntimeOf<SheetRuntime>);
