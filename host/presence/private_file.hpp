// Small files of the state folder that their owner alone can read.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lectern::presence {

/// [worker] Puts `bytes` in place of `file`, whole or not at all, mode 0600; makes its folder. 500
/// `state_dir_unwritable`.
Status replace_private(const std::filesystem::path& file, std::string_view bytes);

/// [worker] The same for a file that must not exist yet: of two processes that make it at once, one's stands for both.
/// Whoever reads it afterwards reads that one.
Status make_private(const std::filesystem::path& file, std::string_view bytes);

/// [worker] The file's bytes; empty when it is not there or cannot be read. At most 16 MiB.
std::string read_private(const std::filesystem::path& file);

}  // namespace lectern::presence
