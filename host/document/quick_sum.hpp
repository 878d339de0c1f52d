// A sum of content that takes a tenth of the time of a hash: for telling whether what we wrote is still there. It lives
// as long as the process, is never stored, and is no proof against people who look for two contents with one sum.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lectern::document {

/// [any] One thread at a time.
class QuickSum {
 public:
  using Value = std::array<std::uint64_t, 5>;
  /// The sum is that of all pieces in a row, however they are cut.
  void update(std::string_view piece);
  [[nodiscard]] Value value() const;

 private:
  static constexpr std::size_t kLanes = 4, kBlock = kLanes * sizeof(std::uint64_t);
  using Lanes = std::array<std::uint64_t, kLanes>;
  static void mix(Lanes& lanes, const char* block);

  Lanes lanes_{1, 2, 3, 4};
  std::array<char, kBlock> begun_{};  // a block of which not all came yet
  std::uint64_t size_ = 0;            // of all pieces
};

}  // namespace lectern::document
