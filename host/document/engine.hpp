// The document engine in C++ words: owns the C handles of automerge/include/lectern_automerge.h, copies what its sinks
// are shown, and turns its status codes into Outcomes. Knows nothing of versions, transactions or files.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "document/change_hash.hpp"
#include "document/notebook_document.hpp"
#include "lectern_automerge.h"

namespace lectern::document {

/// How an engine call ended. `status` is a lam_status.
struct Outcome {
  lam_status status = LAM_OK;
  std::string message;
  std::vector<ChangeHash> missing;  // with LAM_MISSING_DEPENDENCY

  explicit operator bool() const { return status == LAM_OK; }
  /// The handle is of no use any more: rebuild the document.
  [[nodiscard]] bool broken() const { return status == LAM_ENGINE || status == LAM_PANIC || status == LAM_POISONED; }
};

/// A lam_patch, copied.
struct Patch {
  std::uint32_t kind = 0;
  std::string cell_id;
  std::string key;
  std::optional<std::string> text;
  std::uint64_t index = 0;
  std::uint64_t delete_count = 0;
  std::optional<Cell> cell;
};

struct Chunk {
  ChangeHash hash;
  std::string bytes;
};

/// Who wrote in a line of a source last. `group`: see Engine::blame.
struct LineAuthor {
  std::uint64_t group = 0;
  std::string actor;  // hex
};

/// Everything is [reactor] or [worker]: whoever owns the document. The statics are [any].
class Engine {
 public:
  /// Null when the engine failed.
  static std::optional<Engine> create(std::string& error);
  /// A document of widget models: of the functions below, those about cells and metadata find nothing in it.
  static std::optional<Engine> create_models(std::string& error);
  static std::optional<Engine> load(std::string_view bytes, std::string& error);

  Outcome save(std::string& out);
  Outcome heads(std::vector<ChangeHash>& out);
  bool contains(const ChangeHash& hash);
  std::uint64_t operations() const { return lam_operations(doc_.get()); }
  Outcome changes_since(std::span<const ChangeHash> heads, std::vector<Chunk>& out);
  Outcome snapshot(std::vector<Cell>& out);
  Outcome notebook_metadata(std::string& out);
  /// The cells as they were at `heads`.
  Outcome snapshot_at(std::span<const ChangeHash> heads, std::vector<Cell>& out);
  /// Line by line who wrote a cell's source. A change belongs to the first of `groups` whose heads lead to it, else to
  /// groups.size().
  Outcome blame(std::string_view cell_id, std::span<const std::vector<ChangeHash>> groups,
                std::vector<LineAuthor>& out);

  static Outcome normalize_json(std::string_view json, std::string& out);
  static Outcome inspect(std::string_view chunk, const DocumentLimits& limits, ChangeInfo& out);
  /// How many operations a chunk would make, found without decoding it; LAM_TOO_LARGE past `limits`.
  static Outcome scan(std::string_view chunk, const DocumentLimits& limits, std::uint64_t& operations);

  struct ChangesFree {
    void operator()(lam_changes* changes) const { lam_changes_free(changes); }
  };
  /// Raw changes that were decoded, for apply(). No document owns them; they may go to another thread.
  using Changes = std::unique_ptr<lam_changes, ChangesFree>;
  /// inspect() for each of `chunks`. On an error `infos` holds those before the one it is about.
  static Outcome read(std::span<const std::string_view> chunks, const DocumentLimits& limits,
                      std::vector<ChangeInfo>& infos, Changes& out);
  /// Applies what was read, which is gone then. `verify` for strangers: changes the document would not give back as
  /// they came are refused. `patches` may be null for a caller that needs none, and is sooner done then.
  Outcome apply(Changes changes, bool verify, std::vector<Patch>* patches);
  /// The same for chunks of the host's own, without patches.
  Outcome apply(std::span<const std::string_view> chunks, const DocumentLimits& limits);

  Outcome begin(std::string_view actor_bytes, std::span<const ChangeHash> heads);
  Outcome create_cell(const Cell& cell);
  Outcome delete_cell(std::string_view cell_id);
  Outcome set_field(std::string_view cell_id, std::string_view key, std::string_view value);
  Outcome splice(std::string_view cell_id, std::uint64_t index, std::uint64_t delete_count, std::string_view insert);
  Outcome set_metadata(std::string_view cell_id, std::span<const std::string> path,
                       const std::optional<std::string>& value);
  /// Of a models document: the value at a path below `comms`.
  Outcome set_model(std::span<const std::string> path, const std::optional<std::string>& value);
  /// Appends the change, if one was made, to `chunks`.
  Outcome commit(std::vector<Chunk>& chunks, std::vector<Patch>* patches);
  void rollback();

  struct SyncFree {
    void operator()(lam_sync* sync) const { lam_sync_free(sync); }
  };
  using SyncHandle = std::unique_ptr<lam_sync, SyncFree>;
  /// `held`, `missing`: see lam_sync_generate.
  Outcome sync_generate(lam_sync* sync, std::span<const ChangeHash> held, std::span<const ChangeHash> missing,
                        std::string& out);
  static Outcome sync_changes(std::string_view message, const DocumentLimits& limits, std::vector<std::string>& out);
  Outcome sync_receive(lam_sync* sync, std::string_view message, const DocumentLimits& limits);

 private:
  struct Free {
    void operator()(lam_doc* doc) const { lam_free(doc); }
  };
  explicit Engine(lam_doc* doc) : doc_(doc) {}
  std::unique_ptr<lam_doc, Free> doc_;
};

}  // namespace lectern::document
