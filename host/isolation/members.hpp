// The members of a room, sent as what changed since the last decision of the same object: a room of a thousand is not
// written and read again each time somebody asks for the pen. Both sides keep what the other one has.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "isolation/wire.hpp"
#include "lectern/abi/draft/policy.h"

namespace lectern::isolation {

struct KnownMember {
  lectern_member numbers{};  // its texts are those below
  std::string principal, label, device;
};
/// Sorted by id. Pointers, because texts are shown by address and members move.
using KnownMembers = std::vector<std::unique_ptr<KnownMember>>;

/// [any] Writes what turns `known` into the members of `room`, which it then is.
void pack_members(Packer& to, const lectern_room& room, KnownMembers& known);
/// [any] Does to `known` what was written. False when it makes no sense.
bool take_members(Unpacker& from, KnownMembers& known);
/// [any] In the interface's shape; shows texts of `known`.
void flatten(const KnownMembers& known, std::vector<lectern_member>& to);

}  // namespace lectern::isolation
