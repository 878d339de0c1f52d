// Which device this is: an id that survives restarts, a name for people, and a hash that tells "same machine".
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lectern::presence {

/// [worker] The device's id (32 lower-case hex digits) from `state_dir`/device-id; made, with mode 0600, when there is
/// none. Two processes that start at once agree. 500 `device_id_damaged`, `state_dir_unwritable`.
Result<std::string> device_id(const std::filesystem::path& state_dir);

/// [worker] sha256 of the machine's id, so that it can be published without telling it; empty when it has none.
std::string machine_hash();

/// [worker] sha256 of what this boot of the machine and this space of process ids are called: pids of two hosts can be
/// compared when it is the same for both. Empty when it cannot be had.
std::string boot_hash();

/// [any] `name` safe to show: at most 64 code points, no control or bidi characters, no space around it; "" when
/// nothing of it can be seen.
std::string shown_name(std::string_view name);

/// [any] `chosen` if it has any visible text, else the host's name up to its first dot; "" when that cannot be had.
/// Safe to show, as shown_name().
std::string device_name(std::string_view chosen);

/// [any] When process `pid` of this machine started, in the system's own units; 0 when there is none.
std::uint64_t process_started(std::uint64_t pid);

}  // namespace lectern::presence
