// Text in fewer bytes, for what is kept long and read seldom.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lectern {

/// [any] By zlib's fastest level with a window of 8 kB: about 50 us for 8 kB. For texts of up to 1 GiB.
std::string deflated(std::string_view text);

/// [any] The text that `bytes`, from deflated(), was made of; `size` is that text's.
std::string inflated(std::string_view bytes, std::size_t size);

}  // namespace lectern
