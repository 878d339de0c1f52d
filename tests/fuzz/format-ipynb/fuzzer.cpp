#include <cstddef>
#include <cstdint>

#include "../started_format.hpp"
#include "target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lectern::fuzz::check_format(lectern::fuzz::started_format(), {reinterpret_cast<const char*>(data), size});
  return 0;
}
