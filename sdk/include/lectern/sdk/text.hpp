// Text across the line: lectern_str and std::string_view are the same two words.
#pragma once

#include <cstddef>
#include <string_view>

#include "lectern/abi/base.h"

namespace lectern::sdk {

/// [any] Valid as long as what it shows.
inline std::string_view view(lectern_str text) {
  return text.n == 0 ? std::string_view() : std::string_view(text.p, static_cast<std::size_t>(text.n));
}
inline lectern_str str(std::string_view text) {
  return {text.data(), text.size()};
}

/// [any] Whether all of it is UTF-8. The host sends text frames that are not back; what comes in binary ones is the
/// plugin's to check.
inline bool valid_utf8(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto at = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
    const unsigned char first = at(i);
    if (first < 0x80) {
      ++i;
      continue;
    }
    const std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    if (first < 0xC2 || first > 0xF4 || i + more >= text.size()) return false;
    for (std::size_t k = 1; k <= more; ++k) {
      if ((at(i + k) & 0xC0) != 0x80) return false;
    }
    const unsigned char second = at(i + 1);  // overlong, surrogates, past U+10FFFF
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
        (first == 0xF4 && second > 0x8F)) {
      return false;
    }
    i += more + 1;
  }
  return true;
}

}  // namespace lectern::sdk
