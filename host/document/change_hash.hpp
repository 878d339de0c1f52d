#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lectern::document {

/// The SHA-256 that names an Automerge change.
struct ChangeHash {
  std::array<std::uint8_t, 32> bytes{};

  auto operator<=>(const ChangeHash&) const = default;

  std::string_view view() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  std::string hex() const {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(64);
    for (const std::uint8_t byte : bytes) {
      text.push_back(digits[byte >> 4U]);
      text.push_back(digits[byte & 15U]);
    }
    return text;
  }

  /// nullopt unless `text` is 64 hex digits.
  static std::optional<ChangeHash> from_hex(std::string_view text) {
    if (text.size() != 64) {
      return std::nullopt;
    }
    ChangeHash hash;
    for (std::size_t i = 0; i < 64; ++i) {
      const int digit = hex_digit(text[i]);
      if (digit < 0) {
        return std::nullopt;
      }
      hash.bytes[i / 2] = static_cast<std::uint8_t>((hash.bytes[i / 2] << 4U) | digit);
    }
    return hash;
  }

 private:
  static constexpr int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
      return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
      return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  }
};

}  // namespace lectern::document
