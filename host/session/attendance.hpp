// Who is in the room: coming, going, being lost and coming back, and the one clock on which absences, requests and the
// policy's timers run out.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/loop.hpp"
#include "session/clients.hpp"
#include "session/connection.hpp"
#include "session/room.hpp"

namespace lectern::session {

class LiveSession;

class Attendance {
 public:
  explicit Attendance(LiveSession& session);

  /// A connection whose client is known: the newest of a client wins, the older one is closed 4001. It is live when the
  /// policy has said what the client may do; at once for somebody who is back.
  void arrive(Connection& connection, Client& client);
  /// A client without a socket joins; `device` as ConnectRequest::device.
  void arrive_without_socket(Client& client, std::uint32_t scope, std::string device,
                             UniqueFunction<void(Status)> done);
  /// A socket is gone.
  void connection_gone(Connection& connection, bool clean);
  /// A command of this member came: one without a socket lives on, and while its answer may take so long.
  void seen(Member& member, int answer_ms = 0);
  /// The same by a request of its own.
  void requested(Member& member, int answer_ms = 0);
  /// The member edited.
  void edited(Member& member);
  /// Gives the pen back of the member's own will.
  void release(Member& member, std::string_view reason);
  /// The member is gone for good.
  void leave(MemberId id);
  /// The rights of whoever runs under `principal` end now.
  void revoke(const std::string& principal);
  /// Sets the clock to the next thing that runs out; call after anything that could change it.
  void arm_clock();

 private:
  Member make_member(const Client& client, std::uint32_t scope, const std::string& device, bool headless) const;
  [[nodiscard]] const std::string& device_or_own(const std::string& device) const;
  void join(Connection& connection, Client& client);
  void come_back(Connection& connection, Client& client, Member& member);
  void lose(Member& member, bool clean);
  void goes_on_without_socket(Member& member);
  void on_clock();
  void reservation_over(Member& member);
  void push(plugin::EventKind kind, MemberId who, std::uint64_t timer = 0);
  LiveSession& session_;
  std::map<MemberId, std::string> arriving_;  // without a socket, until their turn comes: whose principal they are
  Timer clock_;
  bool arming_ = false;
};

}  // namespace lectern::session
