#include "document/position.hpp"

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/text.hpp"

namespace lectern::document {
namespace {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;
constexpr std::uint8_t kTerminator = 0x80;

std::optional<Bytes> parse(std::string_view position) {
  const auto upper = std::all_of(position.begin(), position.end(), [](char c) { return c < 'a'; });
  const auto raw = upper ? text::from_hex(position) : std::nullopt;
  if (!raw || raw->empty()) return std::nullopt;
  Bytes bytes(raw->begin(), raw->end());
  if (bytes.back() != kTerminator) return std::nullopt;
  return bytes;
}

std::string write(const Bytes& unterminated) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(unterminated.size() * 2 + 2);
  for (const auto byte : unterminated) {
    out.push_back(digits[byte >> 4]);
    out.push_back(digits[byte & 15]);
  }
  return out + "80";
}

// Both assume an index that ends with the terminator, so they always return before the end.
Bytes before(View index) {
  for (std::size_t i = 0; i < index.size(); ++i) {
    if (index[i] > kTerminator) return Bytes(index.begin(), index.begin() + static_cast<std::ptrdiff_t>(i));
    if (index[i] > 0) {
      Bytes bytes(index.begin(), index.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      --bytes.back();
      return bytes;
    }
  }
  return {};
}

Bytes after(View index) {
  for (std::size_t i = 0; i < index.size(); ++i) {
    if (index[i] < kTerminator) return Bytes(index.begin(), index.begin() + static_cast<std::ptrdiff_t>(i));
    if (index[i] < 0xff) {
      Bytes bytes(index.begin(), index.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      ++bytes.back();
      return bytes;
    }
  }
  return {};
}

Bytes join(View head, const Bytes& tail) {
  Bytes bytes(head.begin(), head.end());
  bytes.insert(bytes.end(), tail.begin(), tail.end());
  return bytes;
}

std::optional<Bytes> between(View left, View right) {
  const std::size_t shorter = std::min(left.size(), right.size()) - 1;
  for (std::size_t i = 0; i < shorter; ++i) {
    if (left[i] > right[i]) return std::nullopt;
    if (left[i] + 1 < right[i]) {
      Bytes bytes(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      bytes.back() = static_cast<std::uint8_t>(left[i] + (right[i] - left[i]) / 2);
      return bytes;
    }
    if (left[i] + 1 == right[i]) return join(left.first(i + 1), after(left.subspan(i + 1)));
  }
  if (left.size() < right.size()) {
    if (right[shorter] < kTerminator) return std::nullopt;
    return join(right.first(shorter + 1), before(right.subspan(shorter + 1)));
  }
  if (left.size() > right.size()) {
    if (left[shorter] >= kTerminator) return std::nullopt;
    return join(left.first(shorter + 1), after(left.subspan(shorter + 1)));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> position_between(std::optional<std::string_view> left,
                                            std::optional<std::string_view> right) {
  std::optional<Bytes> low, high;
  if (left && !(low = parse(*left))) return std::nullopt;
  if (right && !(high = parse(*right))) return std::nullopt;
  if (!low && !high) return "80";
  std::optional<Bytes> made;
  if (!high) {
    made = after(*low);
  } else if (!low) {
    made = before(*high);
  } else {
    made = between(*low, *high);
  }
  if (!made) return std::nullopt;
  auto position = write(*made);
  if ((left && position <= *left) || (right && position >= *right)) return std::nullopt;
  return position;
}

std::vector<std::string> positions_for(std::size_t count) {
  std::vector<std::string> positions;
  positions.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    positions.push_back(i == 0 ? "80" : *position_between(positions.back(), std::nullopt));
  }
  return positions;
}

}  // namespace lectern::document
