// The files behind BlobStore: one per sha256, in folders by its first two digits. What is written is durable with its
// name, so that a log that is synced later never names what a power cut takes back.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"

namespace lectern::runtime {

struct Blob {
  std::shared_ptr<const std::string> bytes;  // shared with the cache; immutable
  std::string media_type;                    // as of the first put of these bytes
};

class BlobFiles {
 public:
  static constexpr std::size_t max_media_type = 200;
  static constexpr std::uint64_t max_blob = 512u << 20;

  explicit BlobFiles(std::filesystem::path directory) : directory_(std::move(directory)) {}

  /// [worker] Side by side, too. What has the name already is kept, and counts as put now. 500 `blob_unwritten`: it may
  /// be gone after a power cut, or is not there at all.
  Status write(std::string_view sha256, const Blob& blob);
  /// [worker] 404 `blob_not_found`; 500 `blob_unreadable` when the system refuses what may well be there, 500
  /// `blob_damaged` when the file is not what its name says.
  [[nodiscard]] Result<Blob> read(std::string_view sha256) const;

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }

 private:
  [[nodiscard]] std::filesystem::path path_of(std::string_view sha256) const;
  int make_folder(const std::filesystem::path& folder);

  std::filesystem::path directory_;
  std::array<std::atomic<bool>, 256> named_{};  // folders whose own names are durable
};

}  // namespace lectern::runtime
