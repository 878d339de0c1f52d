#include "session/events.hpp"

#include <array>
#include <cstddef>

namespace lectern::session {
namespace {

using T = FieldType;
constexpr std::array kernel_ready{
    Field{"protocol", T::string, true, "always lectern.v1"},
    Field{"device_name", T::string, true, "of this host; empty when it could not be found out"},
    Field{"session_id", T::string, true, ""},
    Field{"notebook_id", T::string, true, ""},
    Field{"path", T::string, true, "of the notebook's file"},
    Field{"client", T::object, true, "{id, secret?}: the secret only when it was just issued"},
    Field{"actor", T::string, true, "hex; the author of this connection's Automerge changes"},
    Field{"incarnation", T::unsigned_integer, true, "of the connection; the newest of a client wins"},
    Field{"resumed", T::boolean, true, "this client was a member already"},
    Field{"replay", T::string, true, "what follows", "snapshot|gap"},
    Field{"consumer_capabilities", T::object, true, "{edit, interact}"},
    Field{"epoch", T::unsigned_integer, false, "of this client's own grant, when it has one"},
    Field{"stream", T::string, true, "names this run of the seq counter"},
    Field{"history_id", T::string, true, "documents of different histories never sync"},
    Field{"requests", T::array, true, "open takeover requests: {request_id, from, asked, reason, deadline_ms}"},
    Field{"capabilities", T::object, true, "what this host offers: commands, transports, limits"},
    Field{"room", T::object, true, "as in room-state"},
    Field{"policy", T::object, true, "{id, multi_editor, actions}"},
    Field{"recovered", T::object, false,
          "{edits, cells?}: after a crash, what the file lacked when the session began: edits (GET "
          ".../history/saved?against=now), and of how many cells what they showed"},
    Field{"notices", T::strings, false,
          "for people: what was kept aside, upgraded or missing when the notebook was opened"},
    Field{"notebook", T::object, false, "{metadata, cells, heads, version}; with a snapshot only"},
    Field{"kernel", T::object, true, "as in kernel-status"},
    Field{"seq", T::unsigned_integer, true, "of the last recorded event before this frame"},
};
constexpr std::array consumer_capabilities{
    Field{"consumer_capabilities", T::object, true, "{edit, interact}"},
    Field{"epoch", T::unsigned_integer, false, "of the receiver's own grant"},
    Field{"reason", T::string, true, "joined, takeover, taken_over, released, expired, policy, scope"},
};
constexpr std::array room_state{
    Field{"epoch", T::unsigned_integer, true, "the room's counter"},
    Field{"editor", T::object, true, "{client_id, label, device}", {}, true},
    Field{"reserved_until", T::string, false, "the editor is away; the pen is kept until then"},
    Field{"since", T::string, true, "since when the editor has the pen", {}, true},
    Field{"members", T::array, true, "{client_id, label, role, state, device, cell_id?}"},
    Field{"policy", T::object, false, "what the policy shows"},
};
constexpr std::array takeover_request{
    Field{"request_id", T::unsigned_integer, true, ""},
    Field{"from", T::object, true, "{client_id, label, device}"},
    Field{"reason", T::string, true, "what the asker wrote; may be empty"},
    Field{"text", T::string, false, "what the policy adds"},
    Field{"deadline_ms", T::unsigned_integer, true, "time left to answer"},
};
constexpr std::array takeover_answer{
    Field{"request_id", T::unsigned_integer, true, ""},
    Field{"allowed", T::boolean, true, ""},
    Field{"reason", T::string, true, ""},
};
constexpr std::array document_transaction{
    Field{"transaction", T::object, true, "{changes?, source, version, by, id?}"},
};
constexpr std::array cell_op{
    Field{"cell_id", T::string, true, ""},
    Field{"execution_id", T::string, false, "absent for output of callbacks"},
    Field{"status", T::string, true, "", "queued|running|idle|error|cancelled"},
    Field{"execution_count", T::unsigned_integer, false, ""},
    Field{"outputs", T::array, false, "{op, index?, text?, output?}"},
};
constexpr std::array kernel_status{
    Field{"state", T::string, true, "", "none|starting|idle|busy|restarting|dead|unreachable"},
    Field{"runtime", T::string, true, "<plugin>/<kernel>; empty when there is none"},
    Field{"display_name", T::string, false, "the kernel's, for people"},
    Field{"environment", T::string, false, "folder of the environment it runs in; of a virtual one, conda's or pixi's"},
    Field{"error", T::string, false, "why it is dead or unreachable, or ended by the host"},
    Field{"reason", T::string, false, "why the host ended it", "culled|memory"},
    Field{"warning", T::string, false, "what will end it if it goes on"},
};
constexpr std::array input_request{
    Field{"request_id", T::string, true, ""},
    Field{"prompt", T::string, true, ""},
    Field{"password", T::boolean, true, ""},
    Field{"cell_id", T::string, false, "the cell that asks; absent outside of a run"},
};
constexpr std::array input_done{Field{"request_id", T::string, true, ""}};
constexpr std::array model_lifecycle{
    Field{"model_id", T::string, true, ""},
    Field{"revision", T::unsigned_integer, true, ""},
    Field{"origin", T::string, false, "the client whose write this is"},
    Field{"cell_id", T::string, false, ""},
    Field{"message", T::object, true, "{method, state?, content?, buffer_paths?}"},
    Field{"buffers", T::array, true, "base64; empty with buffers=binary, where they precede the event"},
};
constexpr std::array focus_cell{
    Field{"cell_id", T::string, true, ""},
    Field{"by", T::object, true, "{client_id, label, device}"},
};
constexpr std::array cursors{
    Field{"cursors", T::array, true,
          "all that are shown, at most 32: {client_id, cell_id, anchor?, head?, pointer?: {x, y, n}}; x and y are "
          "thousandths of the cell, n is new with each pointing"},
};
constexpr std::array gather{
    Field{"cell_id", T::string, true, ""},
    Field{"by", T::object, true, "{client_id, label, device}"},
};
constexpr std::array save_state{
    Field{"state", T::string, true, "", "saved|saving|dirty|failed"},
    Field{"path", T::string, true, ""},
    Field{"error", T::object, false, "{code, message, hint?}"},
    Field{"heads", T::strings, true, "of the content that is in the file"},
};
constexpr std::array trust_state{
    Field{"needs_approval", T::boolean, true, ""},
    Field{"heads", T::strings, false, "what was looked at when it was approved"},
    Field{"dependencies", T::strings, false, "those nobody on this machine has approved yet"},
};
constexpr std::array conflict{
    Field{"path", T::string, true, ""},
    Field{"choices", T::strings, true, "what may be done: resolve, overwrite, save_as; empty: it is over"},
    Field{"message", T::string, false, ""},
    Field{"cells", T::array, false,
          "{cell_id, kind: both_edited|deleted_here|deleted_there, theirs?: {cell_type, source}}"},
};
constexpr std::array policy_changed{
    Field{"policy", T::string, true, ""},
    Field{"multi_editor", T::boolean, true, ""},
};
constexpr std::array closing{
    Field{"reason", T::string, true, "SHUTDOWN, SESSION_ENDED or EXPIRED"},
    Field{"in_ms", T::unsigned_integer, true, ""},
};
constexpr std::array notice{Field{"text", T::string, true, ""}};
constexpr std::array resync{Field{"reason", T::string, true, ""}};
constexpr std::array replay_complete{Field{"seq", T::unsigned_integer, true, ""}};
constexpr std::array reply{
    Field{"id", T::string, true, "of the command"},
    Field{"ok", T::boolean, true, ""},
    Field{"error", T::object, false, "{code, message, hint?, details?, status}"},
};

using A = Audience;
using R = Recording;
constexpr std::array table{
    EventSpec{Op::kernel_ready, "kernel-ready", A::one, R::no, false, kernel_ready, "First frame of every connection."},
    EventSpec{Op::consumer_capabilities, "consumer-capabilities", A::one, R::no, false, consumer_capabilities,
              "What the receiver may do from now on."},
    EventSpec{Op::room_state, "room-state", A::all, R::no, true, room_state, "Who is here and who edits."},
    EventSpec{Op::takeover_request, "takeover-request", A::one, R::no, false, takeover_request,
              "Somebody asks the receiver for the pen."},
    EventSpec{Op::takeover_answer, "takeover-answer", A::one, R::no, false, takeover_answer,
              "How the receiver's own request ended."},
    EventSpec{Op::document_transaction, "notebook-document-transaction", A::document_events, R::recorded, false,
              document_transaction, "An edit; to its sender without changes."},
    EventSpec{Op::cell_op, "cell-op", A::all, R::recorded, false, cell_op, "Status and outputs of a cell."},
    EventSpec{Op::kernel_status, "kernel-status", A::all, R::recorded, false, kernel_status, "The kernel's state."},
    EventSpec{Op::input_request, "input-request", A::may_interact, R::pending, false, input_request,
              "The kernel waits for a line."},
    EventSpec{Op::input_done, "input-done", A::may_interact, R::no, false, input_done,
              "The kernel waits no longer: somebody answered, or the run ended."},
    EventSpec{Op::model_lifecycle, "model-lifecycle", A::model_events, R::recorded, false, model_lifecycle,
              "A widget model opened, changed, spoke or closed; custom messages are not recorded."},
    EventSpec{Op::focus_cell, "focus-cell", A::all_but_editor, R::no, true, focus_cell, "Where the editor is."},
    EventSpec{Op::cursors, "cursors", A::all, R::latest, true, cursors, "Where people are inside cells."},
    EventSpec{Op::gather, "gather", A::all_but_editor, R::no, true, gather,
              "Whoever edits asks everybody to come here."},
    EventSpec{Op::save_state, "save-state", A::all, R::latest, true, save_state, "The file beside the document."},
    EventSpec{Op::trust_state, "trust-state", A::all, R::latest, true, trust_state,
              "Whether what the notebook wants installed was approved on this machine."},
    EventSpec{Op::conflict, "conflict", A::all, R::latest, true, conflict, "The file was changed by somebody else."},
    EventSpec{Op::policy_changed, "policy-changed", A::all, R::no, false, policy_changed,
              "Another policy decides now."},
    EventSpec{Op::closing, "closing", A::all, R::no, false, closing, "The session is about to end."},
    EventSpec{Op::notice, "notice", A::one, R::no, false, notice, "A text for people, from the policy or the host."},
    EventSpec{Op::resync, "resync", A::one, R::no, false, resync, "The receiver was too slow; a snapshot follows."},
    EventSpec{Op::replay_complete, "replay-complete", A::one, R::no, false, replay_complete, "The replay ends here."},
    EventSpec{Op::reply, "reply", A::one, R::no, false, reply, "The answer to a command of the receiver."},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (static_cast<std::size_t>(table[i].op) != i) return false;
  }
  return table.size() == static_cast<std::size_t>(Op::reply) + 1;
}
static_assert(in_order(), "every Op has exactly one entry, in the order of the enumeration");

}  // namespace

std::string_view audience_name(Audience audience) {
  switch (audience) {
    case Audience::one:
      return "one";
    case Audience::all:
      return "all";
    case Audience::may_interact:
      return "may_interact";
    case Audience::document_events:
      return "document_events";
    case Audience::model_events:
      return "model_events";
    case Audience::all_but_editor:
      return "all_but_editor";
  }
  return "";
}

std::span<const EventSpec> events() {
  return table;
}
const EventSpec& event_spec(Op op) {
  return table[static_cast<std::size_t>(op)];
}

}  // namespace lectern::session
