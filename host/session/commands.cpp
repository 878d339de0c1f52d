#include "session/commands.hpp"

#include <array>
#include <cstddef>

#include "session/handlers.hpp"

namespace lectern::session {
namespace {

using T = FieldType;
constexpr std::span<const Field> none{};

constexpr std::array complete_body{Field{"code", T::string, true, "the cell's text"},
                                   Field{"cursor_pos", T::unsigned_integer, true, "in code points"}};
constexpr std::array inspect_body{Field{"code", T::string, true, "the cell's text"},
                                  Field{"cursor_pos", T::unsigned_integer, true, "in code points"},
                                  Field{"detail_level", T::unsigned_integer, false, "0 or 1"}};
constexpr std::array is_complete_body{Field{"code", T::string, true, ""}};
constexpr std::array history_body{Field{"hist_access_type", T::string, false, "default: tail", "range|tail|search"},
                                  Field{"n", T::unsigned_integer, false, "how many; of tail and search"},
                                  Field{"pattern", T::string, false, "of search"},
                                  Field{"output", T::boolean, false, "outputs too (default false)"},
                                  Field{"raw", T::boolean, false, "as it was typed (default true)"}};
constexpr std::array kernel_result{Field{"content", T::object, true, "the kernel's reply, as Jupyter defines it"}};
constexpr std::array room_result{Field{"room", T::object, true, "as in room-state"}};
constexpr std::array focus_body{Field{"cell_id", T::string, true, ""}, Field{"line", T::unsigned_integer, false, ""},
                                Field{"column", T::unsigned_integer, false, ""}};
constexpr std::array cursor_body{
    Field{"cell_id", T::string, false, "absent: nothing is shown any more"},
    Field{"anchor", T::string, false, "Automerge cursor of the cell's source: where the selection began"},
    Field{"head", T::string, false, "the same: where the cursor is"},
    Field{"pointer", T::object, false, "{x, y}: parts of the cell's width and height, from 0 to 1"}};
constexpr std::array variables_result{
    Field{"content", T::object, true, "{variables: [{name, type, shape?, value?}], more?: how many are left out}"}};
constexpr std::array format_body{Field{"code", T::string, true, "the cell's text"}};
constexpr std::array format_result{
    Field{"content", T::object, true, "{formatter, code} or {error}: why not, in the formatter's words"}};
constexpr std::array gather_body{Field{"cell_id", T::string, true, ""}};
constexpr std::array takeover_body{
    Field{"if_epoch", T::unsigned_integer, false, "the room's epoch the asker saw; 409 when it moved on"},
    Field{"reason", T::string, false, "shown to whoever is asked; at most 280 characters"}};
constexpr std::array takeover_result{Field{"epoch", T::unsigned_integer, false, "of the new grant"},
                                     Field{"editor", T::object, false, "{client_id, label, device}"},
                                     Field{"consumer_capabilities", T::object, false, ""},
                                     Field{"asked", T::object, false, "who was asked instead (202)"},
                                     Field{"request_id", T::unsigned_integer, false, "with 202"},
                                     Field{"deadline_ms", T::unsigned_integer, false, "with 202: time left"}};
constexpr std::array answer_body{Field{"request_id", T::unsigned_integer, true, ""},
                                 Field{"allow", T::boolean, true, ""}};
constexpr std::array withdraw_body{Field{"request_id", T::unsigned_integer, true, ""}};
constexpr std::array act_body{Field{"verb", T::string, true, "one of the policy's actions"},
                              Field{"target", T::string, false, "client id"}, Field{"data", T::any, false, ""}};
constexpr std::array sync_body{Field{"heads", T::strings, true, "hex hashes the client has"},
                               Field{"history_id", T::string, false, ""}};
constexpr std::array sync_result{Field{"known", T::boolean, true, "the host knows these heads; `03` follows"},
                                 Field{"heads", T::strings, true, "the host's"},
                                 Field{"history_id", T::string, true, ""}};
constexpr std::array model_body{Field{"model_id", T::string, true, ""},
                                Field{"message", T::object, true, "{method, state?, content?, buffer_paths?}"},
                                Field{"buffers", T::strings, false, "base64, in the order of message.buffer_paths"}};
constexpr std::array model_result{Field{"revision", T::unsigned_integer, true, ""}};
constexpr std::array input_body{Field{"request_id", T::string, true, ""}, Field{"value", T::string, true, ""}};
constexpr std::array transaction_body{Field{"changes", T::array, true, "each {type, ...}"},
                                      Field{"base_version", T::unsigned_integer, false, "what splices count at"}};
constexpr std::array transaction_result{Field{"version", T::unsigned_integer, true, ""},
                                        Field{"applied", T::array, true, "what happened, anchors resolved"},
                                        Field{"dropped", T::array, true, "{index, reason}"}};
constexpr std::array restore_body{
    Field{"version", T::string, true, "of GET .../history; also \"file\" and \"copy-<ms>\""},
    Field{"cell_id", T::string, false, "only this cell"}};
constexpr std::array restore_result{Field{"version", T::unsigned_integer, true, "of the document now"},
                                    Field{"changes", T::unsigned_integer, true, "0: nothing differed"}};
constexpr std::array undo_result{Field{"version", T::unsigned_integer, true, "of the document now"},
                                 Field{"changes", T::unsigned_integer, true, "0: there was nothing"},
                                 Field{"undo_left", T::unsigned_integer, true, "how often undo still does something"},
                                 Field{"redo_left", T::unsigned_integer, true, ""}};
constexpr std::array execute_body{Field{"cell_ids", T::strings, false, "cells to run, in this order"},
                                  Field{"code", T::string, false, "code to run outside any cell"},
                                  Field{"stop_on_error", T::boolean, false,
                                        "false: a cell that fails does not cancel those after it (default true)"}};
constexpr std::array restart_body{
    Field{"run_all", T::boolean, false, "true: runs all code cells afterwards, in the notebook's order"},
    Field{"stop_on_error", T::boolean, false, "of that run, as in execute"}};
constexpr std::array restart_result{Field{"executions", T::array, false, "with run_all: as in execute"},
                                    Field{"runtime", T::string, false, "when a kernel was started: see kernel-status"}};
constexpr std::array execute_result{Field{"executions", T::array, true, "{cell_id, execution_id}"}};
constexpr std::array start_body{Field{"runtime", T::string, false, "<plugin>/<kernel>; default: the notebook's"}};
constexpr std::array start_result{Field{"runtime", T::string, true, ""}};
constexpr std::array save_body{Field{"path", T::string, false, "save under another path"},
                               Field{"overwrite", T::boolean, false, "also over somebody else's change of the file"}};
constexpr std::array save_result{Field{"path", T::string, true, ""}, Field{"bytes", T::unsigned_integer, true, ""},
                                 Field{"heads", T::strings, true, ""}};
constexpr std::array resolve_body{
    Field{"choices", T::array, true, "{cell_id, choice: ours|theirs|both}, for cells of the event conflict"}};
constexpr std::array resolve_result{Field{"left", T::unsigned_integer, true, "cells still to be chosen"}};
constexpr std::array clear_body{Field{"cell_ids", T::strings, false, "default: all cells"}};
constexpr std::array trust_body{
    Field{"heads", T::strings, true, "of the document the person looked at; 409 when it is another now"}};

using C = Command;
constexpr std::array table{
    CommandSpec{C::complete, "complete", Tier::read, complete_body, kernel_result, &handle_complete,
                "Completions from the kernel, for the asker alone."},
    CommandSpec{C::inspect, "inspect", Tier::read, inspect_body, kernel_result, &handle_inspect,
                "Documentation of what is at the cursor, for the asker alone."},
    CommandSpec{C::is_complete, "is_complete", Tier::read, is_complete_body, kernel_result, &handle_is_complete,
                "Whether code is a whole statement."},
    CommandSpec{C::history, "history", Tier::read, history_body, kernel_result, &handle_history,
                "The kernel's history."},
    CommandSpec{C::room, "room", Tier::read, none, room_result, &handle_room, "Who is here and who edits."},
    CommandSpec{C::ping, "ping", Tier::read, none, none, &handle_ping,
                "Does nothing, and is answered: the line carries both ways."},
    CommandSpec{C::focus, "focus", Tier::read, focus_body, none, &handle_focus, "Tells where the sender is looking."},
    CommandSpec{C::cursor, "cursor", Tier::read, cursor_body, none, &handle_cursor,
                "Shows the others where in a cell the sender is; at most 40 a second."},
    CommandSpec{C::variables, "variables", Tier::read, none, variables_result, &handle_variables,
                "What the kernel has in its variables, asked without a trace in its history."},
    CommandSpec{C::takeover, "takeover", Tier::read, takeover_body, takeover_result, &handle_takeover,
                "Asks for the pen."},
    CommandSpec{C::answer, "answer", Tier::read, answer_body, none, &handle_answer,
                "Answers a takeover request; only the one who was asked."},
    CommandSpec{C::withdraw, "withdraw", Tier::read, withdraw_body, none, &handle_withdraw,
                "Takes an own takeover request back."},
    CommandSpec{C::act, "act", Tier::read, act_body, none, &handle_act, "Uses one of the policy's actions."},
    CommandSpec{C::sync, "sync", Tier::read, sync_body, sync_result, &handle_sync,
                "States the sender's heads; the changes since come as `03`."},
    CommandSpec{C::model, "model", Tier::interact, model_body, model_result, &handle_model,
                "Writes a widget model's state, or sends it a message."},
    CommandSpec{C::input, "input", Tier::interact, input_body, none, &handle_input,
                "Answers the kernel's input request."},
    CommandSpec{C::transaction, "transaction", Tier::edit, transaction_body, transaction_result, &handle_transaction,
                "Edits the notebook, whole or not at all."},
    CommandSpec{C::restore, "restore", Tier::edit, restore_body, restore_result, &handle_restore,
                "Makes the cells what they were in a version, as a new change; outputs and the notebook's own metadata "
                "stay."},
    CommandSpec{C::undo, "undo", Tier::edit, none, undo_result, &handle_undo,
                "Takes back the sender's newest edit, as a new change; what others did stays."},
    CommandSpec{C::redo, "redo", Tier::edit, none, undo_result, &handle_redo,
                "Puts back what the sender's last undo took."},
    CommandSpec{C::execute, "execute", Tier::edit, execute_body, execute_result, &handle_execute,
                "Runs cells, or code."},
    CommandSpec{C::interrupt, "interrupt", Tier::edit, none, none, &handle_interrupt, "Interrupts the kernel."},
    CommandSpec{C::restart, "restart", Tier::edit, restart_body, restart_result, &handle_restart,
                "Restarts the kernel; a culled one is started."},
    CommandSpec{C::shutdown_kernel, "shutdown_kernel", Tier::edit, none, none, &handle_shutdown_kernel,
                "Ends the kernel."},
    CommandSpec{C::start_kernel, "start_kernel", Tier::edit, start_body, start_result, &handle_start_kernel,
                "Starts a kernel."},
    CommandSpec{C::save, "save", Tier::edit, save_body, save_result, &handle_save, "Writes the file now."},
    CommandSpec{C::resolve, "resolve", Tier::edit, resolve_body, resolve_result, &handle_resolve,
                "Chooses between this notebook's cells and those of a file that another program changed."},
    CommandSpec{C::clear_outputs, "clear_outputs", Tier::edit, clear_body, none, &handle_clear_outputs,
                "Removes the outputs of cells."},
    CommandSpec{C::format, "format", Tier::edit, format_body, format_result, &handle_format,
                "Formats code with the kernel's formatter; nothing is edited by it."},
    CommandSpec{C::gather, "gather", Tier::edit, gather_body, none, &handle_gather,
                "Asks everybody to come to a cell; at most one a second."},
    CommandSpec{C::trust, "trust", Tier::edit, trust_body, none, &handle_trust,
                "Approves the dependencies that the notebook names, for this machine."},
    CommandSpec{C::release, "release", Tier::edit, none, none, &handle_release, "Gives the pen back."},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (static_cast<std::size_t>(table[i].command) != i) return false;
  }
  return table.size() == static_cast<std::size_t>(Command::release) + 1;
}
static_assert(in_order(), "every Command has exactly one entry, in the order of the enumeration");

}  // namespace

std::string_view tier_name(Tier tier) {
  switch (tier) {
    case Tier::read:
      return "read";
    case Tier::interact:
      return "interact";
    case Tier::edit:
      return "edit";
  }
  return "";
}

std::span<const CommandSpec> commands() {
  return table;
}

const CommandSpec* find_command(std::string_view name) {
  for (const auto& spec : table) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

}  // namespace lectern::session
