// What the cells of a session show: whose output it is, how it is told, and what joiners and the file are given of it.
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "runtime/session_runtime.hpp"

namespace lectern::runtime {
namespace {

using Kind = plugin::RuntimeEventKind;

}  // namespace

// Of a run that is long over its models still know it.
const std::string* SessionRuntime::cell_of(std::uint64_t execution) const {
  const auto* cell = executions_->cell_of(execution);
  if (cell == nullptr) cell = models_.cell_of_run(execution);
  return cell != nullptr ? cell : taken_up_models_.cell_of_run(execution);
}

const std::string* SessionRuntime::target_cell(std::uint64_t execution) const {
  if (const auto* cell = cell_of(execution)) return cell;
  return last_cell_.empty() ? nullptr : &last_cell_;
}

void SessionRuntime::on_output(plugin::RuntimeEvent& event) {
  if (event.kind == Kind::update) {
    outputs_.update_display(event.name, event.json);
    captured_.outputs().update_display(event.name, event.json);
    return;
  }
  const auto widget = captured_.widget(event.execution);
  auto& store = widget.empty() ? outputs_ : captured_.outputs();
  const auto* cell = target_cell(event.execution);
  if (widget.empty() && cell == nullptr) return;
  const std::string target(widget.empty() ? std::string_view(*cell) : widget);
  if (event.kind == Kind::stream) {
    store.stream(target, event.name, event.text);
  } else if (event.kind == Kind::clear) {
    store.clear(target, event.value != 0);
  } else if (const auto added = store.add(target, event.json, event.name); !added) {
    log::warning("runtime", added.error().message);
  }
}

void SessionRuntime::flush_outputs(std::string_view but_not) {
  for (const auto& cell_id : outputs_.changed_cells()) {
    if (cell_id == but_not) continue;
    const auto it = cells_.find(cell_id);
    const auto state = it == cells_.end() ? CellState{} : it->second;
    const auto ops = outputs_.take_ops(cell_id);
    // What comes after the end of a run comes from a callback: it belongs to no run.
    if (!ops.empty()) tell_cell(cell_id, state, ops, state.status == RunStatus::running);
  }
}

void SessionRuntime::tell_cell(const std::string& cell_id, const CellState& state, std::string_view ops,
                               bool with_execution, std::string_view reason) {
  std::string data;
  data.reserve(ops.size() + 200);
  json::Writer writer(data);
  writer.begin_object().member("cell_id", std::string_view(cell_id));
  if (with_execution && !state.execution_id.empty()) {
    writer.member("execution_id", std::string_view(state.execution_id));
  }
  writer.member("status", run_status_name(state.status));
  if (state.execution_count) writer.member("execution_count", *state.execution_count);
  if (!reason.empty()) writer.member("reason", reason);
  writer.member_raw("outputs", ops.empty() ? std::string_view("[]") : ops).end_object();
  listener_.on_cell_op(cell_id, std::move(data), !ops.empty() || state.execution_count.has_value());
}

void SessionRuntime::clear_outputs(const std::vector<std::string>& cells) {
  for (const auto& cell_id : cells.empty() ? outputs_.cells() : cells) outputs_.clear(cell_id, false);
  flush_outputs();
}

bool SessionRuntime::reload(const std::string& cell_id, std::shared_ptr<const void> keeps,
                            std::string_view outputs_json, std::int64_t count) {
  const auto it = cells_.find(cell_id);
  if (it != cells_.end() && (it->second.status == RunStatus::running || it->second.status == RunStatus::queued)) {
    return false;
  }
  flush_outputs();
  outputs_.erase(cell_id);
  outputs_.load(cell_id, std::move(keeps), outputs_json);
  if (it != cells_.end()) cells_.erase(it);
  file_counts_.erase(cell_id);
  if (count >= 0) file_counts_[cell_id] = count;
  return true;
}

CellView SessionRuntime::cell_view(const std::string& cell_id) {
  flush_outputs();
  CellView view;
  view.cell_id = cell_id;
  if (const auto it = cells_.find(cell_id); it != cells_.end()) {
    view.ran = true;
    view.execution_id = it->second.execution_id;
    view.status = it->second.status;
  }
  view.execution_count = execution_count(cell_id);
  view.outputs = outputs_.view(cell_id);
  return view;
}

void SessionRuntime::give_out_under(const std::string& url) {
  outputs_.give_out_under(url);
  captured_.outputs().give_out_under(url);
}

std::optional<Task> SessionRuntime::whole_output(std::string_view id) {
  for (const auto* store : {&outputs_, &captured_.outputs()}) {
    if (!store->has_whole(id)) continue;
    auto task = store->whole_up_to_date(id);
    return task ? std::move(task) : Task([] {});
  }
  return std::nullopt;
}

}  // namespace lectern::runtime
