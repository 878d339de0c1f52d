#include "attach/access.hpp"

#include <utility>

#include "presence/endpoints.hpp"

namespace lectern::attach {

std::vector<Peer> peers_of(const FindAccess& find_access, const presence::RemoteSession& row) {
  std::vector<Peer> out;
  for (const auto& endpoint : *row.endpoints) {
    if (endpoint.scheme != "ws" && endpoint.scheme != "wss") continue;
    auto access = find_access(row, endpoint);
    if (!access) continue;
    // Loopback endpoints are in a row only when its host is on this machine.
    const bool same_machine = !presence::may_dial(endpoint, false);
    out.push_back({endpoint, same_machine, std::move(access->pin), std::move(access->token)});
  }
  return out;
}

Error not_paired_error(const presence::RemoteSession& row) {
  std::vector<Tried> tried;
  for (const auto& endpoint : *row.endpoints) {
    tried.push_back(
        {endpoint.address, {401, "not_paired", "this device is not paired with '" + row.device_name + "'", {}, {}}});
  }
  return dial_error(row.device_name, tried);
}

}  // namespace lectern::attach
