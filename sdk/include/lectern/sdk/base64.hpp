// Bytes in JSON are padded base64, everywhere on the wire.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace lectern::sdk {

/// [any] Appends `bytes` in the standard alphabet, padded.
inline void append_base64(std::string_view bytes, std::string& out) {
  static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto at = out.size();
  out.resize(at + (bytes.size() + 2) / 3 * 4);
  char* to = out.data() + at;
  std::size_t i = 0;
  auto byte = [&](std::size_t index) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[index])); };
  for (; i + 3 <= bytes.size(); i += 3) {
    const std::uint32_t three = (byte(i) << 16) | (byte(i + 1) << 8) | byte(i + 2);
    *to++ = digits[three >> 18];
    *to++ = digits[(three >> 12) & 63];
    *to++ = digits[(three >> 6) & 63];
    *to++ = digits[three & 63];
  }
  if (i == bytes.size()) return;
  const bool two = i + 2 == bytes.size();
  const std::uint32_t rest = (byte(i) << 16) | (two ? byte(i + 1) << 8 : 0);
  *to++ = digits[rest >> 18];
  *to++ = digits[(rest >> 12) & 63];
  *to++ = two ? digits[(rest >> 6) & 63] : '=';
  *to++ = '=';
}

}  // namespace lectern::sdk
