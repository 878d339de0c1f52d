// What the commands do. One function per command, named after it; all [reactor], called by dispatch after
// authorization.
#pragma once

#include "session/invocation.hpp"

namespace lectern::session {

class LiveSession;

void handle_complete(LiveSession& session, Invocation invocation);
void handle_inspect(LiveSession& session, Invocation invocation);
void handle_is_complete(LiveSession& session, Invocation invocation);
void handle_history(LiveSession& session, Invocation invocation);
void handle_room(LiveSession& session, Invocation invocation);
void handle_ping(LiveSession& session, Invocation invocation);
void handle_focus(LiveSession& session, Invocation invocation);
void handle_cursor(LiveSession& session, Invocation invocation);
void handle_variables(LiveSession& session, Invocation invocation);
void handle_takeover(LiveSession& session, Invocation invocation);
void handle_answer(LiveSession& session, Invocation invocation);
void handle_withdraw(LiveSession& session, Invocation invocation);
void handle_act(LiveSession& session, Invocation invocation);
void handle_sync(LiveSession& session, Invocation invocation);
void handle_model(LiveSession& session, Invocation invocation);
void handle_input(LiveSession& session, Invocation invocation);
void handle_transaction(LiveSession& session, Invocation invocation);
void handle_restore(LiveSession& session, Invocation invocation);
void handle_undo(LiveSession& session, Invocation invocation);
void handle_redo(LiveSession& session, Invocation invocation);
void handle_execute(LiveSession& session, Invocation invocation);
void handle_interrupt(LiveSession& session, Invocation invocation);
void handle_restart(LiveSession& session, Invocation invocation);
void handle_shutdown_kernel(LiveSession& session, Invocation invocation);
void handle_start_kernel(LiveSession& session, Invocation invocation);
void handle_save(LiveSession& session, Invocation invocation);
void handle_resolve(LiveSession& session, Invocation invocation);
void handle_clear_outputs(LiveSession& session, Invocation invocation);
void handle_format(LiveSession& session, Invocation invocation);
void handle_gather(LiveSession& session, Invocation invocation);
void handle_trust(LiveSession& session, Invocation invocation);
void handle_release(LiveSession& session, Invocation invocation);

}  // namespace lectern::session
