// Text across the line: lectern_str and std::string_view are the same two words.
#pragma once

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

}  // namespace lectern::sdk
