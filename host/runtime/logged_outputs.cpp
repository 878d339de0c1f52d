#include "runtime/logged_outputs.hpp"

#include <utility>

#include "lectern/sdk/json_slice.hpp"
#include "runtime/output_text.hpp"

namespace lectern::runtime {
namespace slice = sdk::json;
namespace {

/// What is added to a stream all the time is not composed all the time.
bool take_apart(LoggedOutputs::Output& output) {
  if (!output.name.empty()) return true;
  const auto name = slice::text(slice::member(output.shown, "name"));
  if (name != "stdout" && name != "stderr") return false;
  output.text = slice::text(slice::member(output.shown, "text"));
  output.name = name;
  output.shown.clear();
  return true;
}

LoggedOutputs::Output* told_output(LoggedOutputs::Cell& cell, std::string_view op) {
  const auto index = slice::integer(slice::member(op, "index"));
  const bool there = index && *index >= 0 && static_cast<std::uint64_t>(*index) < cell.outputs.size();
  return there ? &cell.outputs[static_cast<std::size_t>(*index)] : nullptr;
}

bool apply_one(LoggedOutputs::Cell& cell, std::string_view op) {
  const auto kind = slice::text(slice::member(op, "op"));
  if (kind == "clear") {
    cell.outputs.clear();
    cell.cut = false;
    cell.execution_count.reset();  // it was the last run's; a number that still counts is told with the clear
  } else if (kind == "append") {
    cell.outputs.push_back({std::string(slice::member(op, "output")), {}, {}});
  } else if (kind == "replace") {
    auto* old = told_output(cell, op);
    if (old == nullptr) return false;
    *old = {std::string(slice::member(op, "output")), {}, {}};
  } else if (kind == "append_text") {
    auto* stream = told_output(cell, op);
    if (stream == nullptr || !take_apart(*stream)) return false;
    stream->text += slice::text(slice::member(op, "text"));
  } else if (kind == "cut") {
    cell.cut = true;
  } else {
    return false;
  }
  return true;
}

std::string lost_line(std::string_view what) {
  return stream_output("stderr",
                       "\n[Lectern: " + std::string(what) + " was lost: the host ended before it was saved]\n");
}

}  // namespace

bool LoggedOutputs::apply(const std::string& cell_id, std::string_view op) {
  auto& slot = cells_.try_emplace(cell_id, std::in_place).first->second;
  if (!slot) return false;
  bool fits = slice::valid(op) && slice::is_object(slice::trim(op)), dropped = false;
  if (fits) {
    slice::each_item(slice::member(op, "outputs"), [&](std::string_view one) {
      dropped = slice::text(slice::member(one, "op")) == "drop";
      return fits = dropped || apply_one(*slot, one);
    });
  }
  const auto count = slice::integer(slice::member(op, "execution_count"));
  if (count) slot->execution_count = count;
  if (dropped) {
    cells_.erase(cell_id);
  } else if (!fits) {
    slot.reset();
  }
  return fits;
}

std::map<std::string, const LoggedOutputs::Cell*> LoggedOutputs::cells() const {
  std::map<std::string, const Cell*> out;
  for (const auto& [id, cell] : cells_) {
    if (cell) out.emplace(id, &*cell);
  }
  return out;
}

Result<std::string> outputs_for_file(const LoggedOutputs::Cell& cell, const BlobStore& blobs) {
  std::string out = "[";
  Status unreadable;
  const auto add = [&](const std::string& shown) {
    const auto text = output_for_file(shown, blobs);
    if (!text && text.error().code == "blob_unreadable") unreadable = fail(text.error());
    if (out.size() > 1) out += ',';
    out += text ? *text : *output_for_file(lost_line("an output of this cell"), blobs);  // a line of ours names no blob
  };
  for (const auto& output : cell.outputs) {
    add(output.name.empty() ? output.shown : stream_output(output.name, output.text));
  }
  if (cell.cut) add(lost_line("what this cell said after this"));
  LECTERN_CHECK(unreadable);
  return out += ']';
}

}  // namespace lectern::runtime
