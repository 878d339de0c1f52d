// In which order notebooks and folders were moved: workers tell of it in any. Private to this folder.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

namespace lectern::document {

/// Remembers of each notebook the last move that was told, and the moves of folders, as far as moves that were drawn
/// before may still be told: those of the last `most`, which are far more than workers have under way.
class MoveOrder {
 public:
  static constexpr std::size_t most = 4'096;

  /// [any] Greater than all before, those that other hosts of this machine drew earlier too.
  std::uint64_t next();

  // One thread at a time from here on.

  /// The move of a notebook to `path` is told. Where it is by now; nothing when a later one was told already.
  std::optional<std::string> told(const std::string& notebook_id, std::string path, std::uint64_t move);
  /// The move of a folder is told.
  void folder_told(const std::string& from, const std::string& to, std::uint64_t move);
  /// A later one of the notebook was told.
  [[nodiscard]] bool moved_since(const std::string& notebook_id, std::uint64_t move) const;

 private:
  void forget_the_oldest();

  struct FolderMove {
    std::uint64_t move = 0;
    std::string from, to;
  };
  std::atomic<std::uint64_t> last_{0};
  std::unordered_map<std::string, std::uint64_t> told_;  // by notebook id
  std::deque<FolderMove> folders_;                       // in their order
};

}  // namespace lectern::document
