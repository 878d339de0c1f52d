#include "document/quick_sum.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace lectern::document {

// Each lane is a one-to-one function of each of its words, so a change of one word always shows; the processor works on
// the four at once.
void QuickSum::mix(Lanes& lanes, const char* block) {
  std::array<std::uint64_t, kLanes> words{};
  std::memcpy(words.data(), block, kBlock);
  for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = std::rotl(lanes[i] ^ words[i], 29) * 0x9E3779B97F4A7C15U;
}

void QuickSum::update(std::string_view piece) {
  if (const auto begun = size_ % kBlock; begun != 0) {
    const auto taken = std::min<std::size_t>(kBlock - begun, piece.size());
    std::copy_n(piece.data(), taken, begun_.data() + begun);
    size_ += taken;
    piece.remove_prefix(taken);
    if (size_ % kBlock != 0) return;
    mix(lanes_, begun_.data());
  }
  size_ += piece.size();
  auto lanes = lanes_;
  for (; piece.size() >= kBlock; piece.remove_prefix(kBlock)) mix(lanes, piece.data());
  lanes_ = lanes;
  std::copy(piece.begin(), piece.end(), begun_.begin());
}

QuickSum::Value QuickSum::value() const {
  auto lanes = lanes_;
  auto rest = begun_;
  const auto begun = size_ % kBlock;
  std::fill(rest.begin() + static_cast<std::ptrdiff_t>(begun), rest.end(), '\0');
  if (begun != 0) mix(lanes, rest.data());
  return {lanes[0], lanes[1], lanes[2], lanes[3], size_};
}

}  // namespace lectern::document
