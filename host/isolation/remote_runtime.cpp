#include "isolation/remote_runtime.hpp"

#include <future>
#include <utility>
#include <vector>

#include "base/text.hpp"

namespace lectern::isolation {

namespace {

lectern_str abi(std::string_view text) {
  return {text.data(), text.size()};
}

constexpr std::uint32_t most_buffers = 200'000;  // the adapter's limit is lower, and names it

lectern_runtime_event event_of(std::uint32_t kind, std::int64_t value) {
  lectern_runtime_event event{};
  event.struct_size = sizeof event;
  event.kind = kind;
  event.value = value;
  return event;
}

}  // namespace

void RemoteRuntime::take(std::string_view payload, Credit credit) {
  Unpacker from(payload);
  const auto kernel = from.number<std::uint64_t>();
  lectern_runtime_event event{};
  event.struct_size = sizeof event;
  event.kind = from.number<std::uint32_t>();
  event.value = from.number<std::int64_t>();
  event.execution = from.number<std::uint64_t>();
  event.request = from.number<std::uint64_t>();
  for (lectern_str* text : {&event.name, &event.text, &event.json, &event.metadata}) *text = from.abi_text();
  event.n_buffers = from.number<std::uint32_t>();
  std::vector<lectern_str> buffers;
  for (std::uint32_t i = 0; i < event.n_buffers && i < most_buffers && from.ok(); ++i)
    buffers.push_back(from.abi_text());
  event.buffers = buffers.data();
  if (!from.ok()) return listener_.on_failure("told an event that makes no sense");
  const std::scoped_lock lock(mutex_);
  const auto at = kernels_.find(kernel);
  if (at == kernels_.end()) return;  // of a kernel nobody started
  // Of a kernel that ended with its process only the next process tells, once it was asked to start it again.
  if (at->second.gone && at->second.starting == 0) return;
  at->second.gone = false;
  const bool last = event.kind == LECTERN_RUN_STATE && event.value == LECTERN_KERNEL_DEAD &&
                    std::string_view(event.text.p, event.text.n) == "shutdown";
  if (last) kernels_.erase(at);
  listener_.on_event(kernel, event, std::move(credit));
}

void RemoteRuntime::tell(std::uint64_t kernel, lectern_runtime_event event) {
  const std::scoped_lock lock(mutex_);
  listener_.on_event(kernel, event, Credit());
}

void RemoteRuntime::tell_state(std::uint64_t kernel, std::uint32_t state, std::string_view why) {
  auto event = event_of(LECTERN_RUN_STATE, state);
  event.text = abi(why);
  tell(kernel, event);
}

void RemoteRuntime::ended(const std::string& blame) {
  listener_.on_failure("stay alive: " + blame);
  const std::string why = "the process of its runtime has ended: " + text::label(blame, 400);
  const std::scoped_lock lock(mutex_);
  for (auto& [kernel, known] : kernels_) {
    known.there = false;
    if (std::exchange(known.gone, true)) continue;
    tell_state(kernel, LECTERN_KERNEL_DEAD, why);
  }
}

RemoteRuntime::Here RemoteRuntime::here(std::uint64_t kernel) const {
  const std::scoped_lock lock(mutex_);
  const auto at = kernels_.find(kernel);
  if (at == kernels_.end()) return Here::no;
  return at->second.gone ? Here::gone : Here::yes;
}

RemoteRuntime::Ending RemoteRuntime::ending(const Line::Reply& reply) {
  Ending out;
  if (!reply.said) {
    out.status = LECTERN_INTERNAL;
    out.why = text::label(reply.said.error().message, 400);
    return out;
  }
  Unpacker from(*reply.said);
  out.status = unpack_end(from, out.error);
  if (!from.ok()) out.status = LECTERN_INTERNAL;
  if (out.status == LECTERN_OK) return out;
  const std::string_view said(out.error.message, ::strnlen(out.error.message, sizeof out.error.message));
  out.why = said.empty() ? "the runtime refused it" : text::label(said, 400);
  return out;
}

lectern_status RemoteRuntime::kernels(const lectern_sink& out, lectern_error& error) {
  const auto reply = line_->call(call_frame(Op::runtime_kernels, Lane::slow), Lane::slow, true);
  if (!reply.said) return blame(reply.said.error(), error);
  Unpacker from(*reply.said);
  const auto status = unpack_end(from, error);
  while (status == LECTERN_OK && from.ok() && !from.empty()) {
    if (from.number<Record>() != Record::bytes) return LECTERN_INTERNAL;
    const auto bytes = from.abi_text();
    if (!from.ok()) break;
    if (const auto taken = out.write(out.ctx, bytes); taken != LECTERN_OK) return taken;
  }
  return from.ok() ? status : lectern_status{LECTERN_INTERNAL};
}

namespace {

Packer to_start(std::uint64_t kernel, std::string_view name, std::string_view options) {
  Packer to = call_frame(Op::runtime_start, Lane::slow);
  to.number(kernel);
  to.text(name);
  to.text(options);
  return to;
}

}  // namespace

lectern_status RemoteRuntime::start(std::uint64_t kernel, std::string_view name, std::string_view options,
                                    lectern_error& error) {
  {
    const std::scoped_lock lock(mutex_);
    const auto [at, added] = kernels_.try_emplace(kernel, Known{std::string(name), std::string(options)});
    if (!added) return LECTERN_CONFLICT;
    ++at->second.starting;
  }
  std::promise<Result<std::string>> promise;
  auto answer = promise.get_future();
  const auto handed = line_->hand_over(
      to_start(kernel, name, options),
      [this, kernel, promise = std::move(promise)](Line::Reply&& reply) mutable {
        // Here, before what it tells next: a death may have come while this call waited for its turn.
        if (ending(reply).status == LECTERN_OK) start_answered(kernel, 0, {});
        promise.set_value(std::move(reply.said));
      },
      Lane::slow, true);
  const auto said = handed ? answer.get() : Result<std::string>(fail(handed.error()));
  lectern_status status = LECTERN_OK;
  if (!said) {
    status = blame(said.error(), error);
  } else {
    Unpacker from(*said);
    status = unpack_end(from, error);
  }
  if (status == LECTERN_OK) return status;
  const std::scoped_lock lock(mutex_);
  kernels_.erase(kernel);
  return status;
}

void RemoteRuntime::start_answered(std::uint64_t kernel, std::uint64_t attempt, const std::string& why) {
  const std::scoped_lock lock(mutex_);
  const auto at = kernels_.find(kernel);
  if (at == kernels_.end()) {
    if (!why.empty()) return;
    // It was let go while its start waited: nobody else would end it.
    Packer to = call_frame(Op::runtime_shutdown);
    to.number(kernel);
    (void)line_->hand_over(std::move(to), [](Line::Reply&&) {});
    return;
  }
  auto& known = at->second;
  --known.starting;
  if (why.empty()) known.there = true;
  if (known.there) {  // by this attempt, or by one before it that the process refuses another for
    if (std::exchange(known.gone, false)) tell_state(kernel, LECTERN_KERNEL_STARTING, {});
    return;
  }
  if (known.attempt != attempt || std::exchange(known.gone, true)) return;
  tell_state(kernel, LECTERN_KERNEL_DEAD, "it could not be started again: " + why);
}

void RemoteRuntime::start_again(std::uint64_t kernel, Known& known) {
  ++known.starting;
  const auto attempt = ++known.attempt;
  const auto handed = line_->hand_over(
      to_start(kernel, known.name, known.options),
      [this, kernel, attempt](Line::Reply&& reply) { start_answered(kernel, attempt, ending(reply).why); }, Lane::slow,
      true);
  if (!handed) start_answered(kernel, attempt, handed.error().message);
}

lectern_status RemoteRuntime::to_kernel(std::uint64_t kernel, Packer call,
                                        std::function<void(const Ending& ending)> refused) {
  const auto where = here(kernel);
  if (where == Here::no) return LECTERN_NOT_FOUND;
  if (where == Here::gone) return LECTERN_UNAVAILABLE;
  const auto handed = line_->hand_over(std::move(call), [refused = std::move(refused)](Line::Reply&& reply) {
    if (!reply.said) return;  // its kernels are told dead
    if (const auto how = ending(reply); how.status != LECTERN_OK) refused(how);
  });
  return handed ? LECTERN_OK : LECTERN_UNAVAILABLE;
}

lectern_status RemoteRuntime::execute(std::uint64_t kernel, std::uint64_t execution, std::string_view code,
                                      std::string_view cell, std::uint32_t flags) {
  Packer to = call_frame(Op::runtime_execute);
  to.number(kernel);
  to.number(execution);
  to.number(flags);
  to.text(cell);
  to.text(code);
  return to_kernel(kernel, std::move(to), [this, kernel, execution](const Ending& ending) {
    listener_.on_failure("run code: " + ending.why);
    auto event = event_of(LECTERN_RUN_FINISHED, LECTERN_FINISHED_ABORTED);
    event.execution = execution;
    tell(kernel, event);
  });
}

lectern_status RemoteRuntime::forget_cell(std::uint64_t kernel, std::string_view cell) {
  Packer to = call_frame(Op::runtime_forget_cell);
  to.number(kernel);
  to.text(cell);
  return to_kernel(kernel, std::move(to),
                   [this](const Ending& ending) { listener_.on_failure("forget a cell: " + ending.why); });
}

lectern_status RemoteRuntime::interrupt(std::uint64_t kernel) {
  Packer to = call_frame(Op::runtime_interrupt);
  to.number(kernel);
  return to_kernel(kernel, std::move(to),
                   [this](const Ending& ending) { listener_.on_failure("interrupt: " + ending.why); });
}

lectern_status RemoteRuntime::restart(std::uint64_t kernel) {
  {
    const std::scoped_lock lock(mutex_);
    const auto at = kernels_.find(kernel);
    if (at == kernels_.end()) return LECTERN_NOT_FOUND;
    if (std::exchange(at->second.gone, false)) {
      tell_state(kernel, LECTERN_KERNEL_RESTARTING, {});
      start_again(kernel, at->second);
      return LECTERN_OK;
    }
  }
  Packer to = call_frame(Op::runtime_restart);
  to.number(kernel);
  return to_kernel(kernel, std::move(to), [this, kernel](const Ending& ending) {
    tell_state(kernel, LECTERN_KERNEL_RESTARTING, {});
    tell_state(kernel, LECTERN_KERNEL_DEAD, "it did not restart: " + ending.why);
  });
}

lectern_status RemoteRuntime::shutdown(std::uint64_t kernel) {
  {
    const std::scoped_lock lock(mutex_);
    const auto at = kernels_.find(kernel);
    if (at == kernels_.end()) return LECTERN_NOT_FOUND;
    if (at->second.gone) {
      kernels_.erase(at);
      tell_state(kernel, LECTERN_KERNEL_DEAD, "shutdown");
      return LECTERN_OK;
    }
  }
  Packer to = call_frame(Op::runtime_shutdown);
  to.number(kernel);
  return to_kernel(kernel, std::move(to), [this, kernel](const Ending&) {
    const std::scoped_lock lock(mutex_);
    if (kernels_.erase(kernel) != 0) tell_state(kernel, LECTERN_KERNEL_DEAD, "shutdown");
  });
}

lectern_status RemoteRuntime::input(std::uint64_t kernel, std::string_view value) {
  Packer to = call_frame(Op::runtime_input);
  to.number(kernel);
  to.text(value);
  return to_kernel(kernel, std::move(to), [this, kernel](const Ending& ending) { refused(kernel, {}, ending); });
}

lectern_status RemoteRuntime::request(std::uint64_t kernel, std::uint64_t request, std::string_view kind,
                                      std::string_view content) {
  Packer to = call_frame(Op::runtime_request);
  to.number(kernel);
  to.number(request);
  to.text(kind);
  to.text(content);
  return to_kernel(kernel, std::move(to), [this, kernel, request](const Ending& ending) {
    refused(kernel, {request, {}}, ending);
  });
}

lectern_status RemoteRuntime::comm(std::uint64_t kernel, const lectern_comm& message, std::uint32_t number) {
  Packer to = call_frame(Op::runtime_comm);
  to.number(kernel);
  for (const lectern_str text : {message.kind, message.comm_id, message.target, message.data, message.metadata})
    to.text(text);
  to.number(message.n_buffers);
  for (std::uint32_t i = 0; i < message.n_buffers; ++i) to.text(message.buffers[i]);
  return to_kernel(
      kernel, std::move(to),
      [this, kernel, number, comm = std::string(message.comm_id.p, message.comm_id.n)](const Ending& ending) {
        refused(kernel, {0, comm, number}, ending);
      });
}

void RemoteRuntime::refused(std::uint64_t kernel, const Refused& what, const Ending& ending) {
  const std::scoped_lock lock(mutex_);
  listener_.on_refused(kernel, what, ending.status, ending.error);
}

}  // namespace lectern::isolation
