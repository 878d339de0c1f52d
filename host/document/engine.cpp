#include "document/engine.hpp"

#include <cstring>

namespace lectern::document {
namespace {

class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { lam_buffer_free(&raw_); }
  lam_buffer* get() { return &raw_; }
  [[nodiscard]] std::string_view view() const {
    return raw_.size == 0 ? std::string_view{} : std::string_view{reinterpret_cast<const char*>(raw_.data), raw_.size};
  }

 private:
  lam_buffer raw_{};
};

lam_slice slice(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::vector<lam_slice> slices(std::span<const std::string> texts) {
  std::vector<lam_slice> out;
  out.reserve(texts.size());
  for (const auto& text : texts) out.push_back(slice(text));
  return out;
}

std::string string(lam_slice text) {
  return text.size == 0 ? std::string{} : std::string{reinterpret_cast<const char*>(text.data), text.size};
}

ChangeHash hash(const lam_hash& raw) {
  ChangeHash out;
  std::memcpy(out.bytes.data(), raw.bytes, sizeof raw.bytes);
  return out;
}

std::vector<lam_hash> raw_hashes(std::span<const ChangeHash> hashes) {
  std::vector<lam_hash> out(hashes.size());
  for (std::size_t i = 0; i < hashes.size(); ++i) std::memcpy(out[i].bytes, hashes[i].bytes.data(), 32);
  return out;
}

lam_limits raw_limits(const DocumentLimits& limits) {
  return {limits.max_chunk_bytes, limits.max_inflated_bytes, limits.max_ops_per_change};
}

std::uint64_t count_code_points(std::string_view utf8) {
  std::uint64_t count = 0;
  for (const char c : utf8) count += (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  return count;
}

Cell cell(const lam_cell& raw) {
  Cell out;
  out.id = string(raw.id);
  out.cell_type = string(raw.cell_type);
  out.position = string(raw.position);
  out.source = string(raw.source);
  out.metadata_json = string(raw.metadata);
  out.attachments_json = "{}";
  out.execution_count_json = string(raw.execution_count);
  out.source_length = count_code_points(out.source);
  return out;
}

// Sinks cannot let an exception cross: out of memory ends the process here, as it would a line later.
struct Collected {
  std::vector<Patch>* patches = nullptr;
  std::vector<Chunk>* chunks = nullptr;
  std::vector<ChangeHash> missing;
};

void on_patch(void* context, const lam_patch* patch) noexcept {
  Patch out;
  out.kind = patch->kind;
  out.cell_id = string(patch->cell_id);
  out.key = string(patch->key);
  if (patch->text.data != nullptr) out.text = string(patch->text);
  out.index = patch->index;
  out.delete_count = patch->delete_count;
  if (patch->cell != nullptr) out.cell = cell(*patch->cell);
  static_cast<Collected*>(context)->patches->push_back(std::move(out));
}

void on_chunk(void* context, const lam_hash* name, lam_slice bytes) noexcept {
  static_cast<Collected*>(context)->chunks->push_back({hash(*name), string(bytes)});
}

void on_missing(void* context, const lam_hash* name, lam_slice) noexcept {
  static_cast<Collected*>(context)->missing.push_back(hash(*name));
}

void on_cell(void* context, const lam_cell* raw) noexcept {
  static_cast<std::vector<Cell>*>(context)->push_back(cell(*raw));
}

void on_sync_chunk(void* context, const lam_hash*, lam_slice bytes) noexcept {
  static_cast<std::vector<std::string>*>(context)->push_back(string(bytes));
}

std::string hex(lam_slice bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (std::uint64_t i = 0; i < bytes.size; ++i) {
    out.push_back(digits[bytes.data[i] >> 4]);
    out.push_back(digits[bytes.data[i] & 15]);
  }
  return out;
}

void on_line(void* context, std::uint64_t group, lam_slice actor) noexcept {
  static_cast<std::vector<LineAuthor>*>(context)->push_back({group, hex(actor)});
}

void fill(ChangeInfo& out, const lam_change_info& info) {
  out.hash = hash(info.hash);
  out.actor = hex(info.actor);
  out.message = string(info.message);
  out.deps.clear();
  for (std::uint64_t i = 0; i < info.dep_count; ++i) out.deps.push_back(hash(info.deps[i]));
  out.seq = info.seq;
  out.start_op = info.start_op;
  out.op_count = info.op_count;
}

void on_info(void* context, const lam_change_info* info) noexcept {
  fill(*static_cast<ChangeInfo*>(context), *info);
}

void on_infos(void* context, const lam_change_info* info) noexcept {
  fill(static_cast<std::vector<ChangeInfo>*>(context)->emplace_back(), *info);
}

Outcome ended(lam_status status, const Buffer& error) {
  Outcome outcome;
  outcome.status = status;
  outcome.message = error.view();
  return outcome;
}

}  // namespace

std::optional<Engine> Engine::create(std::string& error) {
  Buffer text;
  auto* doc = lam_new(text.get());
  error = text.view();
  if (doc == nullptr) return std::nullopt;
  return Engine(doc);
}

std::optional<Engine> Engine::create_models(std::string& error) {
  Buffer text;
  auto* doc = lam_models_new(text.get());
  error = text.view();
  if (doc == nullptr) return std::nullopt;
  return Engine(doc);
}

std::optional<Engine> Engine::load(std::string_view bytes, std::string& error) {
  Buffer text;
  auto* doc = lam_load(slice(bytes), text.get());
  error = text.view();
  if (doc == nullptr) return std::nullopt;
  return Engine(doc);
}

Outcome Engine::save(std::string& out) {
  Buffer bytes, error;
  const auto status = lam_save(doc_.get(), bytes.get(), error.get());
  out = bytes.view();
  return ended(status, error);
}

Outcome Engine::heads(std::vector<ChangeHash>& out) {
  Buffer bytes, error;
  const auto status = lam_heads(doc_.get(), bytes.get(), error.get());
  out.clear();
  for (std::size_t at = 0; at + 32 <= bytes.view().size(); at += 32) {
    ChangeHash head;
    std::memcpy(head.bytes.data(), bytes.view().data() + at, 32);
    out.push_back(head);
  }
  return ended(status, error);
}

bool Engine::contains(const ChangeHash& name) {
  lam_hash raw;
  std::memcpy(raw.bytes, name.bytes.data(), 32);
  return lam_contains(doc_.get(), &raw) == LAM_OK;
}

Outcome Engine::changes_since(std::span<const ChangeHash> heads, std::vector<Chunk>& out) {
  Buffer error;
  Collected collected;
  collected.chunks = &out;
  const auto raw = raw_hashes(heads);
  return ended(lam_changes_since(doc_.get(), raw.data(), raw.size(), on_chunk, &collected, error.get()), error);
}

Outcome Engine::snapshot(std::vector<Cell>& out) {
  Buffer error;
  return ended(lam_snapshot(doc_.get(), on_cell, &out, error.get()), error);
}

Outcome Engine::notebook_metadata(std::string& out) {
  Buffer text, error;
  const auto status = lam_notebook_metadata(doc_.get(), text.get(), error.get());
  out = text.view();
  return ended(status, error);
}

Outcome Engine::snapshot_at(std::span<const ChangeHash> heads, std::vector<Cell>& out) {
  Buffer error;
  const auto raw = raw_hashes(heads);
  return ended(lam_snapshot_at(doc_.get(), raw.data(), raw.size(), on_cell, &out, error.get()), error);
}

Outcome Engine::blame(std::string_view cell_id, std::span<const std::vector<ChangeHash>> groups,
                      std::vector<LineAuthor>& out) {
  Buffer error;
  std::vector<lam_hash> heads;
  std::vector<std::uint64_t> counts;
  for (const auto& group : groups) {
    const auto raw = raw_hashes(group);
    heads.insert(heads.end(), raw.begin(), raw.end());
    counts.push_back(raw.size());
  }
  return ended(
      lam_blame(doc_.get(), slice(cell_id), heads.data(), counts.data(), counts.size(), on_line, &out, error.get()),
      error);
}

Outcome Engine::normalize_json(std::string_view json, std::string& out) {
  Buffer text, error;
  const auto status = lam_normalize_json(slice(json), text.get(), error.get());
  out = text.view();
  return ended(status, error);
}

Outcome Engine::inspect(std::string_view chunk, const DocumentLimits& limits, ChangeInfo& out) {
  Buffer error;
  const auto raw = raw_limits(limits);
  return ended(lam_inspect(slice(chunk), &raw, on_info, &out, error.get()), error);
}

Outcome Engine::scan(std::string_view chunk, const DocumentLimits& limits, std::uint64_t& operations) {
  Buffer error;
  const auto raw = raw_limits(limits);
  return ended(lam_scan(slice(chunk), &raw, &operations, error.get()), error);
}

Outcome Engine::read(std::span<const std::string_view> chunks, const DocumentLimits& limits,
                     std::vector<ChangeInfo>& infos, Changes& out) {
  Buffer error;
  std::vector<lam_slice> raw;
  raw.reserve(chunks.size());
  for (const auto chunk : chunks) raw.push_back(slice(chunk));
  infos.clear();
  infos.reserve(chunks.size());
  const auto bounds = raw_limits(limits);
  lam_changes* read = nullptr;
  const auto status = lam_changes_read(raw.data(), raw.size(), &bounds, on_infos, &infos, &read, error.get());
  out.reset(read);
  return ended(status, error);
}

Outcome Engine::apply(Changes changes, bool verify, std::vector<Patch>* patches) {
  Buffer error;
  Collected collected;
  collected.patches = patches;
  auto outcome = ended(lam_apply(doc_.get(), changes.get(), verify ? 1 : 0, on_missing,
                                 patches != nullptr ? on_patch : nullptr, &collected, error.get()),
                       error);
  outcome.missing = std::move(collected.missing);
  return outcome;
}

Outcome Engine::apply(std::span<const std::string_view> chunks, const DocumentLimits& limits) {
  std::vector<ChangeInfo> infos;
  Changes changes;
  if (auto outcome = read(chunks, limits, infos, changes); !outcome) return outcome;
  return apply(std::move(changes), false, nullptr);
}

Outcome Engine::begin(std::string_view actor_bytes, std::span<const ChangeHash> heads) {
  Buffer error;
  const auto raw = raw_hashes(heads);
  return ended(lam_begin(doc_.get(), slice(actor_bytes), raw.data(), raw.size(), error.get()), error);
}

Outcome Engine::create_cell(const Cell& made) {
  Buffer error;
  const lam_cell raw{slice(made.id),
                     slice(made.cell_type),
                     slice(made.position),
                     slice(made.source),
                     slice(made.execution_count_json),
                     slice(made.metadata_json),
                     slice("{}"),
                     slice("{}")};
  return ended(lam_create_cell(doc_.get(), &raw, error.get()), error);
}

Outcome Engine::delete_cell(std::string_view cell_id) {
  Buffer error;
  return ended(lam_delete_cell(doc_.get(), slice(cell_id), error.get()), error);
}

Outcome Engine::set_field(std::string_view cell_id, std::string_view key, std::string_view value) {
  Buffer error;
  return ended(lam_set_field(doc_.get(), slice(cell_id), slice(key), slice(value), error.get()), error);
}

Outcome Engine::splice(std::string_view cell_id, std::uint64_t index, std::uint64_t delete_count,
                       std::string_view insert) {
  Buffer error;
  return ended(lam_splice_source(doc_.get(), slice(cell_id), index, delete_count, slice(insert), error.get()), error);
}

Outcome Engine::set_metadata(std::string_view cell_id, std::span<const std::string> path,
                             const std::optional<std::string>& value) {
  Buffer error;
  const auto raw = slices(path);
  const lam_slice json = value ? slice(*value) : lam_slice{nullptr, 0};
  return ended(lam_set_metadata(doc_.get(), slice(cell_id), raw.data(), raw.size(), json, error.get()), error);
}

Outcome Engine::set_model(std::span<const std::string> path, const std::optional<std::string>& value) {
  Buffer error;
  const auto raw = slices(path);
  const lam_slice json = value ? slice(*value) : lam_slice{nullptr, 0};
  return ended(lam_set_model(doc_.get(), raw.data(), raw.size(), json, error.get()), error);
}

Outcome Engine::commit(std::vector<Chunk>& chunks, std::vector<Patch>* patches) {
  Buffer error;
  Collected collected;
  collected.chunks = &chunks;
  collected.patches = patches;
  return ended(
      lam_commit(doc_.get(), slice(""), on_chunk, patches != nullptr ? on_patch : nullptr, &collected, error.get()),
      error);
}

void Engine::rollback() {
  lam_rollback(doc_.get());
}

Outcome Engine::sync_generate(lam_sync* sync, std::span<const ChangeHash> held, std::span<const ChangeHash> missing,
                              std::string& out) {
  Buffer bytes, error;
  const auto raw_held = raw_hashes(held), raw_missing = raw_hashes(missing);
  const auto status = lam_sync_generate(doc_.get(), sync, raw_held.data(), raw_held.size(), raw_missing.data(),
                                        raw_missing.size(), bytes.get(), error.get());
  out = bytes.view();
  return ended(status, error);
}

Outcome Engine::sync_changes(std::string_view message, const DocumentLimits& limits, std::vector<std::string>& out) {
  Buffer error;
  const auto raw = raw_limits(limits);
  return ended(lam_sync_changes(slice(message), &raw, on_sync_chunk, &out, error.get()), error);
}

Outcome Engine::sync_receive(lam_sync* sync, std::string_view message, const DocumentLimits& limits) {
  Buffer error;
  const auto raw = raw_limits(limits);
  return ended(lam_sync_receive(doc_.get(), sync, slice(message), &raw, error.get()), error);
}

}  // namespace lectern::document
