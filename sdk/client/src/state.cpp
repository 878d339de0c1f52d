#include "state.hpp"

#include <algorithm>
#include <unordered_map>

#include "utf8.hpp"

namespace lectern::client {

std::string text_of(const Json& output) {
  const auto joined = [](const Json& value, std::string_view between) {
    if (const auto* text = value.as_string()) return *text;
    std::string out;
    if (const auto* lines = value.as_array()) {
      for (const auto& line : *lines) {
        out += line.text();
        out += between;
      }
    }
    return out;
  };
  if (output["output_type"].text() == "error") return joined(output["traceback"], "\n");
  const auto* text = output.find("text");
  return joined(text != nullptr ? *text : output["data"]["text/plain"], "");
}

std::string Cell::text() const {
  std::string out;
  for (const auto& output : outputs) out += text_of(output);
  return out;
}

const Cell* Notebook::find(std::string_view cell_id) const {
  const auto at = std::find_if(cells.begin(), cells.end(), [&](const Cell& cell) { return cell.id == cell_id; });
  return at == cells.end() ? nullptr : &*at;
}
Cell* Notebook::find(std::string_view cell_id) {
  return const_cast<Cell*>(std::as_const(*this).find(cell_id));
}

std::vector<Comm> Notebook::comms() const {
  std::vector<Comm> out;
  out.reserve(models.size());
  for (const auto& [id, model] : models) out.push_back({id, model});
  std::sort(out.begin(), out.end(), [](const Comm& a, const Comm& b) { return a.model.seq < b.model.seq; });
  return out;
}

namespace state {
namespace {

constexpr std::size_t max_cells = 200'000;
constexpr std::size_t max_inputs = 1'000;

Json object_or_empty(const Json& value) {
  return value.is_object() ? value : Json(Json::Object{});
}

Person person(const Json& value) {
  return {value["client_id"].text(), value["label"].text(), value["device"].text()};
}

Result<Cell> cell_from(const Json& value) {
  if (!value["id"].is_string() || !value["cell_type"].is_string() || !value["source"].is_string()) {
    return bad_answer("a cell without id, cell_type or source");
  }
  Cell cell;
  cell.id = value["id"].text();
  cell.cell_type = value["cell_type"].text();
  cell.source = value["source"].text();
  cell.metadata = object_or_empty(value["metadata"]);
  return cell;
}

void set_path(Json& target, const Json::Array& path, const Json& value) {
  auto* at = &target;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    auto* inner = at->find(path[i].text());
    if (inner == nullptr || !inner->is_object()) {
      at->set(path[i].text(), Json::Object{});
      inner = at->find(path[i].text());
    }
    at = inner;
  }
  if (value.is_null()) {
    at->erase(path.back().text());
  } else {
    at->set(path.back().text(), value);
  }
}

void place(Notebook& notebook, Cell cell, const Json& change) {
  auto& cells = notebook.cells;
  const auto of = [&](const Json& id) {
    const auto* found = id.is_string() ? notebook.find(id.text()) : nullptr;
    return found == nullptr ? cells.end() : cells.begin() + (found - cells.data());
  };
  auto at = of(change["before"]);
  if (at == cells.end()) {
    at = of(change["after"]);
    if (at != cells.end()) ++at;
  }
  cells.insert(at, std::move(cell));
}

Status reorder(Notebook& notebook, const Json& change) {
  const auto* ids = change["cell_ids"].as_array();
  if (ids == nullptr) return bad_answer("reorder_cells without cell_ids");
  std::unordered_map<std::string, std::size_t> order;
  for (const auto& id : *ids) order.emplace(id.text(), order.size());
  const auto rank = [&](const Cell& cell) {
    const auto at = order.find(cell.id);
    return at == order.end() ? order.size() : at->second;
  };
  std::stable_sort(notebook.cells.begin(), notebook.cells.end(),
                   [&](const Cell& a, const Cell& b) { return rank(a) < rank(b); });
  return {};
}

Status set_metadata(Json& metadata, const Json& change) {
  const auto* path = change["path"].as_array();
  if (path == nullptr || path->empty() || path->size() > 64 ||
      !std::all_of(path->begin(), path->end(), [](const Json& key) { return key.is_string(); })) {
    return bad_answer("set_metadata without a path");
  }
  set_path(metadata, *path, change["value"]);
  return {};
}

Status splice(std::string& source, const Json& change) {
  const auto index = change["index"].integer(), remove = change["delete"].integer();
  if (!index || !remove || *index < 0 || *remove < 0 || !change["insert"].is_string()) {
    return bad_answer("splice_source without index, delete or insert");
  }
  const auto from = utf8::offset(source, static_cast<std::uint64_t>(*index));
  const auto to = utf8::offset(source, static_cast<std::uint64_t>(*remove), from);
  source.replace(from, to - from, change["insert"].text());
  return {};
}

Status create(Notebook& notebook, const Json& change) {
  if (notebook.cells.size() >= max_cells) return bad_answer("more than " + std::to_string(max_cells) + " cells");
  auto value = change;
  value.set("id", change["cell_id"]);
  if (!value["source"].is_string()) value.set("source", "");
  auto cell = cell_from(value);
  if (!cell) return cell.error();
  place(notebook, std::move(*cell), change);
  return {};
}

Status change_cell(Notebook& notebook, Cell& cell, const std::string& kind, const Json& change) {
  if (kind == "delete_cell" || kind == "move_cell") {
    const auto at = notebook.cells.begin() + (&cell - notebook.cells.data());
    Cell moved = std::move(cell);
    notebook.cells.erase(at);
    if (kind == "move_cell") place(notebook, std::move(moved), change);
    return {};
  }
  if (kind == "splice_source") return splice(cell.source, change);
  if (kind == "set_metadata") return set_metadata(cell.metadata, change);
  if (kind == "set_source" || kind == "set_cell_type") {
    const auto& value = change[kind == "set_source" ? "source" : "cell_type"];
    if (!value.is_string()) return bad_answer(kind + " without its text");
    (kind == "set_source" ? cell.source : cell.cell_type) = value.text();
  }
  return {};
}

Status change_notebook(Notebook& notebook, const Json& change) {
  const auto* kind = change["type"].as_string();
  if (kind == nullptr) return bad_answer("a change without a type");
  if (*kind == "reorder_cells") return reorder(notebook, change);
  const auto& id = change["cell_id"];
  if (*kind == "set_metadata" && id.is_null()) return set_metadata(notebook.metadata, change);
  if (!id.is_string()) return bad_answer(*kind + " without a cell_id");
  auto* cell = notebook.find(id.text());
  if (*kind == "create_cell") return cell == nullptr ? create(notebook, change) : Status();
  return cell == nullptr ? Status() : change_cell(notebook, *cell, *kind, change);
}

Status append_text(Json& output, const Json& change) {
  if (!change["text"].is_string()) return bad_answer("append_text without text");
  if (auto* text = output.find("text"); text != nullptr && text->is_string()) {
    *text->as_string() += change["text"].text();
  } else {
    output.set("text", text_of(output) + change["text"].text());
  }
  return {};
}

Status change_outputs(Cell& cell, const Json& change) {
  const auto kind = change["op"].text();
  if (kind == "clear") {
    cell.outputs.clear();
    return {};
  }
  if (kind == "append") {
    if (!change["output"].is_object()) return bad_answer("append without an output");
    cell.outputs.push_back(change["output"]);
    return {};
  }
  if (kind != "replace" && kind != "append_text") return {};
  const auto index = change["index"].integer();
  if (!index || *index < 0 || static_cast<std::uint64_t>(*index) >= cell.outputs.size()) {
    return bad_answer(kind + " of output " + change["index"].dump() + " of " + std::to_string(cell.outputs.size()));
  }
  auto& output = cell.outputs[static_cast<std::size_t>(*index)];
  if (kind == "append_text") return append_text(output, change);
  if (!change["output"].is_object()) return bad_answer("replace without an output");
  output = change["output"];
  return {};
}

Status cell_op(Notebook& notebook, const Json& data) {
  if (!data["cell_id"].is_string()) return bad_answer("cell-op without a cell_id");
  auto* cell = notebook.find(data["cell_id"].text());
  if (cell == nullptr) return {};
  if (data["status"].is_string()) cell->status = data["status"].text();
  if (data.find("execution_count") != nullptr) cell->execution_count = data["execution_count"].integer();
  if (const auto* changes = data["outputs"].as_array()) {
    for (const auto& change : *changes) {
      if (auto done = change_outputs(*cell, change); !done) return done;
    }
  }
  return {};
}

Status transaction(Notebook& notebook, const Json& data) {
  const auto& made = data["transaction"];
  const auto version = made["version"].integer();
  if (!version || *version < 0) return bad_answer("a transaction without a version");
  return edit(notebook, made["changes"], static_cast<std::uint64_t>(*version));
}

void room(Notebook& notebook, const Json& data) {
  const auto& editor = data["editor"];
  notebook.editor = editor.is_object() ? std::optional(person(editor)) : std::nullopt;
  notebook.members.clear();
  if (const auto* members = data["members"].as_array()) {
    for (const auto& member : *members) notebook.members.push_back(person(member));
  }
}

void kernel(Notebook& notebook, const Json& data) {
  notebook.kernel = data["state"].text();
  notebook.runtime = data["runtime"].text();
}

Status input_request(Notebook& notebook, const Json& data) {
  if (!data["request_id"].is_string()) return bad_answer("input-request without a request_id");
  const auto id = data["request_id"].text();
  std::erase_if(notebook.inputs, [&](const InputRequest& one) { return one.request_id == id; });
  if (notebook.inputs.size() >= max_inputs) return bad_answer("too many input requests");
  notebook.inputs.push_back({id, data["prompt"].text(), data["password"].boolean().value_or(false)});
  return {};
}

/// Puts buffers where the sender of `state` took them out. What leads nowhere is left out.
void put_buffers(Json& state, const Json& paths, const Json& buffers) {
  for (std::size_t i = 0; i < std::min(paths.size(), buffers.size()); ++i) {
    Json* place = &state;
    const auto& path = paths[i];
    for (std::size_t step = 0; place != nullptr && step < path.size(); ++step) {
      if (auto* list = place->as_array()) {
        const auto index = path[step].integer();
        const bool inside = index && *index >= 0 && static_cast<std::size_t>(*index) < list->size();
        place = inside ? &(*list)[static_cast<std::size_t>(*index)] : nullptr;
        continue;
      }
      const auto* key = path[step].as_string();
      if (key == nullptr || !place->is_object()) {
        place = nullptr;
      } else {
        if (step + 1 == path.size() && place->find(*key) == nullptr) place->set(*key, nullptr);
        place = place->find(*key);
      }
    }
    if (place != nullptr && path.size() > 0) *place = Json().set("$base64", buffers[i]);
  }
}

Status model(Notebook& notebook, const Json& data) {
  const auto& message = data["message"];
  if (!data["model_id"].is_string() || !message["method"].is_string()) {
    return bad_answer("model-lifecycle without a model_id or a method");
  }
  const auto id = data["model_id"].text(), method = message["method"].text();
  if (method == "close") {
    notebook.models.erase(id);
    return {};
  }
  if (method == "open") {  // one opened again is the newest
    notebook.models[id] = {++notebook.models_opened, {}, message["target"].text(), data["cell_id"].text(), 0};
  }
  const auto found = notebook.models.find(id);
  if (const auto revision = data["revision"].integer(); found != notebook.models.end() && revision && *revision > 0) {
    found->second.revision = static_cast<std::uint64_t>(*revision);
  }
  auto state = message["state"];
  put_buffers(state, message["buffer_paths"], data["buffers"]);
  const auto* members = state.as_object();
  if ((method == "open" || method == "update") && found != notebook.models.end() && members != nullptr) {
    for (const auto& [key, value] : *members) found->second.state.insert_or_assign(key, value);
  }
  return {};
}

}  // namespace

bool ended(std::string_view status) {
  return status == "idle" || status == "error" || status == "cancelled";
}

Error bad_answer(std::string what) {
  return {0, "bad_answer", "the host sent " + std::move(what), "is it a Lectern host of this version?", {}};
}

Status begin(Notebook& notebook, const Json& ready) {
  room(notebook, ready["room"]);
  kernel(notebook, ready["kernel"]);
  notebook.inputs.clear();
  if (ready["replay"].text() != "snapshot") return {};
  const auto& sent = ready["notebook"];
  const auto* cells = sent["cells"].as_array();
  const auto version = sent["version"].integer();
  if (cells == nullptr || !version || *version < 0) return bad_answer("a snapshot without cells or version");
  if (cells->size() > max_cells) return bad_answer("more than " + std::to_string(max_cells) + " cells");
  notebook.cells.clear();
  notebook.models.clear();
  notebook.metadata = object_or_empty(sent["metadata"]);
  notebook.version = static_cast<std::uint64_t>(*version);
  for (const auto& value : *cells) {
    auto cell = cell_from(value);
    if (!cell) return cell.error();
    notebook.cells.push_back(std::move(*cell));
  }
  return {};
}

Result<bool> wrote(Notebook& notebook, const Json& body, const Json& revision) {
  const auto found = notebook.models.find(body["model_id"].text());
  const auto now = revision.integer();
  if (!now || *now < 0) return bad_answer("an answer to a write without its revision");
  if (found == notebook.models.end()) return true;
  if (static_cast<std::uint64_t>(*now) < found->second.revision) return false;
  const auto data = Json()
                        .set("model_id", body["model_id"])
                        .set("revision", revision)
                        .set("message", body["message"])
                        .set("buffers", body["buffers"]);
  if (auto done = model(notebook, data); !done) return done.error();
  return true;
}

Status apply(Notebook& notebook, std::string_view op, const Json& data) {
  if (op == "cell-op") return cell_op(notebook, data);
  if (op == "notebook-document-transaction") return transaction(notebook, data);
  if (op == "model-lifecycle") return model(notebook, data);
  if (op == "input-request") return input_request(notebook, data);
  if (op == "room-state") room(notebook, data);
  if (op == "kernel-status") kernel(notebook, data);
  if (op == "save-state") notebook.save_state = data["state"].text();
  if (op == "input-done") {
    std::erase_if(notebook.inputs,
                  [&](const InputRequest& one) { return one.request_id == data["request_id"].text(); });
  }
  return {};
}

Status edit(Notebook& notebook, const Json& changes, std::uint64_t version) {
  if (const auto* list = changes.as_array()) {
    for (const auto& change : *list) {
      if (auto done = change_notebook(notebook, change); !done) return done;
    }
  }
  notebook.version = std::max(notebook.version, version);
  return {};
}

}  // namespace state
}  // namespace lectern::client
