// The recent edits of one source, as index arithmetic: enough to carry a splice made at an earlier version to today's
// text without asking the engine, which would compare whole documents for it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "document/notebook_changes.hpp"

namespace lectern::document {

/// [reactor] Indices and counts are code points.
class SourceHistory {
 public:
  /// Nothing before `version` is known.
  explicit SourceHistory(std::uint64_t version = 0) : complete_from_(version) {}

  void record(std::uint64_t version, std::uint64_t index, std::uint64_t deleted, std::uint64_t inserted);

  /// What `splice`, made on the source at `base_version`, is on today's source of `length`: the same edits that the
  /// engine's merge leads to, to be applied in order. Empty optional: the history does not reach back that far.
  /// `in_range` is false when the splice does not fit the source it was made on.
  [[nodiscard]] std::optional<std::vector<SpliceSource>> carry(const SpliceSource& splice, std::uint64_t base_version,
                                                               std::uint64_t length, bool& in_range) const;

 private:
  struct Edit {
    std::uint64_t version, index, deleted, inserted;
  };
  std::uint64_t complete_from_;
  std::vector<Edit> edits_;  // no deque: one per cell, and an empty deque takes 576 bytes
};

}  // namespace lectern::document
