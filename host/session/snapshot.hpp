// What a connection is told first: kernel-ready, then the gap or a snapshot, then replay-complete.
#pragma once

namespace lectern::session {

class LiveSession;
class Connection;

/// [reactor] Sends kernel-ready and the replay as soon as everything in them is on disk; the connection is live then.
/// `resumed` = its client was a member already.
void start_connection(LiveSession& session, Connection& connection, bool resumed);
/// [reactor] For a connection that was too slow: `resync`, then a fresh snapshot.
void send_resync(LiveSession& session, Connection& connection);

}  // namespace lectern::session
