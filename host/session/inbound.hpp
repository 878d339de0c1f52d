// What came in on a socket, after its transport has read it.
#pragma once

#include "plugin/transport.hpp"

namespace lectern::session {

class LiveSession;
class Connection;

/// [reactor] Views in `message` are needed during the call only.
void handle_inbound(LiveSession& session, Connection& connection, const plugin::Inbound& message);
/// [reactor] Finds or issues the client of a new connection: by its key, as a new one when it does not say it is
/// anybody, or later, when the key comes as the first frame.
void identify(LiveSession& session, Connection& connection);

}  // namespace lectern::session
