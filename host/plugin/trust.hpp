// Which libraries may run inside the host: lists of content hashes. A plugin that is on none lives in a process of its
// own, or, where its kind cannot, not at all.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace lectern::plugin {

struct TrustLists {
  std::vector<std::filesystem::path> own;  // made when the host was built or installed; beside its plugins
  std::filesystem::path users;             // what `lectern plugins trust` writes
};

/// The name of an own list inside a plugin folder.
inline constexpr std::string_view own_list_name = "own-plugins.sha256";

/// [control] Reads the lists each time. A list that others could have written is passed over with a warning.
bool is_trusted(const TrustLists& lists, std::string_view sha256);

/// [control] The hash of a library as trusting takes it. 404 `not_found`, 422 `not_a_library`.
Result<std::string> library_hash(const std::filesystem::path& library);

/// [control] Adds a hash with a note for people (the path it was trusted at). Twice is once. 500 `trust_failed`.
Status trust(const std::filesystem::path& list, const std::string& sha256, std::string_view note);
/// [control] Takes it away; false when it was not there.
Result<bool> untrust(const std::filesystem::path& list, const std::string& sha256);

}  // namespace lectern::plugin
