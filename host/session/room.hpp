// The consumers of a session and the pen: who is here, what each may do, who asks for what. Pure state: no sockets, no
// clocks, no threads. Every change that a policy could see raises the version.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/policy.hpp"
#include "session/session.hpp"

namespace lectern::session {

using MemberId = std::uint64_t;

inline constexpr std::uint32_t cap_edit = plugin::cap_edit;
inline constexpr std::uint32_t cap_interact = plugin::cap_interact;

struct Member : plugin::Member {
  std::string client_id, kind;
  std::string focus_cell;
  std::optional<std::uint64_t> focus_line, focus_column;
  std::int64_t expires_ms = 0;  // a client without a socket is dropped then; 0 = it has one
  bool requests = false;        // its commands are requests of their own: an event stream that ends takes none of them
  [[nodiscard]] bool view_only() const { return (flags & plugin::member_view_only) != 0; }
  [[nodiscard]] bool headless() const { return (flags & plugin::member_headless) != 0; }
  [[nodiscard]] bool may_hold_the_pen() const { return (scope & cap_edit) != 0 && !view_only(); }
};

/// A takeover request until it ends. `reply` is set while the takeover command itself waits for its answer.
struct OpenRequest : plugin::Request {
  std::string client_id;  // of the asker
  std::string ask_text;
  bool answered = false;  // an answer is in the queue: the deadline no longer ends it
  Reply<CommandReply> reply;
};

class Room {
 public:
  [[nodiscard]] std::uint64_t version() const { return version_; }
  void touch() { ++version_; }

  /// [reactor] `member.id` must be new.
  Member& add(Member member);
  /// [reactor] Its grant, if any, goes with it.
  void remove(MemberId id);
  [[nodiscard]] Member* find(MemberId id);
  [[nodiscard]] const Member* find(MemberId id) const;
  [[nodiscard]] const Member* find_client(std::string_view client_id) const;
  [[nodiscard]] const std::map<MemberId, Member>& members() const { return members_; }
  [[nodiscard]] std::map<MemberId, Member>& members() { return members_; }

  /// The one with the oldest grant: under an exclusive policy the only one. Null = nobody.
  [[nodiscard]] const Member* editor() const;
  [[nodiscard]] std::size_t grants() const;
  [[nodiscard]] std::int64_t since_ms() const { return since_ms_; }
  /// The last epoch given in this room.
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  /// At the start: what an earlier run of the host gave out.
  void continue_after(std::uint64_t epoch) { epoch_ = epoch; }
  /// `epoch` is the counter's next value.
  void grant(Member& member, std::uint64_t epoch, std::int64_t now_ms);
  /// Takes the grant away; `keeps` are the capabilities left.
  void revoke(Member& member, std::uint32_t keeps, std::int64_t now_ms);

  OpenRequest& open_request(OpenRequest request);
  [[nodiscard]] OpenRequest* request(std::uint64_t id);
  [[nodiscard]] std::map<std::uint64_t, OpenRequest>& requests() { return requests_; }
  /// Takes it out; it must be open.
  OpenRequest close_request(std::uint64_t id);

  /// Timers the policy has set: its number and when.
  [[nodiscard]] std::map<std::uint64_t, std::int64_t>& timers() { return timers_; }
  std::string& shown() { return shown_; }
  [[nodiscard]] const std::string& shown() const { return shown_; }

  /// What a policy sees; a copy.
  [[nodiscard]] plugin::RoomSnapshot snapshot(std::int64_t now_ms) const;

 private:
  std::map<MemberId, Member> members_;
  std::map<std::uint64_t, OpenRequest> requests_;
  std::map<std::uint64_t, std::int64_t> timers_;
  std::string shown_;  // JSON object of the policy's, or empty
  std::uint64_t version_ = 1, epoch_ = 0, next_request_ = 1;
  std::int64_t since_ms_ = 0;
};

/// [reactor] The data of `room-state` (protocol 5), as JSON text. `wall_offset_ms` turns monotonic into wall time.
std::string room_state_json(const Room& room, std::int64_t wall_offset_ms);
/// `{"edit":…,"interact":…}`
std::string capabilities_json(std::uint32_t caps);
/// `{"client_id","label","device"}`, or null.
std::string who_json(const Member* member);
/// "editor", "interactor" or "viewer".
std::string_view role_name(const Member& member);

}  // namespace lectern::session
