#include "document/notebook_document.hpp"

#include <set>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"
#include "document/json_text.hpp"
#include "document/notebook_state.hpp"
#include "document/position.hpp"

namespace lectern::document {
namespace {

// What the host kept for itself has no bound but memory.
constexpr json::Limits kSidecarLimits{std::size_t{1} << 31U, 8, 10'000'000, true};

tl::unexpected<Error> malformed(std::string what) {
  return fail(422, "malformed", std::move(what));
}

// Of any size: the file's own limit was kept when it was read, and widgets save megabytes.
Status check_object(std::string_view json, const std::string& where) {
  std::string normal;
  if (const auto outcome = Engine::normalize_json(json, normal); !outcome)
    return malformed(where + ": " + outcome.message);
  if (!normal.starts_with('{')) return malformed(where + " must be a JSON object");
  return {};
}

Status check_cell(const CellInput& cell, const std::string& where, const DocumentLimits& limits) {
  if (cell.id.empty() || cell.id.size() > 256) return malformed(where + " has no id of 1 to 256 bytes");
  if (cell.cell_type != "code" && cell.cell_type != "markdown" && cell.cell_type != "raw") {
    return malformed(where + " has the unknown cell type \"" + text::label(cell.cell_type, 40) + "\"");
  }
  if (cell.source.size() > limits.max_source_bytes) return fail(413, "too_large", where + " has too much source");
  if (!text::valid_utf8(cell.source) || !text::valid_utf8(cell.id)) return malformed(where + " is not UTF-8");
  LECTERN_CHECK(check_object(cell.metadata_json, where + ".metadata"));
  return check_object(cell.attachments_json, where + ".attachments");
}

Status check_input(const NotebookInput& input, const DocumentLimits& limits) {
  if (input.cells.size() > limits.max_cells) return fail(413, "too_large", "the notebook has too many cells");
  LECTERN_CHECK(check_object(input.metadata_json, "the notebook's metadata"));
  std::set<std::string_view> ids;
  for (std::size_t i = 0; i < input.cells.size(); ++i) {
    const auto where = "cells[" + std::to_string(i) + "]";
    LECTERN_CHECK(check_cell(input.cells[i], where, limits));
    if (!ids.insert(input.cells[i].id).second)
      return malformed(where + " repeats the id \"" + input.cells[i].id + "\"");
  }
  return {};
}

std::vector<Cell> cells_of(const NotebookInput& input) {
  std::vector<Cell> cells;
  cells.reserve(input.cells.size());
  auto positions = positions_for(input.cells.size());
  for (std::size_t i = 0; i < input.cells.size(); ++i) {
    const auto& from = input.cells[i];
    Cell cell;
    cell.id = from.id;
    cell.cell_type = from.cell_type;
    cell.position = std::move(positions[i]);
    cell.source = from.source;
    cell.metadata_json = from.metadata_json;
    cell.attachments_json = from.attachments_json;
    cell.execution_count_json = from.execution_count_json;
    cell.source_length = text::code_points(from.source);
    cell.source_version = 1;
    cells.push_back(std::move(cell));
  }
  return cells;
}

// The text kept beside the document where it still means what the document says, key by key.
std::string restored(const std::string& kept, const std::string& said) {
  std::string text = kept;
  for (const auto& member : json_text::members(kept)) {
    const std::array<std::string, 1> path{member.key};
    if (!json_text::find(said, member.key)) text = json_text::without(text, path);
  }
  for (const auto& member : json_text::members(said)) {
    const std::array<std::string, 1> path{member.key};
    const auto known = json_text::find(text, member.key);
    if (!known || !same_json(*known, member.value)) text = json_text::with(text, path, member.value);
  }
  return text;
}

Status restore(LiveCells& cells, std::string_view sidecar) {
  if (sidecar.empty()) return {};
  const auto parsed = json::parse(sidecar, kSidecarLimits);
  if (!parsed) return malformed("the sidecar of the document is not JSON: " + parsed.error().message);
  const auto take = [&](const json::Value& holder, const std::string& cell_id) {
    const auto text = [&](std::string_view key) {
      const auto* value = holder.find(key);
      return value != nullptr && value->is_string() ? *value->as_string() : std::string("{}");
    };
    auto kept = text("metadata"), attachments = text("attachments");
    const auto* said = cells.metadata_of(cell_id);
    if (!cell_id.empty()) cells.set_attachments(cell_id, attachments);
    const bool current = said != nullptr && same_json(kept, *said);
    if (said != nullptr) cells.set_metadata_text(cell_id, current ? kept : restored(kept, *said));
    if (!current) cells.expect(cell_id, std::move(kept), std::move(attachments));
  };
  take(*parsed, "");
  const auto* entries = parsed->find("cells");
  if (entries == nullptr || !entries->is_object()) return {};
  for (const auto& [id, entry] : *entries->as_object()) {
    if (!id.empty()) take(entry, id);
  }
  return {};
}

}  // namespace

Result<std::string> actor_bytes(std::string_view actor) {
  auto bytes = text::from_hex(actor);
  if (!bytes || bytes->empty() || bytes->size() > 128) {
    return fail(400, "invalid_actor", "an actor is 1 to 128 bytes as lower-case hex digits");
  }
  return std::move(*bytes);
}

NotebookDocument::NotebookDocument(std::unique_ptr<State> state) : state_(std::move(state)) {}
NotebookDocument::NotebookDocument(NotebookDocument&&) noexcept = default;
NotebookDocument& NotebookDocument::operator=(NotebookDocument&&) noexcept = default;
NotebookDocument::~NotebookDocument() = default;

Result<NotebookDocument> NotebookDocument::import(const NotebookInput& input, std::string_view import_actor,
                                                  const DocumentLimits& limits) {
  LECTERN_CHECK(check_input(input, limits));
  LECTERN_TRY(const auto actor, actor_bytes(import_actor));
  std::string error;
  auto engine = Engine::create(error);
  if (!engine) return fail(500, "document_failed", error);
  auto cells = cells_of(input);
  auto outcome = engine->begin(actor, {});
  for (const auto& member : json_text::members(input.metadata_json)) {
    const std::array<std::string, 1> path{member.key};
    if (outcome) outcome = engine->set_metadata("", path, std::string(member.value));
  }
  for (const auto& cell : cells) {
    if (outcome) outcome = engine->create_cell(cell);
  }
  std::vector<Chunk> chunks;
  if (outcome) outcome = engine->commit(chunks, nullptr);
  if (!outcome) return fail(500, "document_failed", "the document could not be built: " + outcome.message);

  auto state = std::make_unique<State>(std::move(*engine), limits);
  state->cells.reset(std::move(cells), input.metadata_json);
  LECTERN_CHECK(state->advance(std::move(chunks)));
  return NotebookDocument(std::move(state));
}

Result<NotebookDocument> NotebookDocument::load(std::string_view save_bytes, std::string_view sidecar,
                                                const DocumentLimits& limits) {
  std::string error;
  auto engine = Engine::load(save_bytes, error);
  if (!engine) return fail(422, "malformed_document", "the saved document does not load: " + error);
  std::vector<Cell> cells;
  std::string metadata;
  for (const auto& outcome : {engine->snapshot(cells), engine->notebook_metadata(metadata)}) {
    if (!outcome) return fail(422, "malformed_document", "the saved document does not read: " + outcome.message);
  }
  for (auto& cell : cells) cell.source_version = 1;
  auto state = std::make_unique<State>(std::move(*engine), limits);
  state->base = save_bytes;
  state->work.materialised = cells.size();
  state->cells.reset(std::move(cells), std::move(metadata));
  LECTERN_CHECK(restore(state->cells, sidecar));
  LECTERN_CHECK(state->advance({}));
  return NotebookDocument(std::move(state));
}

const std::vector<const Cell*>& NotebookDocument::cells() const {
  return state_->cells.ordered();
}
const Cell* NotebookDocument::find_cell(std::string_view cell_id) const {
  return state_->cells.find(cell_id);
}
const std::string& NotebookDocument::metadata_json() const {
  return state_->cells.metadata_json();
}
std::uint64_t NotebookDocument::version() const {
  return state_->version;
}
const std::vector<ChangeHash>& NotebookDocument::heads() const {
  return state_->heads;
}
bool NotebookDocument::contains(const ChangeHash& hash) const {
  state_->settle();
  return state_->engine.contains(hash);
}
std::uint64_t NotebookDocument::operations() const {
  state_->settle();
  return state_->engine.operations();
}
const DocumentLimits& NotebookDocument::limits() const {
  return state_->limits;
}
const DocumentWork& NotebookDocument::work() const {
  return state_->work;
}

std::optional<std::vector<ChangeHash>> NotebookDocument::heads_at(std::uint64_t version) const {
  const auto& kept = state_->versions;
  if (version > state_->version || state_->version - version >= kept.size()) return std::nullopt;
  return kept[kept.size() - 1 - (state_->version - version)];
}

Result<std::string> NotebookDocument::save() {
  state_->settle();
  std::string bytes;
  if (const auto outcome = state_->engine.save(bytes); !outcome) return state_->recovered(outcome, "saving");
  state_->base = bytes;
  state_->recent.clear();
  state_->recent_bytes = 0;
  return bytes;
}

std::string NotebookDocument::sidecar() const {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("metadata", metadata_json()).key("cells").begin_object();
  for (const auto* cell : cells()) {
    if (cell->metadata_json == "{}" && cell->attachments_json == "{}") continue;
    writer.key(cell->id).begin_object();
    writer.member("metadata", cell->metadata_json).member("attachments", cell->attachments_json).end_object();
  }
  writer.end_object().end_object();
  return out;
}

Result<std::vector<std::string>> NotebookDocument::changes_since(std::span<const ChangeHash> heads) {
  state_->settle();
  std::vector<Chunk> chunks;
  const auto outcome = state_->engine.changes_since(heads, chunks);
  if (outcome.status == LAM_NOT_FOUND) {
    return fail(404, "unknown_heads", outcome.message, "start a sync session or take the whole document");
  }
  if (!outcome) return state_->recovered(outcome, "reading the changes");
  std::vector<std::string> bytes;
  bytes.reserve(chunks.size());
  for (auto& chunk : chunks) bytes.push_back(std::move(chunk.bytes));
  return bytes;
}

Result<std::vector<ChangeInfo>> NotebookDocument::inspect_changes(std::span<const std::string> chunks,
                                                                  const DocumentLimits& limits) {
  LECTERN_CHECK(check_count(chunks.size(), limits));
  std::vector<ChangeInfo> infos(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const auto outcome = Engine::inspect(chunks[i], limits, infos[i]);
    if (!outcome) return fail(unreadable(outcome, i));
  }
  return infos;
}

}  // namespace lectern::document
