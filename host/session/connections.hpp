// All live connections of a session, and everything that is said to them: recorded events with their seq and ring,
// audiences, the coalesced room-state.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "session/connection.hpp"
#include "session/events.hpp"
#include "session/replay_ring.hpp"
#include "session/room.hpp"

namespace lectern::session {

class LiveSession;

/// Members. In a larger room everybody hears less often.
inline constexpr std::int64_t large_room = 50;

/// What publish() needs beyond op and data.
struct Publishing {
  std::string origin;                     // client id of the author; model events do not go back to it
  std::string for_author;                 // data its author gets in place of the event; empty = the same
  std::vector<std::string_view> buffers;  // of a model event; the transport puts them where its encoding has them
  bool recorded = true;  // false: an event of a recorded op that shall not be replayed (model custom messages)
};

class Connections {
 public:
  explicit Connections(LiveSession& session);

  void add(Connection& connection) { all_[connection.id()] = &connection; }
  void remove(Connection& connection) { all_.erase(connection.id()); }
  [[nodiscard]] Connection* find(std::uint64_t id) const;
  [[nodiscard]] const std::map<std::uint64_t, Connection*>& all() const { return all_; }
  /// Names this run of the seq counter.
  [[nodiscard]] const std::string& stream() const { return stream_; }
  [[nodiscard]] std::uint64_t seq() const { return ring_.seq(); }
  [[nodiscard]] const ReplayRing& ring() const { return ring_; }

  /// [reactor] Sends an event to its audience; gives it a seq and keeps it when its op is recorded. Returns the seq, 0
  /// when it has none.
  std::uint64_t publish(Op op, std::string data, Publishing how = {});
  /// [reactor] Sends an event to one member, if it is connected. Never recorded.
  void tell(MemberId member, Op op, std::string data);
  void tell(Connection& connection, Op op, std::string data);
  /// [reactor] The raw changes of the notebook, to every connection with document=changes but `sender` (0 = nobody).
  void changes(const std::string& by, std::uint64_t version, const std::vector<std::string>& chunks,
               std::uint64_t sender);
  /// [reactor] room-state goes to all at the end of this turn. A large room is told less often: its room-state grows
  /// with the members and goes to each of them, so a hundred joining at once would cost the square of that.
  void room_changed();
  /// [reactor] The reply to a command that came by `connection`, or by another one of `client_id`, which has replaced
  /// it.
  void reply(std::uint64_t connection, std::string_view client_id, std::string_view id,
             const Result<CommandReply>& answer);
  /// [reactor] Whether this connection is of the audience of `message`.
  [[nodiscard]] bool hears(const Connection& connection, const Message& message) const;

 private:
  void deliver(const MessagePtr& message, const MessagePtr& for_author);
  LiveSession& session_;
  std::map<std::uint64_t, Connection*> all_;
  ReplayRing ring_;
  std::string stream_;
  void send_room_state();
  void send_room_slice(std::uint64_t after);
  Timer room_state_timer_;
  std::int64_t room_state_sent_ms_ = 0;
  bool room_state_due_ = false;    // until the last slice is sent
  bool room_state_again_ = false;  // the room changed meanwhile
};

/// `{"id","ok",…}`: the data of a reply.
std::string reply_json(std::string_view id, const Result<CommandReply>& answer);
/// `{"code","message",…,"status"}`.
void write_error(json::Writer& writer, const Error& error, bool with_status);

}  // namespace lectern::session
