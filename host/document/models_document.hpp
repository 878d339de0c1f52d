// Widget models as an Automerge document: nteract's comms schema (a map `comms`, one map per model) and its frozen
// first change. Knows nothing of what a model is; session/models_feed.hpp says what stands in it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "document/change_hash.hpp"

namespace lectern::document {

/// Everything [reactor]. A failure of the engine (500 `document_engine`) ends the document: make a new one.
class ModelsDocument {
 public:
  static Result<ModelsDocument> create();
  ModelsDocument(ModelsDocument&&) noexcept;
  ModelsDocument& operator=(ModelsDocument&&) noexcept;
  ~ModelsDocument();

  /// Sets the JSON value at `path` below `comms` (the first key is a model's id), or removes the key; in the next
  /// commit. 400 `malformed` when the engine takes no such value (nested past 64 levels): nothing is changed then.
  Status set(std::span<const std::string> path, const std::optional<std::string>& value_json);
  /// One raw change of everything set since the last one; empty when that was nothing.
  Result<std::string> commit();

  Result<std::string> save();
  [[nodiscard]] std::vector<ChangeHash> heads();
  /// 404 `unknown_heads` when one of them is not of this document.
  Result<std::vector<std::string>> changes_since(std::span<const ChangeHash> heads);

  /// One peer's sync conversation.
  class Sync {
   public:
    Sync(Sync&&) noexcept;
    Sync& operator=(Sync&&) noexcept;
    ~Sync();

   private:
    friend class ModelsDocument;
    struct State;
    explicit Sync(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
  };
  [[nodiscard]] static Sync start_sync();
  /// Takes what the peer says it has; changes it brings along are left out. 400 `malformed_sync`.
  Status receive(Sync& sync, std::string_view message);
  /// What there is to say to the peer; empty when nothing.
  Result<std::string> next_message(Sync& sync);

 private:
  struct State;
  explicit ModelsDocument(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace lectern::document
