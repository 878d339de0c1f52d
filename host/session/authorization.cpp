#include "session/authorization.hpp"

#include <string>
#include <utility>

namespace lectern::session {
namespace {

Status authorize_edit(const Room& room, const Member& member, Client& client, const Credentials& credentials) {
  if ((credentials.scope & cap_edit) == 0) {
    return fail(403, "read_only", "the token of this request does not include editing", "ask for an edit link");
  }
  if (member.grant != 0 && credentials.epoch == member.grant) return {};
  const bool was_theirs = credentials.epoch && (client.past_grant(*credentials.epoch) != nullptr ||
                                                (client.held_before_restart && *credentials.epoch <= room.epoch()));
  if (was_theirs) {
    return fail(
        stale_epoch(room, "epoch " + std::to_string(credentials.epoch.value_or(0)) + " is no longer the sender's"));
  }
  if (member.grant != 0) {
    return fail(400, "epoch_required", "the command does not carry the epoch of the sender's grant",
                "send the epoch of consumer-capabilities along, in \"epoch\" or the Lectern-Epoch header",
                "{\"epoch\":" + std::to_string(member.grant) + "}");
  }
  return fail(403, "read_only", "the sender does not hold the pen", "take over first");
}

}  // namespace

Error stale_epoch(const Room& room, std::string message) {
  return {409, "stale_epoch", std::move(message), "keep the text as a draft and take over to apply it",
          "{\"epoch\":" + std::to_string(room.epoch()) + ",\"editor\":" + who_json(room.editor()) + "}"};
}

Status authorize(Tier tier, const Room& room, const Member& member, Client& client, const Credentials& credentials) {
  switch (tier) {
    case Tier::read:
      return {};
    case Tier::interact:
      if ((member.caps & credentials.scope & cap_interact) != 0) return {};
      return fail(403, "read_only", "the sender may look but not interact", "the policy decides who may interact");
    case Tier::edit:
      return authorize_edit(room, member, client, credentials);
  }
  return fail(403, "read_only", "the command has no tier");
}

Status authorize_changes(const Room& room, const Member& member, Client& client, const Credentials& credentials,
                         bool flush, std::int64_t now_ms, int window_ms) {
  auto ordinary = authorize_edit(room, member, client, credentials);
  if (ordinary || !flush || !credentials.epoch || (credentials.scope & cap_edit) == 0) return ordinary;
  auto* past = client.past_grant(*credentials.epoch);
  if (past == nullptr || past->flushed || now_ms - past->revoked_ms > window_ms) return ordinary;
  past->flushed = true;
  return {};
}

}  // namespace lectern::session
