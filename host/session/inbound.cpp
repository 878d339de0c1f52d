#include "session/inbound.hpp"

#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "session/attendance.hpp"
#include "session/dispatch.hpp"
#include "session/editing.hpp"
#include "session/live_session.hpp"
#include "session/models_feed.hpp"

namespace lectern::session {
namespace {

void enter_new(LiveSession& session, Connection& connection) {
  const auto& options = connection.options();
  auto issued = session.clients().issue(options.label, options.kind.empty() ? "browser" : options.kind,
                                        connection.request().principal, options.view_only);
  connection.secret = std::move(issued.secret);
  session.attendance().arrive(connection, *issued.client);
}

// An id nobody knows is no claim on anybody: the host may have forgotten it, and its owner gets a new one. A known id
// with a wrong secret is.
void enter(LiveSession& session, Connection& connection, std::string_view key) {
  if (session.clients().find(key.substr(0, key.find('.'))) == nullptr) return enter_new(session, connection);
  auto client = session.clients().authenticate(key);
  if (!client) return connection.close(1008, "UNAUTHORIZED");
  session.attendance().arrive(connection, **client);
}

// A tab may show its key without having said in the query that it would: it has a new client by then, which goes again.
void become(LiveSession& session, Connection& connection, std::string_view key) {
  const bool just_made = !connection.secret.empty() && !connection.spoke;
  if (!just_made || session.clients().find(key.substr(0, key.find('.'))) == nullptr) return;
  auto client = session.clients().authenticate(key);
  if (!client) return connection.close(1008, "UNAUTHORIZED");
  auto& made = *connection.client();
  made.connection = 0;
  session.ledger().forget(made.id);
  session.attendance().leave(made.number);
  connection.start_again();
  session.attendance().arrive(connection, **client);
}

void on_command(LiveSession& session, Connection& connection, const plugin::Inbound& message) {
  Sender sender;
  sender.client = connection.client();
  sender.connection = connection.id();
  sender.scope = connection.request().scope;
  if (message.has_epoch) sender.epoch = message.epoch;
  std::string id(message.id);
  auto reply = [weak = session.weak_from_this(), connection_id = connection.id(), client_id = sender.client->id,
                id](Result<CommandReply> answer) {
    if (const auto alive = weak.lock()) alive->connections().reply(connection_id, client_id, id, answer);
  };
  json::Value body;
  if (!message.body.empty()) {
    auto parsed = json::parse(message.body);
    if (!parsed) return reply(fail(parsed.error()));
    body = std::move(*parsed);
  }
  std::vector<std::string> buffers;
  std::size_t at = 0;
  for (const auto size : message.sizes) {
    buffers.emplace_back(message.payload.substr(at, size));
    at += size;
  }
  session.dispatch().run(sender, std::string(message.name), std::move(id), std::move(body), std::move(buffers),
                         std::move(reply));
}

void on_malformed(LiveSession& session, Connection& connection, const plugin::Inbound& message) {
  Error error{400, message.name.empty() ? "bad_request" : std::string(message.name), std::string(message.body), "", ""};
  session.counters().dropped += 1;
  session.connections().tell(connection, Op::reply, reply_json(message.id, fail(std::move(error))));
}

}  // namespace

void identify(LiveSession& session, Connection& connection) {
  const auto& key = connection.request().client_key;
  if (!key.empty()) return enter(session, connection, key);
  if (connection.options().client_id.empty()) return enter_new(session, connection);
  connection.await_hello();
}

void handle_inbound(LiveSession& session, Connection& connection, const plugin::Inbound& message) {
  if (connection.client() == nullptr) {
    if (message.kind == plugin::InboundKind::hello) return enter(session, connection, message.body);
    return connection.close(1008, "UNAUTHORIZED");
  }
  if (message.kind == plugin::InboundKind::hello) return become(session, connection, message.body);
  connection.spoke = true;
  switch (message.kind) {
    case plugin::InboundKind::hello:
      return;
    case plugin::InboundKind::command:
      return on_command(session, connection, message);
    case plugin::InboundKind::changes:
      return session.editing().changes(connection, message);
    case plugin::InboundKind::sync:
      if (message.document == plugin::DocumentKind::models) {
        return session.models_feed().sync_message(connection, message.payload);
      }
      return session.editing().sync_message(connection, message);
    case plugin::InboundKind::malformed:
      return on_malformed(session, connection, message);
  }
}

}  // namespace lectern::session
