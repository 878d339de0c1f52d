#include "runtime.hpp"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <limits>

#include "../jupyter-messages/clock.hpp"
#include "../jupyter-messages/questions.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/plugin.hpp"
#include "lectern/sdk/settings.hpp"

namespace jupyter {
namespace json = lectern::sdk::json;
using lectern::sdk::Failure;
namespace {

// Signing and writing more than this would keep the caller, which has other sessions to serve.
constexpr std::size_t few_bytes = 64u << 10u;

}  // namespace
JupyterRuntime::JupyterRuntime(std::string_view config, lectern::sdk::RuntimeEvents events) : events_(events) {
  lectern::sdk::Settings settings(config);
  connection_dir_ = settings.text("connection_dir", "");
  for (auto& folder : settings.texts("near")) near_.emplace_back(std::move(folder));
  settings.done();
  thread_ = std::thread([this] { run(); });
}

JupyterRuntime::~JupyterRuntime() {
  post({[this] {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    for (auto& [number, kernel] : kernels_) {
      const auto turn = kernel->turns.wait();
      kernel->host_ends();
    }
  }});
  thread_.join();
}

void JupyterRuntime::post(Job job) {
  {
    const std::scoped_lock lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  watcher_.wake();
}

void JupyterRuntime::hand_over(KernelPtr kernel, std::function<void(Kernel&)> what) {
  kernel->turns.hand_over();
  auto run = [&to = *kernel, what = std::move(what)] { what(to); };
  post({std::move(run), std::move(kernel)});
}

template <class What>
void JupyterRuntime::tell(KernelPtr kernel, std::size_t bytes, What what) {
  if (bytes <= few_bytes) {
    if (const auto turn = kernel->turns.now(); turn.owns_lock()) return what(*kernel, true);
  }
  hand_over(std::move(kernel), [what = std::move(what)](Kernel& to) { what(to, false); });
}

JupyterRuntime::KernelPtr JupyterRuntime::find(std::uint64_t kernel, bool must_live) {
  const std::scoped_lock lock(mutex_);
  const auto it = kernels_.find(kernel);
  if (it == kernels_.end()) throw Failure(LECTERN_NOT_FOUND, "no kernel " + std::to_string(kernel));
  if (must_live && !it->second->alive) throw Failure(LECTERN_UNAVAILABLE, "the kernel is dead");
  return it->second;
}

void JupyterRuntime::kernels(const lectern::sdk::Sink& out) {
  std::string text = "[";
  for (const auto& spec : find_kernelspecs(near_)) {
    if (text.size() > 1) text += ',';
    text += "{\"name\":" + json::quoted(spec.name) + ",\"display_name\":" + json::quoted(spec.display_name) +
            ",\"language\":" + json::quoted(spec.language) +
            ",\"interrupt_mode\":" + json::quoted(spec.interrupt_mode) +
            ",\"path\":" + json::quoted(spec.directory.string()) + "}";
  }
  out.write(text + "]");
}

StartPlan JupyterRuntime::plan(std::string_view name, std::string_view options) const {
  StartPlan plan;
  plan.cwd = json::text(json::member(options, "cwd"));
  plan.keep = json::text(json::member(options, "keep"));
  if (const auto taken_up = json::member(options, "take_up"); json::is_object(taken_up) && !plan.keep.empty()) {
    plan.take_up = true;
    plan.life = static_cast<std::uint64_t>(json::integer(json::member(taken_up, "life")).value_or(0));
    plan.running = static_cast<std::uint64_t>(json::integer(json::member(taken_up, "running")).value_or(0));
    plan.comms = Conversation::makers_in(taken_up);
  }
  json::each_member(json::member(options, "env"), [&](std::string_view key, std::string_view value) {
    plan.env.emplace(json::text(key), json::text(value));
    return true;
  });
  auto near = near_;
  if (!plan.cwd.empty()) near.insert(near.begin(), plan.cwd);
  std::string known;
  bool found = false;
  for (auto& spec : find_kernelspecs(near)) {
    if (spec.name == name) {
      plan.spec = std::move(spec);
      found = true;
      break;
    }
    known += known.empty() ? spec.name : ", " + spec.name;
  }
  if (!found && plan.take_up) {
    // It runs whether its kernelspec is found or not: only a restart needs that.
    plan.spec.name = plan.spec.display_name = name;
    plan.spec.interrupt_mode = "signal";
  } else if (!found) {
    throw Failure(LECTERN_NOT_FOUND, "there is no kernelspec \"" + std::string(name) + "\"",
                  known.empty() ? "install one, such as ipykernel" : "there are: " + known)
        .code("unknown_kernel");
  }
  auto folder = json::text(json::member(options, "connection_dir"));
  plan.connection_folder = connection_folder(folder.empty() ? connection_dir_ : folder);
  return plan;
}

void JupyterRuntime::start(std::uint64_t number, std::string_view name, std::string_view options) {
  auto kernel = std::make_shared<Kernel>(number, plan(name, options), watcher_, events_);
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_) throw Failure(LECTERN_UNAVAILABLE, "the runtime is ending");
    const auto it = kernels_.find(number);
    if (it != kernels_.end() && it->second->alive) {
      throw Failure(LECTERN_CONFLICT, "kernel " + std::to_string(number) + " runs already");
    }
  }
  // On the I/O thread, because the child ends with the thread that made it.
  auto done = std::make_shared<std::promise<void>>();
  auto answer = done->get_future();
  post({[this, number, kernel, done] {
    try {
      kernel->start();
      const std::scoped_lock lock(mutex_);
      kernels_[number] = kernel;
      done->set_value();
    } catch (...) {
      done->set_exception(std::current_exception());
    }
  }});
  answer.get();
}

void JupyterRuntime::execute(std::uint64_t kernel, std::uint64_t execution, std::string_view code,
                             std::uint32_t flags) {
  tell(find(kernel), code.size(), [execution, code = std::string(code), flags](Kernel& to, bool at_once) {
    at_once ? to.execute(execution, code, flags) : to.execute_handed_over(execution, code, flags);
  });
}

void JupyterRuntime::interrupt(std::uint64_t kernel) {
  hand_over(find(kernel), [](Kernel& to) { to.interrupt(); });
}

void JupyterRuntime::restart(std::uint64_t kernel) {
  auto found = find(kernel, false);
  found->alive = true;  // from here on it may be sent to: what comes waits for the new process
  hand_over(std::move(found), [](Kernel& to) { to.stop(true); });
}

void JupyterRuntime::shutdown(std::uint64_t kernel) {
  hand_over(find(kernel, false), [](Kernel& to) { to.stop(false); });
}

void JupyterRuntime::input(std::uint64_t kernel, std::string_view value) {
  tell(find(kernel), value.size(), [value = std::string(value)](Kernel& to, bool) { to.input(value); });
}

void JupyterRuntime::request(std::uint64_t kernel, std::uint64_t request, std::string_view kind,
                             std::string_view content) {
  constexpr std::string_view kinds[] = {"complete", "inspect", "is_complete", "history", "comm_info"};
  if (!json::valid(content)) throw Failure(LECTERN_INVALID, "the request's content is not JSON");
  const auto asked = find(kernel);
  if (auto ask = question(kind, content, asked->language())) {
    const auto bytes = ask->size();
    return tell(asked, bytes, [request, ask = std::move(*ask)](Kernel& to, bool) { to.question(request, ask); });
  }
  if (std::find(std::begin(kinds), std::end(kinds), kind) == std::end(kinds)) {
    throw Failure(LECTERN_UNSUPPORTED, "no request \"" + std::string(kind) + "\"");
  }
  tell(asked, content.size(), [request, kind = std::string(kind), content = std::string(content)](Kernel& to, bool) {
    to.request(request, kind, content);
  });
}

void JupyterRuntime::comm(std::uint64_t kernel, const lectern::sdk::Comm& message) {
  if (message.kind != "open" && message.kind != "msg" && message.kind != "close") {
    throw Failure(LECTERN_UNSUPPORTED, "no comm message \"" + std::string(message.kind) + "\"");
  }
  if (!json::valid(message.data)) throw Failure(LECTERN_INVALID, "the comm message's data is not JSON");
  CommCopy copy{std::string(message.kind), std::string(message.comm_id),  std::string(message.target),
                std::string(message.data), std::string(message.metadata), {}};
  auto bytes = copy.data.size() + copy.metadata.size();
  for (const auto buffer : message.buffers) {
    copy.buffers.emplace_back(buffer);
    bytes += buffer.size();
  }
  tell(find(kernel), bytes, [copy = std::move(copy)](Kernel& to, bool) { to.comm(copy); });
}

void JupyterRuntime::run_jobs() {
  std::vector<Job> jobs;
  {
    const std::scoped_lock lock(mutex_);
    jobs.swap(jobs_);
  }
  for (auto& job : jobs) {
    const auto turn = job.kernel ? job.kernel->turns.wait() : Turns::Turn();
    try {
      job.run();
    } catch (const std::exception& problem) {
      lectern::sdk::log_error(std::string("a command to a kernel failed: ") + problem.what());
    }
    if (job.kernel) job.kernel->turns.said();
  }
}

void JupyterRuntime::serve(std::uint64_t number, unsigned slots) {
  const auto it = kernels_.find(number);
  if (it == kernels_.end()) return;
  const auto kernel = it->second;
  try {
    const auto turn = kernel->turns.wait();
    kernel->handle(slots);
  } catch (const std::exception& problem) {
    lectern::sdk::log_error(std::string("reading from a kernel failed: ") + problem.what());
  }
  due_ms_ = std::min(due_ms_, kernel->due_ms());
  if (!kernel->gone()) return;
  const std::scoped_lock lock(mutex_);
  kernels_.erase(it);
}

void JupyterRuntime::serve_due() {
  const auto now = now_ms();
  if (now < due_ms_) return;
  std::vector<std::uint64_t> due;
  for (const auto& [number, kernel] : kernels_) {
    if (kernel->due_ms() <= now) due.push_back(number);
  }
  due_ms_ = never;
  for (const auto number : due) serve(number, 0);
  for (const auto& [number, kernel] : kernels_) due_ms_ = std::min(due_ms_, kernel->due_ms());
}

int JupyterRuntime::until_due() const {
  if (due_ms_ == never) return -1;
  return static_cast<int>(std::clamp<std::int64_t>(due_ms_ - now_ms(), 0, 60'000));
}

void JupyterRuntime::run() {
  ::pthread_setname_np(::pthread_self(), "jupyter-io");
  while (true) {
    run_jobs();
    serve_due();
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_ && kernels_.empty()) return;
    }
    for (const auto& ready : watcher_.wait(until_due())) serve(ready.owner, ready.slots);
  }
}

}  // namespace jupyter
