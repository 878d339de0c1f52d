// What proves us to another device, and by it where that device is dialled.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "attach/dial.hpp"
#include "attach/peer.hpp"
#include "presence/roster.hpp"

namespace lectern::attach {

/// What proves us to that device at that endpoint; empty when we have nothing for it. [worker]
struct Access {
  std::string token, pin;
};
using FindAccess = std::function<std::optional<Access>(const presence::RemoteSession&, const presence::Endpoint&)>;

/// [worker] The endpoints of the row at which something proves us, best first.
std::vector<Peer> peers_of(const FindAccess& find_access, const presence::RemoteSession& row);

/// [any] What a dial of that row comes to when peers_of() is empty: 401 `not_paired`, naming the endpoints. Pure.
Error not_paired_error(const presence::RemoteSession& row);

}  // namespace lectern::attach
