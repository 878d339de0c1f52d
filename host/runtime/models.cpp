#include "runtime/models.hpp"

#include <algorithm>
#include <functional>
#include <iterator>

#include "base/text.hpp"

namespace lectern::runtime {

struct ModelStore::Model {
  struct Held {
    json::Value path;  // array of keys and indexes
    Buffer bytes;
  };
  std::string id, target, cell_id;
  std::uint64_t seq = 0, revision = 0, execution = 0;
  json::Object state;
  std::vector<Held> buffers;
};

namespace {

constexpr std::string_view widget_target = "jupyter.widget";
constexpr std::size_t max_path = 32;

std::vector<Buffer> shared(std::vector<std::string> buffers) {
  std::vector<Buffer> out;
  out.reserve(buffers.size());
  for (auto& buffer : buffers) out.push_back(std::make_shared<const std::string>(std::move(buffer)));
  return out;
}

Status check_size(const ModelLimits& limits, std::size_t json_bytes, const std::vector<std::string>& buffers) {
  std::size_t bytes = json_bytes;
  for (const auto& buffer : buffers) bytes += buffer.size();
  if (buffers.size() > limits.buffers) {
    return fail(413, "too_large",
                "a model message carries " + std::to_string(buffers.size()) + " buffers; at most " +
                    std::to_string(limits.buffers) + " are taken");
  }
  if (bytes > limits.message_bytes) {
    return fail(413, "too_large",
                "a model message of " + std::to_string(bytes) + " bytes; at most " +
                    std::to_string(limits.message_bytes) + " are taken");
  }
  return {};
}

/// Where the path leads inside the state. A buffer's own place may be absent: ipywidgets takes dict entries out and
/// leaves null for list items.
Status check_path(const json::Object& state, const json::Value& path, std::size_t index) {
  const auto where = "message.buffer_paths[" + std::to_string(index) + "]";
  const auto* steps = path.as_array();
  if (steps == nullptr || steps->empty() || steps->size() > max_path || !steps->front().is_string()) {
    return fail(json::error_at(where, " must be a list that begins with a key of the state"));
  }
  const json::Value* at = nullptr;
  for (std::size_t i = 0; i < steps->size(); ++i) {
    const auto& step = (*steps)[i];
    const bool last = i + 1 == steps->size();
    const json::Value* next = nullptr;
    if (const auto* key = step.as_string(); key != nullptr && (i == 0 || (at != nullptr && at->is_object()))) {
      if (i == 0) {
        const auto it =
            std::find_if(state.begin(), state.end(), [&](const auto& entry) { return entry.first == *key; });
        next = it == state.end() ? nullptr : &it->second;
      } else {
        next = at->find(*key);
      }
    } else if (const auto number = step.as_uint(); number && at != nullptr && at->is_array()) {
      if (*number < at->as_array()->size()) next = &(*at->as_array())[*number];
      if (next == nullptr) return fail(json::error_at(where, " leads past the end of a list"));
    } else {
      return fail(json::error_at(where + "[" + std::to_string(i) + "]", " fits nothing in the state"));
    }
    if (!last && next == nullptr) return fail(json::error_at(where, " leads nowhere in the state"));
    at = next;
  }
  return {};
}

Status check_paths(const json::Object& state, const json::Value* paths, std::size_t buffers) {
  static const json::Array none;
  const auto* list = &none;
  if (paths != nullptr && !paths->is_null()) {
    list = paths->as_array();
    if (list == nullptr) return fail(json::error_at("message.buffer_paths", " must be an array"));
  }
  if (list->size() != buffers) {
    return fail(
        json::error_at("message.buffer_paths",
                       " names " + std::to_string(list->size()) + " places for " + std::to_string(buffers) + " buffers",
                       "give one path per buffer, in the same order"));
  }
  for (std::size_t i = 0; i < list->size(); ++i) LECTERN_CHECK(check_path(state, (*list)[i], i));
  return {};
}

json::Value paths_or_empty(const json::Value* paths) {
  return paths != nullptr && paths->is_array() ? *paths : json::Value(json::Array{});
}

}  // namespace

std::string_view model_method_name(ModelMethod method) {
  switch (method) {
    case ModelMethod::open:
      return "open";
    case ModelMethod::update:
      return "update";
    case ModelMethod::custom:
      return "custom";
    case ModelMethod::close:
      break;
  }
  return "close";
}

std::string ModelEvent::data(bool inline_buffers) const {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("model_id", std::string_view(model_id)).member("revision", revision);
  if (!origin.empty()) writer.member("origin", std::string_view(origin));
  if (!cell_id.empty()) writer.member("cell_id", std::string_view(cell_id));
  writer.key("message").value(message).key("buffers").begin_array();
  if (inline_buffers) {
    for (const auto& buffer : buffers) writer.string(text::to_base64(*buffer));
  }
  writer.end_array().end_object();
  return out;
}

std::string ClientWrite::kernel_data() const {
  return to_kernel.data.empty() ? json::write(event.message) : to_kernel.data;
}

ModelStore::ModelStore(ModelLimits limits) : limits_(limits) {}

ModelStore::Model* ModelStore::find(std::string_view model_id) const {
  const auto it = by_id_.find(model_id);
  return it == by_id_.end() ? nullptr : it->second.get();
}

bool ModelStore::has(std::string_view model_id) const {
  return find(model_id) != nullptr;
}

namespace {

/// A patch replaces whole top-level keys, and with each key the buffers that lay under it.
template <class Model>
bool patch(Model& model, const json::Object& state, const json::Value& paths, const std::vector<Buffer>& buffers) {
  bool changed = !buffers.empty();
  for (const auto& [key, value] : state) {
    const auto it = std::find_if(model.state.begin(), model.state.end(),
                                 [&name = key](const auto& entry) { return entry.first == name; });
    if (it == model.state.end()) {
      model.state.emplace_back(key, value);
      changed = true;
    } else if (!(it->second == value)) {
      it->second = value;
      changed = true;
    }
  }
  const auto root_of = [](const json::Value& path) { return *path.as_array()->front().as_string(); };
  const auto replaced = [&](const std::string& root) {
    return std::any_of(state.begin(), state.end(), [&](const auto& entry) { return entry.first == root; }) ||
           std::any_of(paths.as_array()->begin(), paths.as_array()->end(),
                       [&](const json::Value& path) { return root_of(path) == root; });
  };
  changed |= std::erase_if(model.buffers, [&](const auto& held) { return replaced(root_of(held.path)); }) > 0;
  for (std::size_t i = 0; i < buffers.size(); ++i) model.buffers.push_back({(*paths.as_array())[i], buffers[i]});
  return changed;
}

template <class Model>
ModelEvent open_event(const Model& model) {
  ModelEvent event;
  event.method = ModelMethod::open;
  event.model_id = model.id;
  event.revision = model.revision;
  event.cell_id = model.cell_id;
  event.execution = model.execution;
  json::Array paths;
  for (const auto& held : model.buffers) {
    paths.push_back(held.path);
    event.buffers.push_back(held.bytes);
  }
  event.message.set("method", "open");
  event.message.set("target", model.target);
  event.message.set("state", model.state);
  event.message.set("buffer_paths", std::move(paths));
  return event;
}

template <class Model>
ModelEvent custom_event(const Model& model, const json::Value& content, std::vector<Buffer> buffers) {
  ModelEvent event;
  event.method = ModelMethod::custom;
  event.model_id = model.id;
  event.revision = model.revision;
  event.cell_id = model.cell_id;
  event.message.set("method", "custom");
  event.message.set("content", content);
  event.buffers = std::move(buffers);
  return event;
}

template <class Model>
ModelEvent update_event(const Model& model, const json::Object& state, json::Value paths, std::vector<Buffer> buffers) {
  ModelEvent event;
  event.method = ModelMethod::update;
  event.model_id = model.id;
  event.revision = model.revision;
  event.cell_id = model.cell_id;
  event.message.set("method", "update");
  event.message.set("state", state);
  event.message.set("buffer_paths", std::move(paths));
  event.buffers = std::move(buffers);
  return event;
}

}  // namespace

Result<ModelEvent> ModelStore::open(std::string_view model_id, std::string_view target, std::string_view data_json,
                                    std::vector<std::string> buffers, std::string_view cell_id, std::uint64_t execution,
                                    std::uint64_t revision) {
  LECTERN_CHECK(check_size(limits_, data_json.size(), buffers));
  if (by_id_.size() >= limits_.models && !has(model_id)) {
    return fail(413, "too_large", "the session holds " + std::to_string(limits_.models) + " models already");
  }
  LECTERN_TRY(const auto data, json::parse(data_json, {limits_.message_bytes, 128, 1'000'000, false}));
  auto model = std::make_shared<Model>();
  model->id = model_id;
  model->target = target;
  model->cell_id = cell_id;
  const auto* state = data.find("state");
  const auto* members = state != nullptr ? state->as_object() : nullptr;
  if (members != nullptr) {
    LECTERN_CHECK(check_paths(*members, data.find("buffer_paths"), buffers.size()));
    patch(*model, *members, paths_or_empty(data.find("buffer_paths")), shared(std::move(buffers)));
  }
  // The same id again is a new model; what was there is gone without a close of its own.
  if (const auto* old = find(model_id)) forget(*old);
  model->seq = next_seq_++;
  model->revision = revision;
  model->execution = cell_id.empty() ? 0 : execution;
  if (model->execution != 0) {
    auto& run = runs_[execution];
    run.cell_id = cell_id;
    ++run.models;
  }
  by_id_[model->id] = model;
  by_seq_[model->seq] = model;
  return open_event(*model);
}

Result<std::vector<ModelEvent>> ModelStore::message(std::string_view model_id, std::string_view data_json,
                                                    std::vector<std::string> buffers) {
  auto* model = find(model_id);
  if (model == nullptr) return std::vector<ModelEvent>{};
  LECTERN_CHECK(check_size(limits_, data_json.size(), buffers));
  LECTERN_TRY(const auto data, json::parse(data_json, {limits_.message_bytes, 128, 1'000'000, false}));
  const auto method = json::string_or_empty(data, "method");
  if (method == "echo_update") return std::vector<ModelEvent>{};
  if (method == "update") {
    const auto* state = data.find("state");
    if (state == nullptr || !state->is_object()) return fail(400, "bad_request", "data.state must be an object");
    const auto paths = paths_or_empty(data.find("buffer_paths"));
    LECTERN_CHECK(check_paths(*state->as_object(), &paths, buffers.size()));
    auto held = shared(std::move(buffers));
    if (!patch(*model, *state->as_object(), paths, held)) return std::vector<ModelEvent>{};
    ++model->revision;
    return std::vector{update_event(*model, *state->as_object(), paths, std::move(held))};
  }
  // Comms that are no widgets have messages of their own shape: they are passed on whole.
  const auto* content = data.find("content");
  const bool widget = method == "custom" && content != nullptr;
  return std::vector{custom_event(*model, widget ? *content : data, shared(std::move(buffers)))};
}

std::vector<ModelEvent> ModelStore::close(std::string_view model_id) {
  const auto it = by_id_.find(model_id);
  if (it == by_id_.end()) return {};
  ModelEvent event;
  event.method = ModelMethod::close;
  event.model_id = it->second->id;
  event.revision = it->second->revision + 1;
  event.cell_id = it->second->cell_id;
  event.message.set("method", "close");
  forget(*it->second);
  by_id_.erase(it);
  return {std::move(event)};
}

/// Of everything but by_id_, which keeps it.
void ModelStore::forget(const Model& model) {
  by_seq_.erase(model.seq);
  const auto run = runs_.find(model.execution);
  if (run != runs_.end() && --run->second.models == 0) runs_.erase(run);
}

std::vector<ModelEvent> ModelStore::close_all() {
  std::vector<ModelEvent> events;
  while (!by_seq_.empty()) {
    for (auto& event : close(by_seq_.begin()->second->id)) events.push_back(std::move(event));
  }
  return events;
}

Result<ClientWrite> ModelStore::client_write(std::string_view model_id, const json::Value& message,
                                             std::vector<std::string> buffers, std::string_view client_id) const {
  const auto* model = find(model_id);
  if (model == nullptr) {
    return fail(404, "model_not_found", "there is no model " + std::string(model_id), "its cell may have run again");
  }
  LECTERN_CHECK(check_size(limits_, 0, buffers));
  const json::Fields fields(message, "message");
  LECTERN_TRY(const auto method, fields.string("method"));
  ClientWrite write;
  write.to_kernel.comm_id = model->id;
  if (method == "custom") {
    const auto* content = message.find("content");
    if (content == nullptr) return fail(json::error_at("message.content", " is missing"));
    write.event = custom_event(*model, *content, shared(std::move(buffers)));
    if (model->target != widget_target) write.to_kernel.data = json::write(*content);
  } else if (method == "update") {
    LECTERN_TRY(const auto* state, fields.object("state"));
    const auto& patched = *state->as_object();
    for (const auto& [key, value] : patched) {
      if (key == "_esm" || key == "_css") {
        return fail(json::error_at("message.state." + key, " comes from the kernel only",
                                   "code and styles of a widget cannot be written by a viewer"));
      }
    }
    auto paths = paths_or_empty(message.find("buffer_paths"));
    LECTERN_CHECK(check_paths(patched, message.find("buffer_paths"), buffers.size()));
    for (const auto& path : *paths.as_array()) {
      if (const auto& key = *path.as_array()->front().as_string(); key == "_esm" || key == "_css") {
        return fail(json::error_at("message.buffer_paths", " leads to " + key + ", which comes from the kernel only",
                                   "code and styles of a widget cannot be written by a viewer"));
      }
    }
    write.event = update_event(*model, patched, std::move(paths), shared(std::move(buffers)));
  } else {
    return fail(json::error_at("message.method", " must be \"update\" or \"custom\""));
  }
  write.event.origin = client_id;
  return write;
}

void ModelStore::apply(ClientWrite& write) {
  auto& event = write.event;
  auto* model = find(event.model_id);
  if (model == nullptr) return;
  if (event.method == ModelMethod::update) {
    patch(*model, *event.message.find("state")->as_object(), *event.message.find("buffer_paths"), event.buffers);
    ++model->revision;
  }
  event.revision = model->revision;
}

void join(ClientWrite& earlier, ClientWrite later) {
  auto& to = earlier.event;
  auto& state = *to.message.find("state")->as_object();
  auto& paths = *to.message.find("buffer_paths")->as_array();
  auto& new_state = *later.event.message.find("state")->as_object();
  auto& new_paths = *later.event.message.find("buffer_paths")->as_array();
  const auto root_of = [](const json::Value& path) { return *path.as_array()->front().as_string(); };
  const auto replaced = [&](const std::string& key) {
    return std::any_of(new_state.begin(), new_state.end(), [&](const auto& entry) { return entry.first == key; }) ||
           std::any_of(new_paths.begin(), new_paths.end(), [&](const auto& path) { return root_of(path) == key; });
  };
  std::erase_if(state, [&](const auto& entry) { return replaced(entry.first); });
  for (std::size_t i = paths.size(); i-- > 0;) {
    if (!replaced(root_of(paths[i]))) continue;
    paths.erase(paths.begin() + static_cast<std::ptrdiff_t>(i));
    to.buffers.erase(to.buffers.begin() + static_cast<std::ptrdiff_t>(i));
  }
  std::move(new_state.begin(), new_state.end(), std::back_inserter(state));
  std::move(new_paths.begin(), new_paths.end(), std::back_inserter(paths));
  std::move(later.event.buffers.begin(), later.event.buffers.end(), std::back_inserter(to.buffers));
  to.revision = later.event.revision;
}

std::optional<ModelEvent> ModelStore::host_write(std::string_view model_id, std::string_view key, json::Value value) {
  auto* model = find(model_id);
  if (model == nullptr) return std::nullopt;
  json::Object patched;
  patched.emplace_back(std::string(key), std::move(value));
  const json::Value paths{json::Array{}};
  if (!patch(*model, patched, paths, {})) return std::nullopt;
  ++model->revision;
  return update_event(*model, patched, paths, {});
}

std::vector<ModelEvent> ModelStore::snapshot() const {
  std::vector<ModelEvent> events;
  events.reserve(by_seq_.size());
  for (const auto& [seq, model] : by_seq_) events.push_back(open_event(*model));
  return events;
}

std::optional<ModelEvent> ModelStore::as_open(std::string_view model_id) const {
  const auto* model = find(model_id);
  return model == nullptr ? std::nullopt : std::optional(open_event(*model));
}

const std::string* ModelStore::cell_of_run(std::uint64_t execution) const {
  const auto it = runs_.find(execution);
  return it == runs_.end() ? nullptr : &it->second.cell_id;
}

std::vector<std::string> ModelStore::ids() const {
  std::vector<std::string> out;
  out.reserve(by_seq_.size());
  for (const auto& [seq, model] : by_seq_) out.push_back(model->id);
  return out;
}

std::optional<ModelStore::View> ModelStore::view(std::string_view model_id) const {
  const auto* model = find(model_id);
  if (model == nullptr) return std::nullopt;
  View out{model->target, model->cell_id, model->seq, model->revision, {}};
  for (const auto& [key, value] : model->state) out.keys.push_back(key);
  for (const auto& held : model->buffers) {
    const auto& root = *held.path.as_array()->front().as_string();
    if (std::find(out.keys.begin(), out.keys.end(), root) == out.keys.end()) out.keys.push_back(root);
  }
  return out;
}

namespace {

/// Puts `what` where `path` leads, from its second step on. The paths of a store lead somewhere (check_path).
void put_at(json::Value& root, const json::Array& path, json::Value what) {
  auto* at = &root;
  for (std::size_t i = 1; i < path.size(); ++i) {
    const bool last = i + 1 == path.size();
    if (const auto* key = path[i].as_string()) {
      if (last) return at->set(*key, std::move(what));
      at = at->find(*key);
    } else {
      auto* list = at->as_array();
      const auto index = path[i].as_uint().value_or(0);
      at = list != nullptr && index < list->size() ? &(*list)[index] : nullptr;
      if (last && at != nullptr) break;
    }
    if (at == nullptr) return;
  }
  *at = std::move(what);
}

}  // namespace

json::Value ModelStore::state_at(std::string_view model_id, std::string_view key,
                                 const std::function<json::Value(const Buffer&)>& place) const {
  const auto* model = find(model_id);
  if (model == nullptr) return {};
  json::Value out;
  for (const auto& [name, value] : model->state) {
    if (name == key) out = value;
  }
  for (const auto& held : model->buffers) {
    const auto& path = *held.path.as_array();
    if (*path.front().as_string() == key) put_at(out, path, place(held.bytes));
  }
  return out;
}

}  // namespace lectern::runtime
