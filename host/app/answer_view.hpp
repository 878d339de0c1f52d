// Members of what a server answered, as the command line prints them.
#pragma once

#include <string>
#include <string_view>

#include "base/json.hpp"

namespace lectern::app {

/// [any] The text of a string, the JSON of anything else; empty for what is null or not there.
std::string text_of(const json::Value& object, std::string_view key);

/// [any] Empty when it is not there or no array. Lives as long as `object`.
const json::Array& array_of(const json::Value& object, std::string_view key);

}  // namespace lectern::app
