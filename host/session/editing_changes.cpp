// The Automerge ways into the document: raw changes (`03`), sync messages (`01`), and the whole of it on the way out.
#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "session/attendance.hpp"
#include "session/authorization.hpp"
#include "session/editing.hpp"
#include "session/history.hpp"
#include "session/live_session.hpp"

namespace lectern::session {
namespace {

std::vector<std::string> cut(std::string_view payload, std::span<const std::uint64_t> sizes) {
  std::vector<std::string> chunks;
  std::size_t at = 0;
  for (const auto size : sizes) {
    chunks.emplace_back(payload.substr(at, size));
    at += size;
  }
  return chunks;
}

std::string hashes_json(const std::vector<document::ChangeHash>& hashes) {
  std::string out;
  json::Writer writer(out);
  writer.begin_array();
  for (const auto& hash : hashes) writer.string(hash.hex());
  writer.end_array();
  return out;
}

Error not_in_the_room() {
  return {400, "not_a_member", "the client is not in the room", "", ""};
}

/// Of those that can be read: a refusal names its changes even where one of them is broken. Nobody's refusal is worth
/// the time that many or large ones take.
std::vector<document::ChangeHash> readable_hashes(std::span<const std::string> chunks) {
  std::vector<document::ChangeHash> hashes;
  if (!document::NotebookDocument::quick_to_read(chunks)) return hashes;
  for (const auto& chunk : chunks) {
    const auto info = document::NotebookDocument::inspect_changes({&chunk, 1});
    if (info) hashes.push_back(info->front().hash);
  }
  return hashes;
}

/// Of what is quick to find out; anything else counts as new.
bool has_all(const document::NotebookDocument& document, std::span<const std::string> chunks) {
  const auto hashes = readable_hashes(chunks);
  return !chunks.empty() && hashes.size() == chunks.size() &&
         std::all_of(hashes.begin(), hashes.end(), [&](const auto& hash) { return document.contains(hash); });
}

}  // namespace

// A refused submission comes with a fresh actor: the old one's numbering is now ahead of what the host has, and the
// client starts again from the host's heads (protocol 3).
void Editing::refuse(Connection& connection, std::string_view id, Error error, std::span<const std::string> chunks) {
  auto* client = connection.client();
  const auto& actor = Clients::new_actor(*client);
  session_.ledger().client(*client);
  session_.counters().refused += 1;
  json::Value details{json::Object{}};
  if (auto parsed = json::parse(error.details); parsed && parsed->is_object()) details = std::move(*parsed);
  if (details.find("hashes") == nullptr) details.set("hashes", json::Raw{hashes_json(readable_hashes(chunks))});
  details.set("actor", actor);
  details.set("heads", json::Raw{heads_json()});
  error.details = json::write(details);
  answer_changes(connection.id(), std::string(id), client->id, fail(std::move(error)));
}

void Editing::answer_changes(std::uint64_t connection, const std::string& id, const std::string& client_id,
                             Result<CommandReply> answer) {
  if (auto* client = session_.clients().find(client_id)) client->replies.settle(id, answer);
  session_.connections().reply(connection, client_id, id, answer);
}

void Editing::changes(Connection& connection, const plugin::Inbound& message) {
  auto* client = connection.client();
  const std::string id(message.id);
  const auto connection_id = connection.id();
  Reply<CommandReply> again = [this, connection_id, client_id = client->id, id](Result<CommandReply> answer) {
    session_.connections().reply(connection_id, client_id, id, answer);
  };
  if (!client->replies.begin(id, again)) return;
  if (message.document == plugin::DocumentKind::models) {
    return refuse(connection, id, {403, "read_only", "the models document is the host's", "use the model command", ""},
                  {});
  }
  struct Submission {
    std::vector<std::string> chunks;
    Credentials credentials;
    bool flush;
    std::int64_t at_ms;
  };
  Submission submission{
      cut(message.payload, message.sizes), {connection.request().scope, std::nullopt}, message.flush, clock::now_ms()};
  if (message.has_epoch) submission.credentials.epoch = message.epoch;
  when_built([this, connection_id, client_id = client->id, id,
              submission = std::move(submission)](Status status) mutable {
    auto* here = session_.connections().find(connection_id);
    if (here == nullptr) {
      return answer_changes(connection_id, id, client_id,
                            fail(503, "connection_lost", "the connection went away before the changes were looked at",
                                 "send them again with the same id"));
    }
    if (!status) return refuse(*here, id, status.error(), submission.chunks);
    auto& author = *here->client();
    auto* member = session_.room().find(author.number);
    if (member == nullptr) return refuse(*here, id, not_in_the_room(), submission.chunks);
    const auto allowed = authorize_changes(session_.room(), *member, author, submission.credentials, submission.flush,
                                           submission.at_ms, session_.settings().flush_window_ms);
    if (!allowed) {
      // What was sent again because its answer was lost is in the document: refused, it would be kept as a draft.
      if (refusing_ || !has_all(*document_, submission.chunks)) {
        return refuse(*here, id, allowed.error(), submission.chunks);
      }
      document::AppliedChanges nothing_new;
      nothing_new.version = document_->version();
      return changes_applied(client_id, connection_id, id, std::move(nothing_new));
    }
    apply_chunks(*here, id, std::move(submission.chunks));
  });
}

void Editing::apply_chunks(Connection& connection, const std::string& id, std::vector<std::string> chunks) {
  if (refusing_) return refuse(connection, id, *refusing_, chunks);
  auto& client = *connection.client();
  // What was made before the line was cut may name an actor of then.
  auto edit = document_->begin_changes(chunks, client.actors);
  if (!edit) return refuse(connection, id, edit.error(), chunks);
  make(*edit, [this, edit = *edit, connection_id = connection.id(), client_id = client.id, id,
               chunks = std::move(chunks)]() mutable {
    auto applied = document_->finish_changes(*edit);
    if (applied) return changes_applied(client_id, connection_id, id, std::move(*applied));
    if (auto* here = session_.connections().find(connection_id)) return refuse(*here, id, applied.error(), chunks);
    answer_changes(connection_id, id, client_id, fail(applied.error()));
  });
}

void Editing::changes_applied(const std::string& client_id, std::uint64_t connection_id, const std::string& id,
                              document::AppliedChanges applied) {
  std::string reply;
  json::Writer(reply)
      .begin_object()
      .member("version", applied.version)
      .member_raw("hashes", hashes_json(applied.hashes))
      .end_object();
  UniqueFunction<void(Status)> told = [this, id, client_id, connection_id,
                                       reply = std::move(reply)](Status status) mutable {
    Result<CommandReply> answer = CommandReply{200, std::move(reply)};
    if (!status) answer = fail(status.error());
    answer_changes(connection_id, id, client_id, std::move(answer));
  };
  if (applied.chunks.empty()) {  // all known: what they say is told already, or about to be
    return when_durable([told = std::move(told)]() mutable { told({}); });
  }
  auto staged = staged_of(*session_.clients().find(client_id), connection_id, std::move(applied));
  staged.id = id;
  staged.told = std::move(told);
  stage(std::move(staged));
}

Editing::Staged Editing::staged_of(const Client& client, std::uint64_t connection, document::AppliedChanges applied) {
  if (auto* member = session_.room().find(client.number)) session_.attendance().edited(*member);
  Staged staged;
  staged.logged.cells = document::touches_of(applied.changes);
  staged.logged.author = session_.history().author_of(client);
  staged.steps = std::move(applied.steps);
  staged.chunks = std::move(applied.chunks);
  staged.changes = std::move(applied.changes);
  staged.version = applied.version;
  staged.source = "client";
  staged.by = by_json(client.number);
  staged.author = client.id;
  staged.sender = connection;
  return staged;
}

void Editing::sync_message(Connection& connection, const plugin::Inbound& message) {
  if (message.document != plugin::DocumentKind::notebook) return;
  when_built([this, connection_id = connection.id(), payload = std::string(message.payload)](Status status) {
    auto* here = session_.connections().find(connection_id);
    if (here == nullptr) return;
    // Never without a word: the peer would wait for an answer for as long as the line is there.
    if (!status) return sync_refused(*here, status.error());
    auto& client = *here->client();
    auto* member = session_.room().find(client.number);
    if (member == nullptr) return sync_refused(*here, not_in_the_room());
    if (!here->sync) here->sync = document_->open_sync();
    // Changes in it need the pen; sync carries no epoch, so holding the grant now is what counts. Without it nothing of
    // an author's is accepted, and a message that only asks passes.
    const bool may_edit = member->grant != 0 && (here->request().scope & cap_edit) != 0 && !refusing_;
    const auto authors = may_edit ? client.actors : std::vector<std::string>{};
    auto edit = document_->begin_sync(*here->sync, payload, authors);
    if (!edit) return sync_refused(*here, edit.error());
    make(*edit, [this, edit = *edit, connection_id, client_id = client.id] {
      auto applied = document_->finish_sync(*edit);
      auto* from = session_.connections().find(connection_id);
      if (!applied) {
        if (from != nullptr) sync_refused(*from, applied.error());
        return;
      }
      if (from != nullptr) from->document_ready = false;  // it learns by sync what others edit
      if (!applied->chunks.empty()) {
        stage(staged_of(*session_.clients().find(client_id), connection_id, std::move(*applied)));
      }
      pump_syncs();
    });
  });
}

void Editing::sync_refused(Connection& connection, const Error& why) {
  session_.counters().refused += 1;
  connection.sync.reset();
  std::string data;
  json::Writer(data).begin_object().member("text", why.message).end_object();
  session_.connections().tell(connection, Op::notice, std::move(data));
}

// A sync message says all that the document has, so none is made while some of it is not on disk. The next message of a
// client is read after that: one that says nothing new would make the engine take what the one before it brought for
// acknowledged.
void Editing::pump_syncs() {
  const auto& all = session_.connections().all();
  const bool any = std::any_of(all.begin(), all.end(), [](const auto& one) { return one.second->sync.has_value(); });
  if (!any || std::exchange(pump_due_, true)) return;
  when_quiet([this] {
    pump_due_ = false;
    if (safe_) return;  // comes again with the first edits that the disk takes
    for (const auto& [id, connection] : session_.connections().all()) pump_sync(*connection);
  });
}

void Editing::pump_sync(Connection& connection) {
  if (!connection.sync || !connection.live()) return;
  for (int rounds = 0; rounds < 64; ++rounds) {
    auto out = document_->sync_generate(*connection.sync);
    if (!out) {
      log::warning("session", "a sync session was ended: " + out.error().message);
      connection.sync.reset();  // what its peer said of itself is in there, and would fail again
      break;
    }
    if (out->empty()) break;
    auto message = std::make_shared<Message>();
    message->kind = plugin::OutboundKind::sync;
    message->document = plugin::DocumentKind::notebook;
    message->payload = std::move(*out);
    connection.send(message);
  }
}

MessagePtr Editing::document_for(Connection& connection) {
  const auto& options = connection.options();
  auto& prepared = session_.prepared();
  if (options.heads && options.history_id == prepared.notebook.history_id) {
    std::vector<document::ChangeHash> heads;
    for (const auto& text : *options.heads) {
      if (auto hash = document::ChangeHash::from_hex(text)) heads.push_back(*hash);
    }
    if (auto missing = shown().changes_since(heads); missing && heads.size() == options.heads->size()) {
      auto message = std::make_shared<Message>();
      message->kind = plugin::OutboundKind::changes;
      message->document = plugin::DocumentKind::notebook;
      message->counts = false;
      json::Writer(message->data)
          .begin_object()
          .member_raw("by", "null")
          .member("version", shown_version())
          .end_object();
      for (const auto& chunk : *missing) {
        message->payload += chunk;
        message->sizes.push_back(chunk.size());
      }
      connection.document_ready = true;
      return message;
    }
  }
  auto bytes = shown().save();
  if (!bytes) return nullptr;
  auto message = std::make_shared<Message>();
  message->kind = plugin::OutboundKind::document;
  message->document = plugin::DocumentKind::notebook;
  message->counts = false;
  json::Writer(message->data)
      .begin_object()
      .member("document", "notebook")
      .member("history_id", prepared.notebook.history_id)
      .member_raw("heads", heads_json())
      .member("version", shown_version())
      .end_object();
  message->payload = std::move(*bytes);
  connection.document_ready = true;
  return message;
}

}  // namespace lectern::session
