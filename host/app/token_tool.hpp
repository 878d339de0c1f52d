// `lectern token mint|ls|revoke`: scoped tokens of the running server.
#pragma once

#include <string>
#include <vector>

namespace lectern::app {

/// [control] `arguments` follow the word "token"; without one of the three verbs `mint` is meant. The exit code.
int run_token_tool(const std::vector<std::string>& arguments);

}  // namespace lectern::app
