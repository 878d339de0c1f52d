// Large output values and buffers, content-addressed: one immutable file per sha256 under the state directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/task.hpp"
#include "runtime/blob_files.hpp"

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

class BlobStore {
 public:
  static constexpr std::size_t cache_bytes = 16u << 20;

  /// [control] Files go under `directory` (made with mode 0700 when the first blob comes). `workers` writes them and
  /// must outlive the store.
  BlobStore(std::filesystem::path directory, Workers& workers);
  /// [control] Waits until everything put is on disk, or failed to get there.
  ~BlobStore();
  BlobStore(const BlobStore&) = delete;
  BlobStore& operator=(const BlobStore&) = delete;

  /// [any] Hashes, keeps the bytes readable at once, and has a worker write them, durably. A file that cannot be
  /// written is logged; its bytes then stay in memory until the same are put again and written.
  BlobRef put(std::string bytes, std::string media_type);
  /// [any] Calls `done` when none of the blobs put so far that `wanted` accepts (by sha256) is on its way to the disk
  /// any more: they are durable, or failed. At once on this thread, or later on a worker. `wanted` is asked before this
  /// returns and calls nothing here.
  void when_written(const std::function<bool(const std::string&)>& wanted, Task done) const;
  /// [worker] Reads from memory or disk. 400 `bad_request` when `sha256` is not 64 lower-case hex digits, and the
  /// errors of BlobFiles::read.
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
