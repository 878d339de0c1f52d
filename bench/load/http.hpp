// Plain blocking HTTP to a server on loopback, ours or a peer's.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"

namespace load {

/// One request on a fresh connection; ends the program on a status of 400 or more. `headers` are whole lines without
/// their ends. Null for an empty answer.
lectern::json::Value http(int port, const std::string& method, const std::string& path, const std::string& body = "",
                          const std::vector<std::string>& headers = {});
/// JSON of a server that we started: no bounds but memory.
lectern::json::Value parse_json(const std::string& text, const std::string& what);

}  // namespace load
