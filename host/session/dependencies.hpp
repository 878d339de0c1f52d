// What a notebook's metadata asks to be installed or allowed: the packages, channels and permissions it names for uv,
// conda, pixi and deno.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lectern::session {

/// [any] One entry per package, channel or permission, as "<manager> <kind> <what>", sorted, each once. A package is
/// its name, however it is spelled and whichever version is asked for; one that names where it comes from (a URL, a
/// path, a registry prefix) is its whole text. Empty for metadata that is not a JSON object.
std::vector<std::string> dependencies_of(std::string_view metadata_json);

}  // namespace lectern::session
