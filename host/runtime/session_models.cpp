// Models of a session: what the kernel, the clients and the host itself do to them, told in the order of revisions.
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "runtime/session_runtime.hpp"

namespace lectern::runtime {

using Kind = plugin::RuntimeEventKind;

namespace {

constexpr std::chrono::milliseconds ask_refused_after{100};
constexpr int asked_at_most = 5;
// A call that a runtime in a process of its own does not answer by then ends that process.
constexpr std::int64_t refused_within_ms = 10'000;

}  // namespace

void SessionRuntime::on_comm(plugin::RuntimeEvent& event) {
  const auto refused = refused_.find(event.name);
  if (refused != refused_.end() && refused->second.asked_at_ms >= 0) refused_.erase(refused);
  writes_.flush(event.name);  // revisions are told in their order
  if (event.kind == Kind::comm_close) {
    taken_up_models_.heard_of(event.name);
    keeping_.model_gone(event.name);  // of those whose maker alone is known there is nothing to close
    return tell_kernel_models(models_.close(event.name), event.execution);
  }
  if (found_after_all(event)) {
    event.kind = Kind::comm_open;
    event.text = "jupyter.widget";
  }
  Status problem;
  if (event.kind == Kind::comm_open) {
    taken_up_models_.heard_of(event.name);
    const auto* cell = cell_of(event.execution);
    auto opened = models_.open(event.name, event.text, event.json, std::move(event.buffers),
                               cell != nullptr ? std::string_view(*cell) : std::string_view(), event.execution);
    if (opened) return tell_kernel_models({std::move(*opened)}, event.execution);
    problem = fail(opened.error());
    not_in_store(event, cell);
  } else {
    auto events = models_.message(event.name, event.json, std::move(event.buffers));
    if (events) return tell_kernel_models(*events, event.execution);
    problem = fail(events.error());
  }
  log::warning("runtime", "a model message of the kernel was dropped: " + problem.error().message);
}

// Its kernel has it all the same: a next host must not take it for one that a later run made.
void SessionRuntime::not_in_store(const plugin::RuntimeEvent& event, const std::string* cell) {
  ModelEvent maker;
  maker.model_id = event.name;
  if (cell != nullptr) {
    maker.cell_id = *cell;
    maker.execution = event.execution;
  }
  keeping_.model_unknown(std::move(maker));
}

void SessionRuntime::tell_models(const std::vector<ModelEvent>& events) {
  for (const auto& event : events) {
    keeping_.model_changed(event);
    listener_.on_model(event);
  }
}

void SessionRuntime::tell_kernel_models(const std::vector<ModelEvent>& events, std::uint64_t execution) {
  for (const auto& event : events) {
    if (captured_.heard(event, execution)) flush_captured(event.model_id);
    news_.take({event, {}}, {});  // told to clients alone, which cannot fail
  }
}

// Viewers see a widget's outputs as they come; the kernel hears of them once, when the widget has them all.
void SessionRuntime::flush_captured(std::string_view ended) {
  for (auto& changed : captured_.changed()) {
    writes_.flush(changed.model_id);
    news_.flush(changed.model_id);
    auto event = models_.host_write(changed.model_id, "outputs", std::move(changed.outputs));
    if (event) tell_models({std::move(*event)});
  }
  if (ended.empty() || !models_.has(ended) || !kernel_ || !kernel_->attached()) return;
  json::Value state;
  state.set("outputs", models_.state_at(ended, "outputs", [](const Buffer&) { return json::Value(); }));
  json::Value data;
  data.set("method", "update");
  data.set("state", std::move(state));
  data.set("buffer_paths", json::Array{});
  const auto text = json::write(data);
  if (const auto sent = kernel_->comm({"msg", ended, {}, text, {}, {}}); !sent) {
    log::warning("runtime", "the kernel was not told what an Output widget captured: " + sent.error().message);
  }
}

void SessionRuntime::model(std::string_view model_id, const json::Value& message, std::vector<std::string> buffers,
                           std::string_view client_id, Callback<std::uint64_t> done) {
  if (!kernel_ || !kernel_->attached()) {
    return done(fail(409, "no_kernel", "this notebook has no running kernel", "start one"));
  }
  care_.active();
  auto write = models_.client_write(model_id, message, std::move(buffers), client_id);
  if (!write) return done(fail(std::move(write).error()));
  writes_.take(std::move(*write), std::move(done));
}

// Everybody was told what it is set to, and its kernel was not. What that has is what counts: its answer corrects all,
// who wrote it too.
void SessionRuntime::not_told(const plugin::RuntimeEvent& event) {
  auto known = refused_.find(event.name);
  const bool asking = known != refused_.end() && (known->second.asked_at_ms < 0 ||
                                                  clock::now_ms() - known->second.asked_at_ms < refused_within_ms);
  const auto asked = static_cast<int>(event.value);  // so often with the question that is refused; 0: it is none
  if (!asking && asked == 0) {
    log::warning("runtime", event.refused->message);
    listener_.on_not_told(*event.refused);
  }
  if (!asking) {
    if (!models_.has(event.name) && !taken_up_models_.awaited(event.name)) return;
    known = refused_.insert_or_assign(event.name, Refused{asked}).first;
  }
  if (known->second.asked >= asked_at_most) {
    give_up_asking(event.name, *event.refused);
    refused_.erase(known);
    return;
  }
  known->second.asked_at_ms = -1;
  if (!ask_refused_soon_.armed()) ask_refused_soon_.start(ask_refused_after, [this] { ask_refused(); });
}

// Each at most so many times, whether the question is refused at once or afterwards; one whose answer is still to come
// is not asked again for another's sake.
void SessionRuntime::ask_refused() {
  bool again = false;
  for (auto it = refused_.begin(); it != refused_.end();) {
    auto& [id, refused] = *it;
    if (refused.asked_at_ms >= 0) {
      ++it;
      continue;
    }
    ++refused.asked;
    if (const auto asked = ask_for_state(id, refused.asked); asked) {
      refused.asked_at_ms = clock::now_ms();
    } else if (refused.asked >= asked_at_most) {
      give_up_asking(id, asked.error());
      it = refused_.erase(it);
      continue;
    } else {
      again = true;
    }
    ++it;
  }
  if (again) ask_refused_soon_.start(ask_refused_after, [this] { ask_refused(); });
}

void SessionRuntime::give_up_asking(const std::string& id, const Error& why) {
  log::warning("runtime", "the kernel was not asked what its widget " + id +
                              " is set to: viewers may see another value; " + why.message);
}

Result<std::uint64_t> SessionRuntime::tell_write(ClientWrite write) {
  if (!kernel_) return fail(409, "no_kernel", "this notebook has no running kernel", "start one");
  const auto data = write.kernel_data();
  plugin::CommMessage comm{"msg", write.to_kernel.comm_id, {}, data, {}, {}};
  for (const auto& buffer : write.event.buffers) comm.buffers.push_back(*buffer);
  LECTERN_CHECK(kernel_->comm(comm));
  news_.flush(write.event.model_id);
  models_.apply(write);
  const auto revision = write.event.revision;
  tell_models({std::move(write.event)});
  return revision;
}

}  // namespace lectern::runtime
