// THE table of commands (protocol 4): name, tier, fields, handler. Authorization, dispatch and the published specs all
// read it; a command without a tier, fields or a handler does not compile.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "session/schema.hpp"

namespace lectern::session {

class LiveSession;
struct Invocation;

/// What a command needs of its sender: a place in the room, the interact capability, or the pen with its epoch.
enum class Tier { read, interact, edit };
std::string_view tier_name(Tier tier);

enum class Command {
  complete,
  inspect,
  is_complete,
  history,
  room,
  ping,
  focus,
  cursor,
  variables,
  takeover,
  answer,
  withdraw,
  act,
  sync,
  model,
  input,
  transaction,
  restore,
  undo,
  redo,
  execute,
  interrupt,
  restart,
  shutdown_kernel,
  start_kernel,
  save,
  resolve,
  clear_outputs,
  format,
  gather,
  trust,
  release,
};

/// [reactor] Runs an authorized command whose body has passed the field check. Answers through the invocation, now or
/// later, once.
using Handler = void (*)(LiveSession& session, Invocation invocation);

struct CommandSpec {
  // No default for anything: an entry that leaves out its tier is not an entry.
  constexpr CommandSpec(Command command_, std::string_view name_, Tier tier_, std::span<const Field> body_,
                        std::span<const Field> result_, Handler handler_, std::string_view about_)
      : command(command_), name(name_), tier(tier_), body(body_), result(result_), handler(handler_), about(about_) {}
  Command command;
  std::string_view name;
  Tier tier;
  std::span<const Field> body;
  std::span<const Field> result;
  Handler handler;
  std::string_view about;
};

/// [any] All commands, in the order of the protocol.
std::span<const CommandSpec> commands();
/// [any] Null for an unknown name.
const CommandSpec* find_command(std::string_view name);

}  // namespace lectern::session
