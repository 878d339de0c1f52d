#include "session/dispatch.hpp"

#include <utility>

#include "base/text.hpp"
#include "session/attendance.hpp"
#include "session/authorization.hpp"
#include "session/editing.hpp"
#include "session/invocation.hpp"
#include "session/live_session.hpp"

namespace lectern::session {
namespace {

Error unknown_command(const std::string& name) {
  std::vector<std::string> names;
  for (const auto& command : commands()) names.emplace_back(command.name);
  const auto near = text::nearest(name, names);
  return {404, "unknown_command", "there is no command '" + text::label(name, 40) + "'",
          near.empty() ? std::string() : "did you mean '" + near + "'?", ""};
}

// A restart alone is for a kernel; all cells are the document's.
bool runs_all(Command command, const json::Value& body) {
  const auto* all = command == Command::restart ? body.find("run_all") : nullptr;
  return all != nullptr && all->as_bool().value_or(false);
}

}  // namespace

bool needs_document(Command command) {
  switch (command) {
    case Command::transaction:
    case Command::restore:
    case Command::undo:
    case Command::redo:
    case Command::execute:
    case Command::save:
    case Command::resolve:
    case Command::sync:
    case Command::trust:
      return true;
    case Command::complete:
    case Command::inspect:
    case Command::is_complete:
    case Command::history:
    case Command::room:
    case Command::ping:
    case Command::focus:
    case Command::cursor:
    case Command::variables:
    case Command::takeover:
    case Command::answer:
    case Command::withdraw:
    case Command::act:
    case Command::model:
    case Command::input:
    case Command::interrupt:
    case Command::restart:
    case Command::shutdown_kernel:
    case Command::start_kernel:
    case Command::clear_outputs:
    case Command::format:
    case Command::gather:
    case Command::release:
      return false;
  }
  return true;
}

struct Dispatch::Pending {
  const CommandSpec* spec;
  MemberId member;
  std::uint64_t connection;
  Credentials credentials;
  std::string id;
  json::Value body;
  std::vector<std::string> buffers;
  Reply<CommandReply> reply;
};

void Dispatch::run(const Sender& sender, const std::string& name, std::string id, json::Value body,
                   std::vector<std::string> buffers, Reply<CommandReply> reply) {
  session_.counters().commands += 1;
  const auto* spec = find_command(name);
  if (spec == nullptr) return reply(fail(unknown_command(name)));
  // A cursor that is set twice is where it was. Its many moves would push out the ids of what must not run twice, and
  // so would the signs of life of a long day.
  const bool forgotten = spec->command == Command::cursor || spec->command == Command::ping;
  std::string kept = forgotten ? std::string() : id;
  if (!sender.client->replies.begin(kept, reply)) return;
  Pending pending{spec,          sender.client->number, sender.connection,  {sender.scope, sender.epoch},
                  std::move(id), std::move(body),       std::move(buffers), {}};
  if (pending.body.is_null()) pending.body = json::Value(json::Object{});
  pending.reply = [weak = session_.weak_from_this(), number = sender.client->number, id = std::move(kept),
                   reply = std::move(reply)](Result<CommandReply> answer) mutable {
    const auto session = weak.lock();
    auto* client = session ? session->clients().by_number(number) : nullptr;
    if (session && !answer) session->counters().refused += 1;
    if (client != nullptr && !id.empty()) client->replies.settle(id, answer);
    reply(std::move(answer));
  };
  if (!needs_document(spec->command) && !runs_all(spec->command, pending.body)) return execute(std::move(pending));
  session_.editing().when_built([this, pending = std::move(pending)](Status status) mutable {
    if (!status) return pending.reply(fail(status.error()));
    execute(std::move(pending));
  });
}

void Dispatch::execute(Pending pending) {
  auto* client = session_.clients().by_number(pending.member);
  auto* member = session_.room().find(pending.member);
  if (client == nullptr || member == nullptr) {
    return pending.reply(
        fail(400, "not_a_member", "the client is not in this session's room", "connect, or POST .../clients again"));
  }
  pending.connection == 0 ? session_.attendance().requested(*member) : session_.attendance().seen(*member);
  if (auto allowed = authorize(pending.spec->tier, session_.room(), *member, *client, pending.credentials); !allowed) {
    return pending.reply(fail(allowed.error()));
  }
  if (auto fits = check_fields(pending.body, pending.spec->body, "body"); !fits) {
    return pending.reply(fail(fits.error()));
  }
  Invocation invocation;
  invocation.spec = pending.spec;
  invocation.member = pending.member;
  invocation.connection = pending.connection;
  invocation.scope = pending.credentials.scope;
  invocation.id = std::move(pending.id);
  invocation.epoch = pending.credentials.epoch;
  invocation.body = std::move(pending.body);
  invocation.buffers = std::move(pending.buffers);
  invocation.reply = std::move(pending.reply);
  pending.spec->handler(session_, std::move(invocation));
}

}  // namespace lectern::session
