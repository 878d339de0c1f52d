#include "runtime/kernel.hpp"

#include <utility>

#include "base/json.hpp"
#include "base/log.hpp"
#include "runtime/hub.hpp"

namespace lectern::runtime {
namespace {

std::string options_json(const StartOptions& options, bool keep) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  if (!options.cwd.empty()) writer.member("cwd", std::string_view(options.cwd));
  writer.key("env").begin_object();
  for (const auto& [name, value] : options.env) writer.member(name, std::string_view(value));
  writer.end_object();
  if (keep) writer.member("keep", std::string_view(options.keep));
  if (keep && options.take_up) {
    writer.key("take_up").begin_object().member("life", options.life);
    if (options.running != 0) writer.member("running", options.running);
    if (!options.comms.empty()) {
      writer.key("comms").begin_object();
      for (const auto& [id, execution] : options.comms) writer.member(id, execution);
      writer.end_object();
    }
    if (options.others != 0) writer.member("others", options.others);
    writer.end_object();
  }
  writer.end_object();
  return out;
}

/// A runtime in a process of its own ends with it, and so does whatever came of it: it could promise, not keep.
bool can_keep(const plugin::Runtime& runtime, const StartOptions& options) {
  if (options.keep.empty() || runtime.generation()->remote() != nullptr) return false;
  if (!options.prepare) return true;
  const auto ready = options.prepare();
  if (!ready) log::warning("runtime", "a kernel will end with the host: " + ready.error().message);
  return ready.has_value();
}

Status start_with(plugin::Runtime& runtime, std::uint64_t number, const std::string& name,
                  const StartOptions& options) {
  const bool keep = can_keep(runtime, options);
  if (options.take_up && !keep) {
    return fail(409, "not_kept", runtime.id() + " runs in a process of its own and takes no kernel up");
  }
  return runtime.start(number, name, options_json(options, keep));
}

}  // namespace

std::string_view kernel_state_name(KernelState state) {
  switch (state) {
    case KernelState::none:
      return "none";
    case KernelState::starting:
      return "starting";
    case KernelState::idle:
      return "idle";
    case KernelState::busy:
      return "busy";
    case KernelState::restarting:
      return "restarting";
    case KernelState::dead:
      return "dead";
    case KernelState::unreachable:
      break;
  }
  return "unreachable";
}

Kernel::Kernel(Hub& hub, Loop& loop, OnEvents on_events)
    : hub_(hub),
      loop_(loop),
      on_events_(std::move(on_events)),
      left_(std::make_shared<bool>(false)),
      alive_(std::make_shared<bool>(true)) {}

Kernel::~Kernel() {
  *alive_ = false;
  if (mailbox_) mailbox_->close();
  if (number_ != 0) hub_.detach(number_);
  if (runtime_) (void)runtime_->shutdown(number_);  // an error means that it is gone already
}

Status Kernel::start(const KernelInfo& which, const StartOptions& options, UniqueFunction<void(Status)> done) {
  if (number_ != 0) {
    return fail(409, "kernel_running", "this notebook has a kernel already", "shut it down first, or restart it");
  }
  mailbox_ = std::make_shared<Mailbox>(loop_, [this, alive = alive_] {
    if (*alive) drain();
  });
  number_ = hub_.attach(mailbox_);
  // The callable is shared because workers take copies of nothing: it is called once, on the loop.
  auto answer = std::make_shared<UniqueFunction<void(Status)>>(std::move(done));
  hub_.submit([this, &hub = hub_, &loop = loop_, number = number_, alive = alive_, left = left_, answer,
               plugin_id = which.plugin, name = which.kernel, options] {
    auto runtime = hub.runtime(plugin_id);
    Status started;
    if (!runtime) {
      started = fail(runtime.error());
    } else {
      started = start_with(**runtime, number, name, options);
    }
    loop.post([this, &hub, number, alive, left, answer, started, runtime = runtime ? *runtime : nullptr] {
      if (!*alive) {
        if (started && !*left) (void)runtime->shutdown(number);
        return;
      }
      if (started) {
        runtime_ = runtime;
      } else {
        hub.detach(number);
        number_ = 0;
      }
      (*answer)(started);
      if (*alive && started) drain();
    });
  });
  return {};
}

void Kernel::leave() {
  *left_ = true;
  if (mailbox_) mailbox_->close();
  if (number_ != 0) hub_.detach(std::exchange(number_, 0));
  runtime_.reset();
}

void Kernel::drain() {
  if (!runtime_) return;  // the answer of start comes first, and then this again
  auto events = mailbox_->take();
  if (events.empty()) return;
  bool ended = false;
  for (const auto& event : events) {
    ended |= event.kind == plugin::RuntimeEventKind::state &&
             event.value == static_cast<std::int64_t>(plugin::KernelState::dead) && event.text == "shutdown";
  }
  if (ended) {
    hub_.detach(number_);
    number_ = 0;
    runtime_.reset();
  }
  on_events_(events);
}

Result<plugin::Runtime*> Kernel::runtime() const {
  if (!runtime_) return fail(409, "no_kernel", "this notebook has no running kernel", "start one");
  return runtime_.get();
}

Status Kernel::execute(std::uint64_t execution, std::string_view code, std::string_view cell) {
  LECTERN_TRY(auto* runtime, this->runtime());
  return runtime->execute(number_, execution, code, cell);
}

Status Kernel::forget_cell(std::string_view cell) {
  LECTERN_TRY(auto* runtime, this->runtime());
  return runtime->forget_cell(number_, cell);
}

Status Kernel::interrupt() {
  LECTERN_TRY(auto* runtime, this->runtime());
  return runtime->interrupt(number_);
}

Status Kernel::restart() {
  LECTERN_TRY(auto* runtime, this->runtime());
  return runtime->restart(number_);
}

Status Kernel::shutdown() {
  LECTERN_TRY(auto* runtime, this->runtime());
  return runtime->shutdown(number_);
}

Status Kernel::input(std::string_view value) {
  LECTERN_TRY(auto* runtime, this->runtime());
  return runtime->input(number_, value);
}

Status Kernel::request(std::uint64_t request, std::string_view kind, std::string_view content_json) {
  LECTERN_TRY(auto* runtime, this->runtime());
  return runtime->request(number_, request, kind, content_json);
}

Status Kernel::comm(const plugin::CommMessage& message) {
  LECTERN_TRY(auto* runtime, this->runtime());
  return runtime->comm(number_, message);
}

}  // namespace lectern::runtime
