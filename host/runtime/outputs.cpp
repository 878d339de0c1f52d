#include "runtime/outputs.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "runtime/output_text.hpp"
#include "runtime/terminal.hpp"
#include "runtime/whole_output.hpp"

namespace lectern::runtime {
namespace slice = sdk::json;

struct OutputStore::Output {
  Text shown;                          // JSON; null for a stream of ours, whose text is the terminal's
  Text original;                       // the file's own text, when it came from there
  std::unique_ptr<Terminal> terminal;  // a stream of ours
  std::string name;                    // its channel
  std::string display_id;
  std::optional<std::size_t> new_from;  // viewers know the text up to here
  bool replaced = false;                // viewers know an older one

  std::weak_ptr<const std::string> written;  // a stream's JSON, as long as somebody has it

  [[nodiscard]] std::string json() const { return shown ? *shown : stream_output(name, terminal->text()); }
  /// The same, made once for all who ask between two writes.
  Text shared() {
    if (shown) return shown;
    auto text = written.lock();
    if (!text) written = text = std::make_shared<const std::string>(json());
    return text;
  }
};

struct OutputStore::Cell {
  std::string id;
  LoadedPtr loaded;  // the file's outputs, as long as nothing touched them; `outputs` is empty then
  std::vector<Output> outputs;
  std::size_t known = 0;  // so many of them the viewers have
  std::size_t bytes = 0;
  std::unique_ptr<WholeOutput> whole;  // it says more than it shows
  bool clear_next = false;             // clear_output(wait=True)
  bool cleared = false;                // viewers do not know yet
  bool changed = false;                // is in changed_
};

OutputStore::OutputStore(BlobStore& blobs, OutputLimits limits) : blobs_(blobs), limits_(limits) {}
OutputStore::~OutputStore() = default;

OutputStore::Cell& OutputStore::cell(std::string_view cell_id) {
  auto& slot = cells_[std::string(cell_id)];
  if (!slot) {
    slot = std::make_unique<Cell>();
    slot->id = cell_id;
  }
  return *slot;
}

OutputStore::Cell* OutputStore::find(std::string_view cell_id) const {
  const auto it = cells_.find(std::string(cell_id));
  return it == cells_.end() ? nullptr : it->second.get();
}

void OutputStore::note_changed(Cell& cell) {
  if (cell.changed) return;
  cell.changed = true;
  changed_.push_back(cell.id);
}

void OutputStore::load(std::string_view cell_id, Text outputs_json) {
  const auto view = outputs_json ? std::string_view(*outputs_json) : std::string_view();
  load(cell_id, std::move(outputs_json), view);
}

void OutputStore::load(std::string_view cell_id, std::shared_ptr<const void> keeps, std::string_view outputs_json) {
  auto& target = cell(cell_id);
  target = Cell{};
  target.id = cell_id;
  const auto bare = slice::trim(outputs_json);
  if (!bare.empty() && bare != "[]") target.loaded = std::make_shared<LoadedOutputs>(std::move(keeps), outputs_json);
}

Text OutputStore::as_shown(std::string_view output) {
  std::vector<std::string> names;
  auto shown = std::make_shared<const std::string>(shrink_output(output, blobs_, limits_.blob_over, names));
  for (auto& name : names) named_.insert(std::move(name));
  return shown;
}

// The names stay even when the cell has other outputs by now: views of the old ones may still be on their way.
void OutputStore::looked_at(LoadedOutputs& loaded, LoadedOutputs::Look look) {
  for (auto& name : look.named) named_.insert(std::move(name));
  loaded.take(std::move(look.shown));
}

void OutputStore::forget_looks() {
  for (auto& [id, cell] : cells_) {
    if (cell->loaded && cell->loaded.use_count() == 1) cell->loaded->forget();
  }
}

const std::vector<Text>& OutputStore::look(LoadedOutputs& loaded) {
  if (!loaded.looked_at()) looked_at(loaded, loaded.look(blobs_, limits_.blob_over));
  return loaded.shown();
}

/// The outputs stop being the file's as a whole; each keeps its own original.
void OutputStore::touch(Cell& cell) {
  if (!cell.loaded) return;
  const auto loaded = std::exchange(cell.loaded, nullptr);
  for (const auto& shown : look(*loaded)) {
    auto& output = cell.outputs.emplace_back();
    output.shown = shown;
    cell.bytes += shown->size();
  }
  cell.known = cell.outputs.size();
  if (cell.outputs.empty()) return;
  std::size_t at = 0;
  slice::each_item(loaded->json(), [&](std::string_view item) {
    if (slice::is_object(item)) cell.outputs[at++].original = std::make_shared<const std::string>(item);
    return at < cell.outputs.size();
  });
}

void OutputStore::wipe(Cell& cell) {
  for (const auto& output : cell.outputs) {
    if (const auto it = displays_.find(output.display_id); it != displays_.end()) {
      it->second.erase(cell.id);
      if (it->second.empty()) displays_.erase(it);
    }
  }
  const bool had = !cell.outputs.empty() || cell.loaded;
  cell.loaded.reset();
  cell.outputs.clear();
  cell.known = cell.bytes = 0;
  if (cell.whole) cell.whole->discard();
  cell.whole.reset();
  cell.clear_next = false;
  if (!had) return;
  cell.cleared = true;
  note_changed(cell);
}

void OutputStore::begin(std::string_view cell_id) {
  wipe(cell(cell_id));
}

void OutputStore::clear(std::string_view cell_id, bool wait) {
  if (wait) {
    cell(cell_id).clear_next = true;
  } else if (auto* target = find(cell_id)) {
    wipe(*target);
  }
}

void OutputStore::settle(std::string_view cell_id) {
  auto* target = find(cell_id);
  if (target == nullptr || !target->whole) return;
  tell_trouble(*target);
}

std::unique_ptr<WholeOutput> OutputStore::take_whole(std::string_view cell_id) {
  auto* target = find(cell_id);
  return target == nullptr ? nullptr : std::move(target->whole);
}

void OutputStore::give_whole(std::string_view cell_id, std::unique_ptr<WholeOutput> whole) {
  cell(cell_id).whole = std::move(whole);
}

void OutputStore::erase(std::string_view cell_id) {
  auto* target = find(cell_id);
  if (target == nullptr) return;
  wipe(*target);
  std::erase(changed_, target->id);
  cells_.erase(std::string(cell_id));
}

/// How many bytes more the cell shows.
std::size_t OutputStore::room(const Cell& cell) const {
  if (cell.whole || cell.outputs.size() >= limits_.cell_outputs) return 0;
  return limits_.cell_bytes - std::min(cell.bytes, limits_.cell_bytes);
}

void OutputStore::notice(Cell& cell, const std::string& words) {
  Output output;
  output.shown = std::make_shared<const std::string>(stream_output("stderr", "\n[Lectern: " + words + "]\n"));
  append(cell, std::move(output));
}

/// People read the words, programs take the id.
void OutputStore::tell_whole(Cell& cell) {
  const auto id = cell.whole->id();
  const auto words = "[Lectern: this cell's output passed " + std::to_string(limits_.cell_bytes >> 20) + " MiB or " +
                     std::to_string(limits_.cell_outputs) +
                     " pieces. What follows is not shown; all of it is kept, until the cell runs again: " + whole_url_ +
                     id + "]";
  std::string json;
  json::Writer writer(json);
  writer.begin_object().member("output_type", "display_data").key("data").begin_object();
  writer.key(whole_output_type).begin_object().member("id", std::string_view(id)).end_object();
  writer.member("text/plain", std::string_view(words)).end_object();
  writer.key("metadata").begin_object().end_object().end_object();
  named_.insert(id);
  Output output;
  output.shown = std::make_shared<const std::string>(std::move(json));
  append(cell, std::move(output));
}

/// The cell shows no more: what it shows by now goes into the file, then `rest` and all that follows.
void OutputStore::keep_whole(Cell& cell, std::string_view rest) {
  if (!cell.whole) {
    cell.whole = WholeOutput::make(blobs_.directory(), blobs_.workers());
    for (const auto& output : cell.outputs) {
      cell.whole->add(output.terminal ? output.terminal->text() : *output.shown + "\n");
    }
    tell_whole(cell);
  }
  cell.whole->add(rest);
  tell_trouble(cell);
}

void OutputStore::tell_trouble(Cell& cell) {
  if (const auto trouble = cell.whole->trouble(); !trouble.empty()) {
    touch(cell);
    notice(cell, "what follows is lost: " + trouble);
  }
}

void OutputStore::append(Cell& cell, Output output) {
  if (!output.display_id.empty()) displays_[output.display_id].insert(cell.id);
  cell.outputs.push_back(std::move(output));
  note_changed(cell);
}

void OutputStore::stream(std::string_view cell_id, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  auto& target = cell(cell_id);
  if (target.clear_next) wipe(target);
  touch(target);
  std::string clean;
  if (!text::valid_utf8(text)) {
    for (const char c : text) clean += static_cast<unsigned char>(c) < 0x80 ? c : '?';
    text = clean;
  }
  auto shown = std::min(room(target), text.size());
  while (shown > 0 && shown < text.size() && (static_cast<unsigned char>(text[shown]) & 0xC0) == 0x80) --shown;
  if (shown > 0) show_stream(target, name, text.substr(0, shown));
  if (shown < text.size()) keep_whole(target, text.substr(shown));
}

void OutputStore::show_stream(Cell& target, std::string_view name, std::string_view text) {
  target.bytes += text.size();
  auto* last = target.outputs.empty() ? nullptr : &target.outputs.back();
  if (last == nullptr || !last->terminal || last->name != name) {
    Output fresh;
    fresh.name = name == "stderr" ? "stderr" : "stdout";
    fresh.terminal = std::make_unique<Terminal>();
    append(target, std::move(fresh));
    last = &target.outputs.back();
  }
  last->written.reset();
  const auto before = last->terminal->text().size();
  const bool only_grew = last->terminal->write(text);
  const auto after = last->terminal->text().size();
  if (after < before) target.bytes -= std::min(target.bytes, before - after);
  if (target.outputs.size() <= target.known) {
    if (!only_grew) {
      last->replaced = true;
    } else if (!last->new_from) {
      last->new_from = before;
    }
  }
  note_changed(target);
}

Status OutputStore::add(std::string_view cell_id, std::string_view output, std::string_view display_id) {
  if (!slice::is_object(slice::trim(output)) || !slice::valid(output) || !text::valid_utf8(output)) {
    return fail(400, "malformed_output", "an output of cell " + std::string(cell_id) + " is not a JSON object");
  }
  auto& target = cell(cell_id);
  if (target.clear_next) wipe(target);
  touch(target);
  Output fresh;
  fresh.shown = as_shown(slice::trim(output));
  fresh.display_id = display_id;
  if (room(target) < fresh.shown->size()) {
    keep_whole(target, *fresh.shown + "\n");
    return {};
  }
  target.bytes += fresh.shown->size();
  append(target, std::move(fresh));
  return {};
}

std::vector<std::string> OutputStore::update_display(std::string_view display_id, std::string_view output) {
  const auto it = displays_.find(std::string(display_id));
  if (it == displays_.end() || !slice::valid(output) || !text::valid_utf8(output)) return {};
  const auto data = slice::member(output, "data");
  const auto metadata = slice::member(output, "metadata");
  if (!slice::is_object(data) || !slice::is_object(metadata)) return {};
  std::vector<std::string> touched(it->second.begin(), it->second.end());
  for (const auto& cell_id : touched) {
    auto& target = cell(cell_id);
    for (std::size_t i = 0; i < target.outputs.size(); ++i) {
      auto& old = target.outputs[i];
      if (old.display_id != display_id) continue;
      const auto type = slice::text(slice::member(*old.shown, "output_type"));
      const auto count = slice::member(*old.shown, "execution_count");
      std::string next =
          R"({"output_type":")" + type + R"(","data":)" + std::string(data) + R"(,"metadata":)" + std::string(metadata);
      if (!count.empty()) next += R"(,"execution_count":)" + std::string(count);
      auto shown = as_shown(next + "}");
      target.bytes = target.bytes - std::min(target.bytes, old.shown->size()) + shown->size();
      old.shown = std::move(shown);
      old.original.reset();
      if (i < target.known) old.replaced = true;
    }
    note_changed(target);
  }
  return touched;
}

std::string OutputStore::take_ops(std::string_view cell_id) {
  auto* target = find(cell_id);
  if (target == nullptr || !target->changed) return {};
  std::string ops;
  json::Writer writer(ops);
  writer.begin_array();
  if (target->cleared) writer.begin_object().member("op", "clear").end_object();
  for (std::size_t i = 0; i < target->outputs.size(); ++i) {
    auto& output = target->outputs[i];
    if (i >= target->known) {
      writer.begin_object().member("op", "append").member_raw("output", output.json()).end_object();
    } else if (output.replaced) {
      writer.begin_object().member("op", "replace").member("index", std::uint64_t{i});
      writer.member_raw("output", output.json()).end_object();
    } else if (output.new_from) {
      writer.begin_object().member("op", "append_text").member("index", std::uint64_t{i});
      writer.member("text", std::string_view(output.terminal->text()).substr(*output.new_from)).end_object();
    }
    output.replaced = false;
    output.new_from.reset();
  }
  writer.end_array();
  target->known = target->outputs.size();
  target->cleared = target->changed = false;
  std::erase(changed_, target->id);
  return ops == "[]" ? std::string() : ops;
}

std::vector<std::string> OutputStore::changed_cells() const {
  return changed_;
}

bool OutputStore::has_changed(std::string_view cell_id) const {
  return std::find(changed_.begin(), changed_.end(), cell_id) != changed_.end();
}

OutputsView OutputStore::view(std::string_view cell_id) {
  auto* target = find(cell_id);
  if (target == nullptr) return {};
  if (target->loaded) return OutputsView(target->loaded);
  std::vector<Text> texts;
  texts.reserve(target->outputs.size());
  for (auto& output : target->outputs) texts.push_back(output.shared());
  return OutputsView(std::move(texts));
}

std::string OutputStore::shown(std::string_view cell_id) {
  auto* target = find(cell_id);
  if (target == nullptr) return "[]";
  if (target->loaded) look(*target->loaded);
  std::string out = "[";
  const auto now = view(cell_id);
  for (const auto& output : now.outputs()) {
    if (out.size() > 1) out += ',';
    out += *output;
  }
  return out += ']';
}

bool OutputStore::has_outputs(std::string_view cell_id) const {
  const auto* target = find(cell_id);
  return target != nullptr && (target->loaded || !target->outputs.empty());
}

std::size_t OutputStore::bytes(std::string_view cell_id) const {
  const auto* target = find(cell_id);
  if (target == nullptr) return 0;
  return target->loaded ? target->loaded->json().size() : target->bytes;
}

std::vector<std::string> OutputStore::cells() const {
  std::vector<std::string> out;
  for (const auto& [id, cell] : cells_) {
    if (cell->loaded || !cell->outputs.empty()) out.push_back(id);
  }
  return out;
}

SavedOutputs OutputStore::to_nbformat(std::string_view cell_id) const {
  SavedOutputs saved;
  const auto* target = find(cell_id);
  if (target == nullptr) return saved;
  saved.loaded_ = target->loaded;
  if (saved.loaded_) return saved;
  for (const auto& output : target->outputs) {
    if (output.original) {
      saved.pieces_.push_back({output.original, true});
    } else {
      saved.pieces_.push_back({output.shown ? output.shown : std::make_shared<const std::string>(output.json())});
    }
  }
  return saved;
}

Task OutputStore::whole_up_to_date(std::string_view id) const {
  for (const auto& [name, cell] : cells_) {
    if (cell->whole && cell->whole->id() == id) return cell->whole->bring_up_to_date();
  }
  return {};
}

Result<std::string> SavedOutputs::text(const BlobStore& blobs) const {
  if (loaded_) return std::string(loaded_->json());
  std::string out = "[";
  for (const auto& piece : pieces_) {
    if (out.size() > 1) out += ',';
    if (piece.verbatim) {
      out += *piece.text;
    } else {
      LECTERN_TRY(const auto text, output_for_file(*piece.text, blobs));
      out += text;
    }
  }
  return out += ']';
}

}  // namespace lectern::runtime
