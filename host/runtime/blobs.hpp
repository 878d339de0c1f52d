// Large output values and buffers, content-addressed: one immutable file per sha256 under the state directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lectern {
class Workers;
}

namespace lectern::runtime {

struct BlobRef {
  std::string sha256;  // 64 lower-case hex digits
  std::uint64_t size = 0;
  std::string media_type;
  bool operator==(const BlobRef&) const = default;
};

struct Blob {
  std::shared_ptr<const std::string> bytes;  // shared with the cache; immutable
  std::string media_type;                    // as of the first put of these bytes
};

class BlobStore {
 public:
  static constexpr std::size_t cache_bytes = 16u << 20;
  static constexpr std::uint64_t max_blob = 512u << 20;

  /// [control] Files go under `directory` (made with mode 0700 when the first blob comes). `workers` writes them and
  /// must outlive the store.
  BlobStore(std::filesystem::path directory, Workers& workers);
  /// [control] Waits until everything put is on disk, or failed to get there.
  ~BlobStore();
  BlobStore(const BlobStore&) = delete;
  BlobStore& operator=(const BlobStore&) = delete;

  /// [any] Hashes, keeps the bytes readable at once, and has a worker write them (temp, fsync, rename). A file that
  /// cannot be written is logged; its bytes then stay in memory for as long as the host runs.
  BlobRef put(std::string bytes, std::string media_type);
  /// [worker] Reads from memory or disk. 400 `bad_request` when `sha256` is not 64 lower-case hex digits, 404
  /// `blob_not_found`, 500 `blob_damaged` when the file is not what its name says.
  [[nodiscard]] Result<Blob> get(std::string_view sha256) const;
  /// [any] The blob if it is in memory; null bytes otherwise. Never touches the disk.
  [[nodiscard]] Blob cached(std::string_view sha256) const;
  /// [any] Where things lie that are kept as long as blobs, and who writes them.
  [[nodiscard]] const std::filesystem::path& directory() const;
  [[nodiscard]] Workers& workers() const;
  /// [worker] Deletes blobs under `directory` that nobody put or read for `days`.
  static void collect(const std::filesystem::path& directory, int days);

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with writes that are under way
};

}  // namespace lectern::runtime
