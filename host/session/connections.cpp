#include "session/connections.hpp"

#include <utility>

#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "session/cursors.hpp"
#include "session/live_session.hpp"

namespace lectern::session {
namespace {

constexpr std::size_t room_state_slice = 2u << 20;  // bytes of room-state in one turn
constexpr std::chrono::milliseconds between_slices{5};

}  // namespace

Connections::Connections(LiveSession& session)
    : session_(session),
      ring_(session.settings().replay_bytes, session.settings().replay_events),
      stream_(crypto::random_token(6)),
      room_state_timer_(session.loop()) {}

Connection* Connections::find(std::uint64_t id) const {
  const auto it = all_.find(id);
  return it == all_.end() ? nullptr : it->second;
}

bool Connections::hears(const Connection& connection, const Message& message) const {
  const auto* client = connection.client();
  if (client == nullptr) return false;
  switch (event_spec(message.op).audience) {
    case Audience::one:
      return false;
    case Audience::all:
      return true;
    case Audience::may_interact: {
      const auto* member = session_.room().find(client->number);
      return member != nullptr && (member->caps & cap_interact) != 0;
    }
    case Audience::document_events:
      return !connection.options().document_changes;
    case Audience::model_events:
      // Messages between a model and its views are nothing a document keeps: they are not recorded, and go to all.
      if (connection.options().models_document && message.seq) return false;
      return message.origin.empty() || message.origin != client->id;
    case Audience::all_but_editor:
      return message.origin != client->id;
  }
  return false;
}

void Connections::deliver(const MessagePtr& message, const MessagePtr& for_author) {
  // A connection that closes while it is sent to only leaves the map in a later turn.
  for (const auto& [id, connection] : all_) {
    if (!connection->live() || !hears(*connection, *message)) continue;
    const bool author = for_author && connection->client()->id == message->origin;
    connection->send(author ? for_author : message);
  }
}

std::uint64_t Connections::publish(Op op, std::string data, Publishing how) {
  const bool recorded = how.recorded && event_spec(op).recording == Recording::recorded;
  const auto seq = recorded ? std::optional<std::uint64_t>(ring_.next_seq()) : std::nullopt;
  const auto make = [&](std::string text) {
    auto message = event_message(op, std::move(text));
    message->seq = seq;
    message->origin = how.origin;
    return message;
  };
  auto message = make(std::move(data));
  MessagePtr for_author = how.for_author.empty() ? nullptr : make(std::move(how.for_author));
  for (const auto buffer : how.buffers) {
    message->payload += buffer;
    message->sizes.push_back(buffer.size());
  }
  if (recorded) ring_.add(message, for_author);
  deliver(message, for_author);
  return seq.value_or(0);
}

void Connections::tell(MemberId member, Op op, std::string data) {
  const auto* client = session_.clients().by_number(member);
  auto* connection = client == nullptr ? nullptr : find(client->connection);
  if (connection != nullptr && connection->live()) connection->send(event_message(op, std::move(data)));
}

void Connections::tell(Connection& connection, Op op, std::string data) {
  connection.send(event_message(op, std::move(data)));
}

void Connections::changes(const std::string& by, std::uint64_t version, const std::vector<std::string>& chunks,
                          std::uint64_t sender) {
  auto message = std::make_shared<Message>();
  message->kind = plugin::OutboundKind::changes;
  message->document = plugin::DocumentKind::notebook;
  json::Writer(message->data).begin_object().member_raw("by", by).member("version", version).end_object();
  for (const auto& chunk : chunks) {
    message->payload += chunk;
    message->sizes.push_back(chunk.size());
  }
  for (const auto& [id, connection] : all_) {
    if (id != sender && connection->live() && connection->document_ready) connection->send(message);
  }
}

void Connections::room_changed() {
  if (std::exchange(room_state_due_, true)) {
    room_state_again_ = true;
    return;
  }
  const auto members = static_cast<std::int64_t>(session_.room().members().size());
  const auto pause = members < large_room ? 0 : members / 2;
  const auto wait = room_state_sent_ms_ + pause - clock::now_ms();
  if (pause != 0 && wait > 0) {
    return room_state_timer_.start(std::chrono::milliseconds(wait), [this] { send_room_state(); });
  }
  session_.loop().at_turn_end([weak = session_.weak_from_this()] {
    if (const auto session = weak.lock()) session->connections().send_room_state();
  });
}

void Connections::send_room_state() {
  session_.summary_changed();
  session_.cursors().people_changed();
  room_state_again_ = false;
  send_room_slice(0);
}

// A thousand members make room-states of 150 kB, to each of them: in one turn, nothing else would move for a tenth of a
// second, and without pauses an edit would stand behind all that is on its way to readers already. Every slice shows
// the room as it is then, so that nobody gets an older one than the kernel-ready it had.
void Connections::send_room_slice(std::uint64_t after) {
  const auto message = event_message(Op::room_state, room_state_json(session_.room(), session_.wall_offset_ms()));
  std::size_t bytes = 0;
  for (auto it = all_.upper_bound(after); it != all_.end(); ++it) {
    if (bytes >= room_state_slice) {
      return room_state_timer_.start(between_slices, [this, after] { send_room_slice(after); });
    }
    after = it->first;
    if (!it->second->live() || !hears(*it->second, *message)) continue;
    it->second->send(message);
    bytes += message->bytes();
  }
  room_state_due_ = false;
  room_state_sent_ms_ = clock::now_ms();
  if (std::exchange(room_state_again_, false)) room_changed();
}

void Connections::reply(std::uint64_t connection, std::string_view client_id, std::string_view id,
                        const Result<CommandReply>& answer) {
  auto* to = find(connection);
  if (to == nullptr || !to->live()) {
    const auto* client = session_.clients().find(client_id);
    to = client == nullptr ? nullptr : find(client->connection);
  }
  if (to != nullptr && to->live()) tell(*to, Op::reply, reply_json(id, answer));
}

void write_error(json::Writer& writer, const Error& error, bool with_status) {
  writer.begin_object().member("code", error.code).member("message", error.message);
  if (!error.hint.empty()) writer.member("hint", error.hint);
  if (!error.details.empty()) writer.member_raw("details", error.details);
  if (with_status) writer.member("status", error.status);
  writer.end_object();
}

std::string reply_json(std::string_view id, const Result<CommandReply>& answer) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("id", id).member("ok", answer.has_value());
  if (!answer) {
    writer.key("error");
    write_error(writer, answer.error(), true);
    writer.end_object();
    return out;
  }
  if (answer->status != 200) writer.member("status", answer->status);
  writer.end_object();
  if (answer->json.size() > 2) {  // the members of the result come right beside id and ok
    out.back() = ',';
    out.append(answer->json, 1);
  }
  return out;
}

}  // namespace lectern::session
