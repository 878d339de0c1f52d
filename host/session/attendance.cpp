#include "session/attendance.hpp"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "session/live_session.hpp"
#include "session/policy_driver.hpp"
#include "session/running.hpp"
#include "session/snapshot.hpp"
#include "session/takeovers.hpp"

namespace lectern::session {

using plugin::EventKind;
using plugin::Presence;

Attendance::Attendance(LiveSession& session) : session_(session), clock_(session.loop()) {}

void Attendance::push(EventKind kind, MemberId who, std::uint64_t timer) {
  PolicyDriver::Entry entry;
  entry.event.kind = kind;
  entry.event.who = who;
  entry.event.timer = timer;
  session_.policies().push(std::move(entry));
}

Member Attendance::make_member(const Client& client, std::uint32_t scope, const std::string& device,
                               bool headless) const {
  Member member;
  member.id = client.number;
  member.client_id = client.id;
  member.kind = client.kind;
  member.label = client.label;
  member.device = device_or_own(device);
  member.principal = client.principal;
  member.scope = scope & (cap_edit | cap_interact);
  if (client.view_only || session_.prepared().notebook.read_only) member.flags |= plugin::member_view_only;
  if (client.kind == "agent") member.flags |= plugin::member_agent;
  if (headless) {
    member.flags |= plugin::member_headless;
    member.requests = true;
    member.expires_ms = clock::now_ms() + session_.settings().client_without_socket_ms;
  }
  member.joined_ms = member.seen_ms = clock::now_ms();
  return member;
}

const std::string& Attendance::device_or_own(const std::string& device) const {
  return device.empty() ? session_.services().device_name : device;
}

void Attendance::arrive(Connection& connection, Client& client) {
  auto* older = session_.connections().find(client.connection);
  client.connection = connection.id();
  connection.incarnation = ++client.incarnation;
  connection.belongs_to(client);
  if (older != nullptr && older != &connection) older->close(4001, "REPLACED");
  const auto& options = connection.options();
  if (!options.label.empty()) client.label = options.label;
  if (!options.kind.empty()) client.kind = options.kind;
  client.view_only = client.view_only || options.view_only;
  // Its rights are those of the token it comes with now, and end with that one.
  client.principal = connection.request().principal;
  session_.ledger().client(client);
  if (auto* member = session_.room().find(client.number)) return come_back(connection, client, *member);
  join(connection, client);
}

void Attendance::join(Connection& connection, Client& client) {
  PolicyDriver::Entry entry;
  entry.reason = "joined";
  entry.event.kind = EventKind::joined;
  entry.event.who = client.number;
  const auto is_here = [this, id = connection.id()] {
    auto* found = session_.connections().find(id);
    return found != nullptr && !found->closing() ? found : nullptr;
  };
  entry.prepare = [this, is_here, number = client.number](plugin::PolicyEvent&) -> Status {
    auto* here = is_here();
    if (here == nullptr) return fail(410, "gone", "the connection closed before its turn");
    if (session_.room().find(number) != nullptr) return fail(409, "here_already", "the client is in the room");
    if (session_.room().members().size() >= session_.settings().max_members) {
      log::warning("session", session_.path() + " is full: a connection was refused");
      here->close(1013, "SESSION_FULL");
      return fail(429, "session_full", "the session is full");
    }
    session_.room().add(make_member(*here->client(), here->request().scope, here->request().device, false));
    return {};
  };
  entry.settled = [this, is_here](const Result<Applied>&) {
    // Also when the policy failed: the first frame always comes, and says what the client may do (nothing).
    if (auto* here = is_here(); here != nullptr && !here->live()) start_connection(session_, *here, false);
    session_.connections().room_changed();
    session_.check_idle();
  };
  session_.policies().push(std::move(entry));
}

void Attendance::come_back(Connection& connection, Client& client, Member& member) {
  auto& room = session_.room();
  const auto flags_before = member.flags;
  const auto scope_before = member.scope;
  member.presence = Presence::present;
  member.reserved_until_ms = member.expires_ms = 0;
  member.seen_ms = clock::now_ms();
  member.label = client.label;
  member.principal = client.principal;
  member.device = device_or_own(connection.request().device);
  member.scope = connection.request().scope & (cap_edit | cap_interact);
  member.flags &= ~static_cast<std::uint32_t>(plugin::member_headless);
  if (client.view_only || session_.prepared().notebook.read_only) member.flags |= plugin::member_view_only;
  room.touch();
  if (member.grant != 0 && !member.may_hold_the_pen()) release(member, "scope");
  if (member.grant == 0) member.caps &= member.scope;
  start_connection(session_, connection, true);
  push(EventKind::returned, member.id);
  if (flags_before != member.flags || scope_before != member.scope) push(EventKind::changed, member.id);
  session_.connections().room_changed();
  session_.check_idle();
  arm_clock();
}

void Attendance::arrive_without_socket(Client& client, std::uint32_t scope, std::string device,
                                       UniqueFunction<void(Status)> done) {
  session_.ledger().client(client);
  arriving_[client.number] = client.principal;
  PolicyDriver::Entry entry;
  entry.reason = "joined";
  entry.event.kind = EventKind::joined;
  entry.event.who = client.number;
  entry.prepare = [this, number = client.number, scope, device = std::move(device)](plugin::PolicyEvent&) -> Status {
    if (arriving_.erase(number) == 0) {
      return fail(401, "unauthorized", "the token was revoked before the client's turn",
                  "ask whoever handed it out for another");
    }
    const auto* known = session_.clients().by_number(number);
    if (known == nullptr) return fail(410, "gone", "the client was forgotten");
    if (session_.room().members().size() >= session_.settings().max_members) {
      return fail(429, "session_full",
                  "the session has " + std::to_string(session_.settings().max_members) + " members and takes no more",
                  "try again later");
    }
    session_.room().add(make_member(*known, scope, device, true));
    return {};
  };
  entry.settled = [this, number = client.number, done = std::move(done)](const Result<Applied>& result) mutable {
    arriving_.erase(number);
    session_.connections().room_changed();
    session_.check_idle();
    arm_clock();
    const bool here = session_.room().find(number) != nullptr;
    done(here ? Status()
              : Status(fail(result ? Error{500, "internal", "the client did not join", "", ""} : result.error())));
  };
  session_.policies().push(std::move(entry));
}

void Attendance::connection_gone(Connection& connection, bool clean) {
  auto* client = connection.client();
  if (client != nullptr && client->connection != connection.id()) return;  // replaced by a newer one
  if (client != nullptr) client->connection = 0;
  if (session_.ended()) return;
  auto* member = client == nullptr ? nullptr : session_.room().find(client->number);
  // One that never came into the room kept the session waiting for it.
  if (member == nullptr) return session_.check_idle();
  if (connection.byte_stream() && member->requests) return goes_on_without_socket(*member);
  lose(*member, clean);
}

// It hears nothing more, and goes on with commands as it may have begun.
void Attendance::goes_on_without_socket(Member& member) {
  const auto id = member.id;
  member.flags |= plugin::member_headless;
  member.expires_ms = clock::now_ms() + session_.settings().client_without_socket_ms;
  session_.room().touch();
  session_.takeovers().cannot_answer(id);
  push(EventKind::changed, id);
  session_.connections().room_changed();
  arm_clock();
}

void Attendance::lose(Member& member, bool clean) {
  const auto id = member.id;
  const auto& settings = session_.settings();
  if (member.grant == 0 && clean) return leave(id);
  const auto now = clock::now_ms();
  const auto until = now + (clean ? settings.reservation_closed_ms : settings.reservation_lost_ms);
  member.presence = Presence::lost;
  (member.grant != 0 ? member.reserved_until_ms : member.expires_ms) = until;
  session_.room().touch();
  session_.takeovers().cannot_answer(id);
  push(EventKind::lost, id);
  session_.connections().room_changed();
  arm_clock();
}

void Attendance::requested(Member& member, int answer_ms) {
  member.requests = true;
  seen(member, answer_ms);
}

void Attendance::seen(Member& member, int answer_ms) {
  member.seen_ms = clock::now_ms();
  if (!member.headless()) return;
  member.expires_ms = member.seen_ms + answer_ms + session_.settings().client_without_socket_ms;
  if (member.presence == Presence::lost) {
    member.presence = Presence::present;
    member.reserved_until_ms = 0;
    session_.room().touch();
    push(EventKind::returned, member.id);
    session_.connections().room_changed();
  }
  arm_clock();
}

void Attendance::edited(Member& member) {
  const auto now = clock::now_ms();
  const bool was_idle = now - member.edited_ms > 1000;
  member.edited_ms = now;
  if (was_idle) push(EventKind::activity, member.id);
}

void Attendance::release(Member& member, std::string_view reason) {
  const auto id = member.id;
  Applied applied;
  RightsChange change;
  change.member = id;
  change.caps_before = member.caps;
  change.revoked = member.grant;
  session_.room().revoke(member, cap_interact, clock::now_ms());
  change.caps_after = member.caps;
  applied.rights.push_back(change);
  announce(session_, applied, reason);
  push(EventKind::released, id);
}

void Attendance::leave(MemberId id) {
  auto* member = session_.room().find(id);
  if (member == nullptr) return;
  if (member->grant != 0) release(*member, "left");
  session_.takeovers().left(id);
  session_.running().runtime().asker_left(id);
  session_.room().remove(id);
  push(EventKind::left, id);
  session_.connections().room_changed();
  session_.check_idle();
  arm_clock();
}

void Attendance::reservation_over(Member& member) {
  const auto id = member.id;
  release(member, "expired");
  leave(id);
}

void Attendance::revoke(const std::string& principal) {
  // Also those who are no members yet: who has not shown a key, or waits for a turn.
  std::vector<Connection*> open;
  for (const auto& [id, connection] : session_.connections().all()) {
    if (connection->request().principal == principal) open.push_back(connection);
  }
  for (auto* connection : open) connection->close(1008, "UNAUTHORIZED");
  std::erase_if(arriving_, [&](const auto& one) { return one.second == principal; });
  std::vector<MemberId> theirs;
  for (const auto& [id, member] : session_.room().members()) {
    if (member.principal == principal) theirs.push_back(id);
  }
  for (const auto id : theirs) leave(id);
}

void Attendance::arm_clock() {
  if (std::exchange(arming_, true)) return;
  session_.loop().at_turn_end([weak = session_.weak_from_this()] {
    const auto session = weak.lock();
    if (!session || session->ended()) return;
    auto& self = session->attendance();
    self.arming_ = false;
    auto next = std::numeric_limits<std::int64_t>::max();
    const auto consider = [&next](std::int64_t at) {
      if (at != 0) next = std::min(next, at);
    };
    for (const auto& [id, member] : session->room().members()) {
      consider(member.reserved_until_ms);
      consider(member.expires_ms);
    }
    for (const auto& [timer, at] : session->room().timers()) consider(at);
    consider(session->takeovers().next_deadline());
    if (next == std::numeric_limits<std::int64_t>::max()) return self.clock_.cancel();
    const auto wait = std::max<std::int64_t>(0, next - clock::now_ms());
    self.clock_.start(std::chrono::milliseconds(wait), [&self] { self.on_clock(); });
  });
}

void Attendance::on_clock() {
  const auto now = clock::now_ms();
  std::vector<MemberId> reserved, expired;
  for (const auto& [id, member] : session_.room().members()) {
    if (member.reserved_until_ms != 0 && member.reserved_until_ms <= now) {
      reserved.push_back(id);
    } else if (member.expires_ms != 0 && member.expires_ms <= now) {
      expired.push_back(id);
    }
  }
  for (const auto id : reserved) reservation_over(*session_.room().find(id));
  for (const auto id : expired) {
    auto& member = *session_.room().find(id);
    member.expires_ms = 0;
    if (member.grant != 0) {
      lose(member, false);
    } else {
      leave(id);
    }
  }
  std::vector<std::uint64_t> due;
  for (const auto& [timer, at] : session_.room().timers()) {
    if (at <= now) due.push_back(timer);
  }
  for (const auto timer : due) {
    session_.room().timers().erase(timer);
    push(EventKind::timer, 0, timer);
  }
  session_.takeovers().on_clock(now);
  arm_clock();
}

}  // namespace lectern::session
