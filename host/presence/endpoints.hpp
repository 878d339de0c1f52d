// Which of the addresses that others publish this host may ever dial.
#pragma once

#include <vector>

#include "presence/record.hpp"

namespace lectern::presence {

/// [any] False for what a record of somebody else must never make us dial: any-, link-local and multicast addresses,
/// the metadata services of clouds, numbers in unusual spellings; and for loopback and Unix sockets unless the writer
/// is on this very machine. A name is judged again when it is resolved.
bool may_dial(const Endpoint& endpoint, bool same_machine);

/// [any] Those of `endpoints` that may be dialled, best first.
std::vector<Endpoint> dialable(const std::vector<Endpoint>& endpoints, bool same_machine);

}  // namespace lectern::presence
