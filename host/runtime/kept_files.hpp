// The small files of what is written down of kept kernels.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace lectern::runtime {

/// [worker] Whole or not at all, mode 0600. 0, or the errno.
int write_whole(const std::filesystem::path& path, std::string_view text);

/// [worker] Empty too when it is not there, or has more bytes than `largest`.
std::string read_small(const std::filesystem::path& path, std::uintmax_t largest = 1u << 20);

}  // namespace lectern::runtime
