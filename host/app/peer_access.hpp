// What proves this host to another one: the pairing of the two devices, or, for hosts of the same person on this
// machine, the private list of running servers.
#pragma once

#include <optional>

#include "attach/attachment.hpp"
#include "presence/credentials.hpp"

namespace lectern::app {

/// [worker] Empty when there is nothing to show at that endpoint. `devices` may be null.
std::optional<attach::Access> peer_access(const presence::RemoteSession& session, const presence::Endpoint& endpoint,
                                          const presence::DeviceCredentials* devices);

}  // namespace lectern::app
