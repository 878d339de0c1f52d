// Binary frames of lectern.v1 (protocol 3): a byte of kind, u32 LE header length, JSON header, payload.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lectern_v1 {

enum Kind : unsigned char {
  notebook_sync = 1,
  models_sync = 2,
  notebook_changes = 3,
  models_changes = 4,
  buffers = 5,
  document = 6
};

inline constexpr std::size_t prefix_size = 5;

struct BinaryFrame {
  unsigned kind = 0;
  std::string_view header;
  std::string_view payload;
};

/// Empty when the header is longer than the frame.
inline std::optional<BinaryFrame> split(std::string_view bytes) {
  if (bytes.size() < prefix_size) return std::nullopt;
  std::uint32_t length = 0;
  for (unsigned i = 0; i < 4; ++i) {
    length |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[1 + i])) << (8 * i);
  }
  const auto rest = bytes.substr(prefix_size);
  if (length > rest.size()) return std::nullopt;
  return BinaryFrame{static_cast<unsigned char>(bytes[0]), rest.substr(0, length), rest.substr(length)};
}

inline std::string join(Kind kind, std::string_view header, std::string_view payload) {
  std::string bytes;
  bytes.reserve(prefix_size + header.size() + payload.size());
  bytes += static_cast<char>(kind);
  for (unsigned i = 0; i < 4; ++i) bytes += static_cast<char>(header.size() >> (8 * i));
  return bytes.append(header).append(payload);
}

}  // namespace lectern_v1
