// The notebook as it was. Works on a copy of the document that it builds from the journal's file, so that looking back
// costs the session's reactor nothing; what is not on disk yet has not been shown to anybody either.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "document/engine.hpp"
#include "document/history_version.hpp"
#include "document/notebook_document.hpp"

namespace lectern::document {

/// Every function is [worker], one call at a time (a second one waits), and may take as long as loading the document:
/// some tenths of a second at 260,000 edits, once; then it is kept until drop().
class HistoryReader {
 public:
  explicit HistoryReader(std::string state_dir) : state_dir_(std::move(state_dir)) {}

  /// The cells at `heads` of the history, in order. Histories that an outside edit ended are looked for among the
  /// journals kept aside. Errors: 410 `version_gone`, 500 `journal_unreadable`, 500 `document_failed`.
  Result<std::vector<Cell>> cells_at(const std::string& history_id, std::span<const ChangeHash> heads);
  /// The cells as the journal has them now.
  Result<std::vector<Cell>> cells_now();
  /// Line by line who wrote a cell of the present document, see Engine::blame. 404 `unknown_cell`.
  Result<std::vector<LineAuthor>> blame(std::string_view cell_id, std::span<const std::vector<ChangeHash>> groups);

  /// Makes the copy, for those who will ask. What is wrong with it they are told then.
  void get_ready();

  /// [any] Lets go of the copy.
  void drop();

 private:
  struct Copy {
    Engine engine;
    std::string history_id;
    std::uint64_t end = 0;  // of what was read of the journal's file
    std::uint32_t salt = 0;
  };
  /// The copy with everything that is in the journal by now.
  Result<Copy*> fresh();
  Result<std::vector<Cell>> kept_cells_at(const std::string& history_id, std::span<const ChangeHash> heads);

  std::string state_dir_;
  std::mutex mutex_;
  std::optional<Copy> copy_;
};

}  // namespace lectern::document
