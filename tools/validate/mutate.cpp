#include "mutate.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace lectern::validate {

std::string mutated(std::string bytes, std::mt19937_64& random) {
  static constexpr std::array<std::string_view, 16> tokens{"{",       "}",       "[",    "]",           "\"", "\\",
                                                           "\\u0000", "\\ud800", "null", "1e999",       "-0", ",",
                                                           ":",       "\xff",    "\n",   "\xEF\xBB\xBF"};
  const auto faults = 1 + random() % 4;
  for (std::uint64_t i = 0; i < faults; ++i) {
    const std::size_t at = bytes.empty() ? 0 : random() % bytes.size();
    const std::size_t n = bytes.empty() ? 0 : random() % std::min<std::size_t>(bytes.size() - at, 1 + random() % 64);
    switch (random() % 7) {
      case 0:
        if (!bytes.empty()) bytes[at] = static_cast<char>(random());
        break;
      case 1:
        if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8)));
        break;
      case 2:
        bytes.erase(at, n);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at, n));
        break;
      case 4:
        bytes.insert(at, tokens[random() % tokens.size()]);
        break;
      case 5:
        bytes.resize(at);
        break;
      default: {
        const std::string part = bytes.substr(at, n);
        bytes.erase(at, n);
        bytes.insert(bytes.empty() ? 0 : random() % bytes.size(), part);
      }
    }
  }
  return bytes;
}

}  // namespace lectern::validate
