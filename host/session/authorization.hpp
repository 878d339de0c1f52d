// The one authorization point: on the reactor, right before a command is applied, for every mutation.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.hpp"
#include "session/clients.hpp"
#include "session/commands.hpp"
#include "session/room.hpp"

namespace lectern::session {

/// What came with the command.
struct Credentials {
  std::uint32_t scope = 3;  // of the token of this very request
  std::optional<std::uint64_t> epoch;
};

/// [reactor] Whether `member` may use a command of `tier` now. 403 `read_only`, 409 `stale_epoch` (details: epoch,
/// editor), 400 `epoch_required` (protocol 4 "Epochs").
Status authorize(Tier tier, const Room& room, const Member& member, Client& client, const Credentials& credentials);

/// [reactor] The same for a `03` with `flush`: also under a grant that was revoked less than `window_ms` ago and has
/// not been flushed yet; the flush is used up by this call.
Status authorize_changes(const Room& room, const Member& member, Client& client, const Credentials& credentials,
                         bool flush, std::int64_t now_ms, int window_ms);

/// 409 `stale_epoch` with the room's epoch and editor.
Error stale_epoch(const Room& room, std::string message);

}  // namespace lectern::session
