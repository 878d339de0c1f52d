// Times as people write them on the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace lectern::app {

/// [any] "2h", "30min", "90s", "7d" in milliseconds; empty for anything else.
std::optional<std::uint64_t> duration(const std::string& text);

}  // namespace lectern::app
