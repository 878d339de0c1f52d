#include "document/checksum.hpp"

#include <array>
#include <cstring>

namespace lectern::document {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0x82F63B78U : 0U);
    table[i] = value;
  }
  return table;
}
constexpr auto table = make_table();

std::uint32_t portable(std::string_view bytes, std::uint32_t crc) {
  for (const char c : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t hardware(std::string_view bytes, std::uint32_t crc) {
  std::uint64_t value = crc;
  while (bytes.size() >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), 8);
    value = __builtin_ia32_crc32di(value, word);
    bytes.remove_prefix(8);
  }
  auto narrow = static_cast<std::uint32_t>(value);
  for (const char c : bytes) narrow = __builtin_ia32_crc32qi(narrow, static_cast<unsigned char>(c));
  return narrow;
}
const bool has_hardware = __builtin_cpu_supports("sse4.2") != 0;
#endif

}  // namespace

std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc) {
#if defined(__x86_64__)
  if (has_hardware) return ~hardware(bytes, ~crc);
#endif
  return ~portable(bytes, ~crc);
}

}  // namespace lectern::document
