// The contract of a runtime (lectern/abi/draft/runtime.h), with a real kernel where there is one.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

#include "base/json.hpp"
#include "base/text.hpp"
#include "host_plugin.hpp"
#include "plugin/runtime.hpp"
#include "suites.hpp"

namespace lectern::validate {

namespace {

using plugin::FinishedAs;
using plugin::KernelState;
using plugin::RuntimeEvent;
using plugin::RuntimeEventKind;
using Clock = std::chrono::steady_clock;

/// Events as they come, from any thread.
class Inbox {
 public:
  void put(RuntimeEvent&& event) {
    const std::scoped_lock lock(mutex_);
    events_.push_back(std::move(event));
    changed_.notify_all();
  }
  /// The next one, or nothing within that time.
  std::optional<RuntimeEvent> next(std::chrono::seconds wait) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, wait, [&] { return !events_.empty(); })) return std::nullopt;
    RuntimeEvent event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<RuntimeEvent> events_;
};

struct Bench {
  HostPlugin plugin;
  Inbox inbox;
  std::shared_ptr<plugin::Runtime> runtime;

  Bench(const Context& context, Report& report) : plugin(context, report) {
    if (plugin.generation == nullptr) return;
    doing("take its settings");
    auto made = plugin::Runtime::create(plugin.generation, context.config(),
                                        [this](RuntimeEvent&& event) { inbox.put(std::move(event)); });
    if (!made) {
      report.fail(made.error().message, "Name settings that it takes with --config.");
      return;
    }
    runtime = *made;
  }
  ~Bench() { runtime.reset(); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
};

void kernels(const Context& context, Report& report) {
  Bench bench(context, report);
  if (bench.runtime == nullptr) return;
  doing("list its kernels");
  const auto listed = bench.runtime->kernels();
  if (!listed) return report.fail("its kernels cannot be listed: " + listed.error().message, listed.error().hint);
  const auto all = json::parse(*listed);
  if (!all || all->as_array() == nullptr)
    return report.fail("what it lists is no JSON array",
                       "Write [{\"name\":…,\"display_name\":…,\"language\":…}]; [] when there is none.");
  for (const auto& one : *all->as_array()) {
    const json::Fields fields(one, "kernel");
    for (const char* key : {"name", "display_name", "language"}) {
      const auto value =
          fields.check() ? fields.string(key) : Result<std::string>(fail(400, "", "a kernel is no object"));
      if (!value) report.fail(value.error().message, "Every kernel has name, display_name and language.");
    }
  }
  report.note(std::to_string(all->as_array()->size()) + " kernels can be started");
}

void unknown(const Context& context, Report& report) {
  Bench bench(context, report);
  if (bench.runtime == nullptr) return;
  auto& runtime = *bench.runtime;
  constexpr std::uint64_t nobody = 4711;
  doing("start a kernel that does not exist");
  const auto started = runtime.start(1, "no-such-kernel-at-all", "{}");
  if (started) {
    report.fail("it starts a kernel that does not exist", "Return LECTERN_NOT_FOUND and name what there is.");
  } else if (started.error().status >= 500 && started.error().status != 503) {
    report.fail("a kernel that does not exist is a failure: " + started.error().message,
                "Return LECTERN_NOT_FOUND and name what there is.");
  }
  const std::pair<const char*, std::function<Status()>> calls[] = {
      {"execute", [&] { return runtime.execute(nobody, 1, "1"); }},
      {"interrupt", [&] { return runtime.interrupt(nobody); }},
      {"restart", [&] { return runtime.restart(nobody); }},
      {"shutdown", [&] { return runtime.shutdown(nobody); }},
      {"input", [&] { return runtime.input(nobody, "x"); }},
      {"request", [&] { return runtime.request(nobody, 1, "complete", "{}"); }},
      {"comm",
       [&] {
         return runtime.comm(nobody, {"msg", "id", "", "{}", "", {}});
       }},
  };
  for (const auto& [name, body] : calls) {
    doing(std::string(name) + " on a kernel that was never started");
    const auto status = body();
    if (status) {
      report.fail(std::string(name) + " on a kernel that was never started says that all is well",
                  "Return LECTERN_NOT_FOUND.");
    } else if (status.error().status == 500) {
      report.fail(std::string(name) + " on a kernel that was never started is a failure", "Return LECTERN_NOT_FOUND.");
    }
  }
}

/// The kernel that is tried: --kernel, else the first Python one, else the first. Its language too.
std::pair<std::string, std::string> chosen(const Bench& bench, const Options& options) {
  const auto listed = bench.runtime->kernels();
  const auto all = listed ? json::parse(*listed) : Result<json::Value>(fail(404, "", ""));
  std::pair<std::string, std::string> found;
  if (!all || all->as_array() == nullptr) return found;
  for (const auto& one : *all->as_array()) {
    const auto* name = one.find("name");
    const auto* language = one.find("language");
    if (name == nullptr || name->as_string() == nullptr) continue;
    const std::string spoken = language != nullptr && language->as_string() != nullptr ? *language->as_string() : "";
    if (!options.kernel.empty() ? *name->as_string() == options.kernel : spoken == "python")
      return {*name->as_string(), spoken};
    if (found.first.empty() && options.kernel.empty()) found = {*name->as_string(), spoken};
  }
  return found;
}

/// One kernel and what is expected of it.
class Session {
 public:
  Session(Bench& bench, Report& report) : bench_(bench), report_(report) {}

  /// Waits for a state; other events pass by.
  bool state(KernelState wanted, const std::string& after) {
    doing("reach a state after " + after);
    while (const auto event = bench_.inbox.next(patience)) {
      if (event->kind == RuntimeEventKind::state && event->value == static_cast<std::int64_t>(wanted)) return true;
      if (event->kind == RuntimeEventKind::state && event->value == static_cast<std::int64_t>(KernelState::dead) &&
          wanted != KernelState::dead) {
        report_.fail("after " + after + " the kernel is dead: " + event->text, "Try the kernel by hand.");
        return false;
      }
    }
    report_.fail("after " + after + " the expected state " + std::to_string(static_cast<int>(wanted)) + " never comes",
                 "Tell every state by LECTERN_RUN_STATE.");
    return false;
  }

  struct Ran {
    bool started = false, finished = false, late = false;
    FinishedAs as = FinishedAs::ok;
    std::string stream, outputs;
  };
  /// Runs code to its end; `on_event` sees each event and may answer.
  Ran run(const std::string& code, const std::function<void(const RuntimeEvent&)>& on_event = {}) {
    Ran ran;
    const auto execution = ++last_;
    doing("execute " + code);
    if (const auto status = bench_.runtime->execute(kernel, execution, code); !status) {
      report_.fail("it does not execute: " + status.error().message, status.error().hint);
      return ran;
    }
    while (!ran.finished) {
      const auto event = bench_.inbox.next(patience);
      if (!event) {
        report_.fail("\"" + code + "\" never ends: LECTERN_RUN_FINISHED does not come",
                     "Every execution ends by FINISHED, also an aborted one.");
        return ran;
      }
      if (event->kernel != kernel)
        report_.fail("an event speaks of kernel " + std::to_string(event->kernel), "The number is the host's.");
      if (event->execution == execution) take(*event, ran);
      if (on_event) on_event(*event);
    }
    if (!ran.started)
      report_.fail("\"" + code + "\" ended and never began: LECTERN_RUN_STARTED is missing",
                   "Tell STARTED before anything else of an execution.");
    if (ran.late)
      report_.fail("\"" + code + "\" told outputs before it began",
                   "Tell STARTED before anything else of an execution.");
    return ran;
  }

  static constexpr std::uint64_t kernel = 1;
  static constexpr std::chrono::seconds patience{60};

 private:
  static void take(const RuntimeEvent& event, Ran& ran) {
    switch (event.kind) {
      case RuntimeEventKind::started:
        ran.started = true;
        break;
      case RuntimeEventKind::stream:
        ran.stream += event.text;
        ran.late = ran.late || !ran.started;
        break;
      case RuntimeEventKind::output:
        ran.outputs += event.json;
        ran.late = ran.late || !ran.started;
        break;
      case RuntimeEventKind::finished:
        ran.finished = true;
        ran.as = static_cast<FinishedAs>(event.value);
        break;
      default:
        break;
    }
  }
  Bench& bench_;
  Report& report_;
  std::uint64_t last_ = 0;
};

void python(Session& session, Bench& bench, Report& report) {
  const auto printed = session.run("print(6 * 7)");
  if (report.failed()) return;
  if (printed.stream.find("42") == std::string::npos)
    report.fail("what print() writes does not come as a stream", "Tell LECTERN_RUN_STREAM before FINISHED.");
  const auto value = session.run("6 * 7");
  if (value.outputs.find("execute_result") == std::string::npos)
    report.fail("the value of an expression does not come as an output",
                "Tell LECTERN_RUN_OUTPUT with the nbformat output.");
  const auto wrong = session.run("1/0");
  if (wrong.finished && (wrong.as != FinishedAs::error || wrong.outputs.find("ZeroDivisionError") == std::string::npos))
    report.fail("an exception is no error output, or does not finish as an error",
                "Output of type error, then FINISHED with LECTERN_FINISHED_ERROR.");
  if (report.failed()) return;
  const auto asked = session.run("print('got ' + input('name? '))", [&](const RuntimeEvent& event) {
    if (event.kind == RuntimeEventKind::input) (void)bench.runtime->input(Session::kernel, "Ann");
  });
  if (asked.stream.find("got Ann") == std::string::npos)
    report.fail("the answer to input() does not arrive", "LECTERN_RUN_INPUT, then input().");
  if (report.failed()) return;
  const auto stopped = session.run("print('on it', flush=True)\nwhile True: pass", [&](const RuntimeEvent& event) {
    if (event.kind == RuntimeEventKind::stream) (void)bench.runtime->interrupt(Session::kernel);
  });
  if (stopped.finished && stopped.as == FinishedAs::ok)
    report.fail("an interrupted execution ends as if all went well",
                "FINISHED with LECTERN_FINISHED_ERROR or _ABORTED.");
  if (report.failed()) return;
  doing("complete a word");
  if (const auto status = bench.runtime->request(Session::kernel, 99, "complete", R"({"code":"pri","cursor_pos":3})");
      !status)
    return report.fail("a completion cannot be asked for: " + status.error().message, status.error().hint);
  while (const auto event = bench.inbox.next(Session::patience)) {
    if (event->kind != RuntimeEventKind::reply) continue;
    if (event->request != 99)
      report.fail("the reply is to request " + std::to_string(event->request), "Give the request's number back.");
    return;
  }
  report.fail("a request is never answered", "LECTERN_RUN_REPLY for each request, also for one that failed.");
}

void kernel(const Context& context, Report& report) {
  if (context.options.quick) return report.skip("starting a kernel is not quick: run it without --quick");
  Bench bench(context, report);
  if (bench.runtime == nullptr) return;
  const auto [name, language] = chosen(bench, context.options);
  if (name.empty()) return report.skip("there is no kernel here to try it with");
  Session session(bench, report);
  doing("start the kernel " + name);
  std::string options;
  json::Writer(options).begin_object().member("cwd", context.work.string()).end_object();
  if (const auto status = bench.runtime->start(Session::kernel, name, options); !status)
    return report.fail("the kernel " + name + " does not start: " + status.error().message, status.error().hint);
  if (!session.state(KernelState::idle, "its start")) return;
  if (language == "python") {
    python(session, bench, report);
  } else {
    report.note("only Python kernels are made to run code; this one speaks " +
                (language.empty() ? "nothing it names" : language));
  }
  if (report.failed()) return;
  doing("restart");
  if (const auto status = bench.runtime->restart(Session::kernel); !status)
    return report.fail("it does not restart: " + status.error().message, status.error().hint);
  if (!session.state(KernelState::restarting, "restart") || !session.state(KernelState::idle, "restart")) return;
  doing("shut down");
  if (const auto status = bench.runtime->shutdown(Session::kernel); !status)
    return report.fail("it does not shut down: " + status.error().message, status.error().hint);
  if (!session.state(KernelState::dead, "shutdown")) return;
  if (const auto after = bench.inbox.next(std::chrono::seconds(1)))
    report.fail("after the kernel is dead there is one more event", "STATE dead is the last.");
  report.note("tried with the kernel " + name);
}

void fuzzed(const Context&, Report& report) {
  report.skip("what a runtime is given comes from the host alone; there is nothing to damage");
}

}  // namespace

std::vector<Test> runtime_suite() {
  const auto kind = plugin::Kind::runtime;
  return {
      {"runtime.kernels", "what it lists can be read", 30, kind, true, &kernels},
      {"fuzz.runtime", "nothing", 0, kind, true, &fuzzed},
      {"runtime.unknown", "kernels that do not exist are refused", 30, kind, true, &unknown},
      {"runtime.kernel", "a kernel's life: start, execute, ask, interrupt, complete, restart, end", 300, kind, true,
       &kernel},
  };
}

}  // namespace lectern::validate
