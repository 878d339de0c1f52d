// What a notebook may have: as a file that is opened, and as a document that strangers send changes to.
#pragma once

#include <cstdint>

namespace lectern::document {

/// Of a file. Settings of the host.
struct FileLimits {
  std::uint64_t max_bytes = 128u << 20;
  std::uint64_t max_cells = 100'000;
  std::uint64_t max_source_bytes = 64u << 20;  ///< one cell
  std::uint32_t max_depth = 128;
};

/// Bounds on what a stranger may send. Checked before anything is decoded or allocated.
struct DocumentLimits {
  std::uint64_t max_chunk_bytes = 16U << 20U;     ///< one raw change, compressed
  std::uint64_t max_inflated_bytes = 64U << 20U;  ///< one raw change, and all of a submission together, inflated
  std::uint64_t max_ops_per_change = 4'000'000;
  std::uint64_t max_chunks_per_batch = 100'000;
  std::uint64_t max_held_bytes = 16U << 20U;  ///< of one sync conversation, until what they build on is here
  std::uint64_t max_source_bytes = FileLimits{}.max_source_bytes;
  std::uint64_t max_cells = FileLimits{}.max_cells;
  std::uint64_t max_metadata_bytes = 16U << 20U;  ///< one value
  std::uint32_t max_json_depth = 64;

  /// [any] Of the document of a notebook whose file is held to `file`.
  static DocumentLimits of(const FileLimits& file) {
    DocumentLimits limits;
    limits.max_cells = file.max_cells;
    limits.max_source_bytes = file.max_source_bytes;
    return limits;
  }
  /// [any] For what the host made or took before, which may pass bounds that are meant for strangers.
  static DocumentLimits unbounded() {
    DocumentLimits limits;
    limits.max_chunk_bytes = limits.max_inflated_bytes = UINT64_MAX / 2;
    limits.max_ops_per_change = limits.max_chunks_per_batch = UINT64_MAX / 2;
    return limits;
  }
};

}  // namespace lectern::document
