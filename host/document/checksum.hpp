// CRC-32C (Castagnoli), the checksum of journal records: made for telling torn and rotten bytes from whole ones, not
// for security.
#pragma once

#include <cstdint>
#include <string_view>

namespace lectern::document {

/// [any] Continues `crc` (0 to begin) over `bytes`. Uses the processor's instruction where there is one.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0);

}  // namespace lectern::document
