#include "document/models_document.hpp"

#include <utility>

#include "base/crypto.hpp"
#include "document/engine.hpp"

namespace lectern::document {
namespace {

Error failed(const Outcome& outcome) {
  return {500, "document_engine", "the document of the widget models failed: " + outcome.message, "", ""};
}

}  // namespace

struct ModelsDocument::State {
  Engine engine;
  std::string actor = crypto::random_bytes(16);
  bool editing = false;
};

struct ModelsDocument::Sync::State {
  Engine::SyncHandle handle{lam_sync_new()};
};

ModelsDocument::ModelsDocument(std::unique_ptr<State> state) : state_(std::move(state)) {}
ModelsDocument::ModelsDocument(ModelsDocument&&) noexcept = default;
ModelsDocument& ModelsDocument::operator=(ModelsDocument&&) noexcept = default;
ModelsDocument::~ModelsDocument() = default;
ModelsDocument::Sync::Sync(std::unique_ptr<State> state) : state_(std::move(state)) {}
ModelsDocument::Sync::Sync(Sync&&) noexcept = default;
ModelsDocument::Sync& ModelsDocument::Sync::operator=(Sync&&) noexcept = default;
ModelsDocument::Sync::~Sync() = default;

Result<ModelsDocument> ModelsDocument::create() {
  Outcome outcome;
  auto engine = Engine::create_models(outcome.message);
  if (!engine) return fail(failed(outcome));
  return ModelsDocument(std::make_unique<State>(State{std::move(*engine)}));
}

Status ModelsDocument::set(std::span<const std::string> path, const std::optional<std::string>& value_json) {
  if (!state_->editing) {
    if (const auto begun = state_->engine.begin(state_->actor, {}); !begun) return fail(failed(begun));
    state_->editing = true;
  }
  const auto done = state_->engine.set_model(path, value_json);
  if (done.status == LAM_MALFORMED || done.status == LAM_TOO_LARGE) return fail(400, "malformed", done.message);
  return done ? Status() : Status(fail(failed(done)));
}

Result<std::string> ModelsDocument::commit() {
  if (!std::exchange(state_->editing, false)) return std::string();
  std::vector<Chunk> chunks;
  if (const auto done = state_->engine.commit(chunks, nullptr); !done) return fail(failed(done));
  return chunks.empty() ? std::string() : std::move(chunks.front().bytes);
}

Result<std::string> ModelsDocument::save() {
  std::string bytes;
  if (const auto done = state_->engine.save(bytes); !done) return fail(failed(done));
  return bytes;
}

std::vector<ChangeHash> ModelsDocument::heads() {
  std::vector<ChangeHash> heads;
  (void)state_->engine.heads(heads);
  return heads;
}

Result<std::vector<std::string>> ModelsDocument::changes_since(std::span<const ChangeHash> heads) {
  std::vector<Chunk> chunks;
  const auto done = state_->engine.changes_since(heads, chunks);
  if (done.status == LAM_NOT_FOUND) return fail(404, "unknown_heads", done.message);
  if (!done) return fail(failed(done));
  std::vector<std::string> out;
  out.reserve(chunks.size());
  for (auto& chunk : chunks) out.push_back(std::move(chunk.bytes));
  return out;
}

ModelsDocument::Sync ModelsDocument::start_sync() {
  return Sync(std::make_unique<Sync::State>());
}

Status ModelsDocument::receive(Sync& sync, std::string_view message) {
  const auto done = state_->engine.sync_receive(sync.state_->handle.get(), message, DocumentLimits{});
  if (done.broken()) return fail(failed(done));
  return done ? Status() : Status(fail(400, "malformed_sync", done.message));
}

Result<std::string> ModelsDocument::next_message(Sync& sync) {
  std::string message;
  if (const auto done = state_->engine.sync_generate(sync.state_->handle.get(), {}, {}, message); !done) {
    return fail(failed(done));
  }
  return message;
}

}  // namespace lectern::document
