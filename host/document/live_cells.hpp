// The notebook as readers see it: cells in order, their text in C++ strings moved by the engine's patches, metadata as
// the JSON text it came with. Every patch is also told as the edit it is, for clients that follow by events.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "document/edit_step.hpp"
#include "document/engine.hpp"
#include "document/source_history.hpp"

namespace lectern::document {

/// Metadata text that a transaction of our own is about to put in place, by cell id ("" for the notebook): the engine
/// tells the value back in its own spelling, and the author's spelling wins when both mean the same.
using StagedMetadata = std::map<std::string, std::string, std::less<>>;

/// [reactor] or, while being built, [worker]: whoever owns the document.
class LiveCells {
 public:
  /// Replaces everything. Cells may come in any order.
  void reset(std::vector<Cell> cells, std::string metadata_json);

  [[nodiscard]] const std::vector<const Cell*>& ordered() const { return order_; }
  [[nodiscard]] const Cell* find(std::string_view id) const;
  /// Whether a stranger may make a cell of this id: one that nbformat allows, or that was here before.
  [[nodiscard]] bool may_make(std::string_view id) const;
  [[nodiscard]] const std::string& metadata_json() const { return metadata_; }
  /// The metadata text of a cell, of the notebook for "".
  [[nodiscard]] const std::string* metadata_of(std::string_view cell_id) const;

  /// How the source of a cell came to be what it is; null for a stranger.
  [[nodiscard]] const SourceHistory* history_of(std::string_view cell_id) const;

  /// What cells (and, as "", the notebook) are going to say once changes that are still to be applied have been: when
  /// they come to mean the same, they take these very bytes. For a recovery from a journal.
  void expect(std::string_view cell_id, std::string metadata_json, std::string attachments_json);

  void set_attachments(std::string_view cell_id, std::string text);
  void set_metadata_text(std::string_view cell_id, std::string text);

  /// Applies patches in order and appends the edits they are. False when they do not fit what is here (or the engine
  /// says so): the caller then reads everything anew with resync().
  bool apply(const std::vector<Patch>& patches, const StagedMetadata& staged, std::uint64_t version,
             std::vector<Change>& changes, DocumentWork& work);
  /// Becomes what the engine says, cell by cell, and appends the edits that lead there.
  void resync(std::vector<Cell> cells, const std::string& metadata_json, std::uint64_t version,
              std::vector<Change>& changes, DocumentWork& work);

  /// The steps since the last call.
  std::vector<EditStep> take_steps() { return std::exchange(steps_, {}); }

 private:
  bool apply_one(const Patch& patch, const StagedMetadata& staged, std::uint64_t version, std::vector<Change>& changes,
                 DocumentWork& work);
  void put(const Cell& cell, const StagedMetadata& staged, std::uint64_t version, std::vector<Change>& changes,
           DocumentWork& work);
  void remove(std::string_view id, std::vector<Change>& changes);
  bool splice(const Patch& patch, std::uint64_t version, std::vector<Change>& changes, DocumentWork& work);
  void field(const Patch& patch, std::vector<Change>& changes);
  void metadata_key(const Patch& patch, const StagedMetadata& staged, std::vector<Change>& changes);
  void metadata_all(std::string_view cell_id, const std::string& json, const StagedMetadata& staged,
                    std::vector<Change>& changes);
  void note_id(const std::string& id);
  void insert_in_order(const Cell* cell);
  void erase_from_order(const Cell* cell);
  [[nodiscard]] std::pair<std::optional<std::string>, std::optional<std::string>> anchors(const Cell* cell) const;

  std::unordered_map<std::string, std::unique_ptr<Cell>> by_id_;
  std::unordered_map<std::string, SourceHistory> histories_;
  struct Expected {
    std::string metadata_json, attachments_json;
  };
  std::map<std::string, Expected, std::less<>> expected_;
  std::set<std::string, std::less<>> odd_ids_;  // of all cells there have been, those that a new one may not have
  std::vector<const Cell*> order_;
  std::vector<EditStep> steps_;
  std::string metadata_ = "{}";
};

/// [any] Whether two JSON texts mean the same to the engine.
bool same_json(std::string_view a, std::string_view b);

}  // namespace lectern::document
