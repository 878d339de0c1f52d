// The models of a kernel that was taken up: as the host before wrote them down, then as the kernel says that they are.
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "base/log.hpp"
#include "runtime/session_runtime.hpp"
#include "runtime/widget_view.hpp"

namespace lectern::runtime {
namespace {

// One that goes on computing does not answer: what it prints is worth more than the order.
constexpr std::chrono::milliseconds held_at_most{2'000};
constexpr std::size_t most_held_bytes = std::size_t{16} << 20;

/// In the order of their creation, where the kernel keeps it.
std::optional<std::vector<std::pair<std::string, std::string>>> comms_in(const std::string& comm_info) {
  const auto value = json::parse(comm_info, {std::size_t{16} << 20, 8, 1'000'000, false});
  const auto* comms = value ? value->find("comms") : nullptr;
  if (comms == nullptr || !comms->is_object()) return std::nullopt;
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [id, about] : *comms->as_object()) {
    out.emplace_back(id, json::string_or_empty(about, "target_name"));
  }
  return out;
}

}  // namespace

// An Output widget that was catching what the run prints goes on catching it.
std::vector<std::pair<std::string, std::uint64_t>> SessionRuntime::bring_back(std::vector<KeptModel> models,
                                                                              std::uint64_t running) {
  std::vector<std::pair<std::string, std::uint64_t>> makers;
  taken_up_models_.begin();
  for (auto& model : models) {
    makers.emplace_back(model.id, model.cell_id.empty() ? 0 : model.execution);
    if (model.data.empty()) {
      values_unknown(model);
      continue;
    }
    const auto opened = models_.open(model.id, model.target, model.data, std::move(model.buffers), model.cell_id,
                                     model.execution, model.revision);
    if (!opened) {
      log::warning("runtime", "the widget " + model.id + " is not brought back as it was written down: " +
                                  opened.error().message + "; the kernel is asked for it");
      values_unknown(model);
      continue;
    }
    if (running != 0) (void)captured_.heard(*opened, running);
    tell_models({*opened});
    const auto* state = opened->message.find("state");
    // What an Output widget has caught by now its kernel does not know.
    const bool catches = state != nullptr && json::string_or_empty(*state, "_model_name") == "OutputModel";
    taken_up_models_.brought_back(model.id, model.target == "jupyter.widget" && !catches);
  }
  return makers;
}

void SessionRuntime::values_unknown(const KeptModel& model) {
  taken_up_models_.made_by(model.id, model.execution, model.cell_id);
  ModelEvent maker;
  maker.model_id = model.id;
  maker.cell_id = model.cell_id;
  maker.execution = model.execution;
  maker.revision = model.revision;
  keeping_.model_unknown(std::move(maker));
}

// What happened to them while no host was there, or was not written down any more. A kernel that computes answers when
// it is done; one that does not know the question never does, and its models stay as they were written down.
void SessionRuntime::ask_for_models() {
  const auto ids = taken_up_models_.to_ask();
  if (!ids || !kernel_) return;
  const auto number = next_request_++;
  if (kernel_->request(number, "comm_info", "{}")) {
    const auto answered = [this](const Result<std::string>& answer) {
      answer ? models_there_are(*answer) : taken_up_models_.cannot_say();
    };
    requests_.emplace(number, Waiting{answered, nullptr});
  } else {
    taken_up_models_.cannot_say();
  }
  ask_for_states(*ids);
}

Status SessionRuntime::ask_for_state(const std::string& id, int asked) {
  if (!kernel_) return fail(409, "no_kernel", "it is gone");
  return kernel_->comm({"msg", id, {}, R"({"method":"request_state"})", {}, {}, static_cast<std::uint32_t>(asked)});
}

void SessionRuntime::ask_for_states(const std::vector<std::string>& ids) {
  for (const auto& id : ids) {
    const auto asked = ask_for_state(id);
    if (asked) continue;
    return log::warning("runtime", "the kernel was not asked for its widgets' values: " + asked.error().message);
  }
}

void SessionRuntime::models_there_are(const std::string& comm_info) {
  const auto comms = comms_in(comm_info);
  if (!comms) return taken_up_models_.cannot_say();
  const auto changed = taken_up_models_.compare(*comms, [this](const std::string& id) { return models_.has(id); });
  for (const auto& id : changed.gone) {
    writes_.flush(id);
    tell_kernel_models(models_.close(id), 0);
    keeping_.model_gone(id);
  }
  if (changed.too_many) {
    log::warning("runtime", "the kernel has more widgets than a notebook may: it is not asked for the rest");
  }
  ask_for_states(changed.found);
  keeping_.models_noted();
}

// The answer has all of its state; what a callback sets before is a part.
bool SessionRuntime::found_after_all(const plugin::RuntimeEvent& event) const {
  if (event.kind != plugin::RuntimeEventKind::comm_message || !taken_up_models_.awaited(event.name)) return false;
  const auto data = json::parse(event.json, {std::size_t{64} << 20, 128, 1'000'000, false});
  const auto* state = data ? data->find("state") : nullptr;
  return state != nullptr && state->find("_model_name") != nullptr;
}

// A model's `open` comes before what names it: that waits until the kernel has said which it has, and all behind it.
bool SessionRuntime::held_back(plugin::RuntimeEvent& event) {
  using Kind = plugin::RuntimeEventKind;
  if (taken_up_models_.settled() || no_more_held_) return false;
  const bool output = event.kind == Kind::output || event.kind == Kind::update;
  if (held_.empty()) {
    const auto named = output ? model_named_by(event.json) : std::string();
    if (named.empty() || models_.has(named)) return false;
    held_long_enough_.start(held_at_most, [this] { held_is_over(); });
  } else if (!output && event.kind != Kind::stream && event.kind != Kind::clear && event.kind != Kind::finished) {
    return false;
  }
  const bool fitted = held_bytes_ <= most_held_bytes;
  held_bytes_ += event.json.size() + event.text.size();
  held_.push_back(std::move(event));
  if (fitted && held_bytes_ > most_held_bytes) {  // not from within the batch that is being gone through
    held_long_enough_.cancel();
    held_long_enough_.start(std::chrono::milliseconds(0), [this] { held_is_over(); });
  }
  return true;
}

void SessionRuntime::held_is_over() {
  if (show_held()) after_events();
}

bool SessionRuntime::show_held() {
  if (held_.empty()) return true;
  held_long_enough_.cancel();
  no_more_held_ = true;
  held_bytes_ = 0;
  const auto alive = alive_;
  for (auto& event : std::exchange(held_, {})) {
    on_event(event);
    if (!*alive) return false;
  }
  return true;
}

}  // namespace lectern::runtime
