// Names and addresses this machine answers to.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace lectern::app {

/// [control] The address for a --bind value; a name is looked up. 400 `bad_bind`.
Result<std::string> bind_address(const std::string& bind);
/// [control] What a Host header may say for this bind address: loopback names always; for a wildcard address every
/// interface's address and the machine's name.
std::vector<std::string> answered_names(const std::string& bind, const std::string& address,
                                        const std::vector<std::string>& more);
/// [any] "127.0.0.1:8899", "[::1]:8899"
std::string with_port(const std::string& address, unsigned port);
/// [any] True for 0.0.0.0 and ::.
bool is_wildcard(const std::string& address);

}  // namespace lectern::app
