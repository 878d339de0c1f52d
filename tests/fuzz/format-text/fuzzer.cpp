#include <cstddef>
#include <cstdint>

#include "../format-ipynb/target.hpp"
#include "lectern/abi/entry.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto* const format = static_cast<const lectern_format*>(lectern_plugin_entry()->get_kind({"format", 6}));
  lectern::fuzz::check_format(*format, {reinterpret_cast<const char*>(data), size}, FUZZED_PATH);
  return 0;
}
