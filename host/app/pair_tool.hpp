// `lectern pair`, `lectern unpair` and the paired part of `lectern devices`.
#pragma once

#include "app/options.hpp"
#include "base/json.hpp"
#include "base/result.hpp"

namespace lectern::app {

class Client;

/// [control] Without an argument offers a pairing; with CODE@HOST[:PORT] accepts one (the code is asked for where it is
/// left out).
Status run_pair(const ToolOptions& options);
/// [control] The argument is a device's id, or its name where only one has it.
Status run_unpair(const ToolOptions& options);
/// [control] The devices the server is paired with; none where the token may not ask.
Result<json::Array> paired_devices(Client& client);

}  // namespace lectern::app
