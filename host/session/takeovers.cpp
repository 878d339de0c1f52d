#include "session/takeovers.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "session/attendance.hpp"
#include "session/authorization.hpp"
#include "session/live_session.hpp"
#include "session/policy_driver.hpp"

namespace lectern::session {
namespace {

constexpr std::size_t finished_kept = 256;
constexpr std::size_t reason_limit = 280;

}  // namespace

std::string Takeovers::granted_json(const Member& member) const {
  std::string out;
  json::Writer(out)
      .begin_object()
      .member("epoch", member.grant)
      .member_raw("editor", who_json(&member))
      .member_raw("consumer_capabilities", capabilities_json(member.caps))
      .end_object();
  return out;
}

void Takeovers::takeover(Invocation invocation) {
  auto& room = session_.room();
  const auto* member = room.find(invocation.member);
  if (member->grant != 0) return invocation.ok(granted_json(*member));
  if (!member->may_hold_the_pen() || (invocation.scope & cap_edit) == 0) {
    if (session_.prepared().notebook.read_only) {
      return invocation.error(403, "denied", "the file " + session_.path() + " can only be read here",
                              "make it and its folder writable and open it again, or work where it is open");
    }
    const char* why =
        member->view_only() ? "the client joined to watch only" : "the client's access does not include editing";
    return invocation.error(403, "denied", why, "join with an edit link, and without view_only");
  }
  const auto if_epoch = invocation.number("if_epoch");
  if (if_epoch && *if_epoch != room.epoch()) {
    return invocation.error(stale_epoch(room, "the room's epoch is no longer " + std::to_string(*if_epoch)));
  }
  if (room.requests().size() >= session_.settings().max_requests) {
    return invocation.error(429, "too_many_requests",
                            "the room has " + std::to_string(room.requests().size()) + " open takeover requests",
                            "try again later");
  }
  auto request = std::make_shared<OpenRequest>();  // shared: prepare and settled both need it
  request->from = member->id;
  request->client_id = member->client_id;
  request->if_epoch = if_epoch.value_or(0);
  request->reason = text::label(invocation.text("reason"), reason_limit);
  request->reply = std::move(invocation.reply);

  PolicyDriver::Entry entry;
  entry.reason = "takeover";
  entry.event.kind = plugin::EventKind::requested;
  entry.event.who = member->id;
  entry.prepare = [this, request, if_epoch](plugin::PolicyEvent& event) -> Status {
    auto& now_room = session_.room();
    const auto* asker = now_room.find(request->from);
    if (asker == nullptr) return fail(400, "not_a_member", "the client left the room before it got the pen");
    // The compare-and-swap: of two racers the second finds the epoch the first has just raised.
    if (if_epoch && *if_epoch != now_room.epoch() && asker->grant == 0) {
      return fail(stale_epoch(now_room, "the room's epoch is no longer " + std::to_string(*if_epoch)));
    }
    request->at_ms = clock::now_ms();
    request->deadline_ms = request->at_ms + session_.settings().request_deadline_ms;
    const auto& opened = now_room.open_request(std::move(*request));
    request->id = event.request = opened.id;
    return {};
  };
  entry.settled = [this, request](const Result<Applied>& result) {
    if (request->id == 0) {  // never opened: prepare refused it
      if (request->reply) request->reply(fail(result.error()));
      return;
    }
    decided(request->id, result);
  };
  session_.policies().push(std::move(entry));
}

void Takeovers::decided(std::uint64_t request_id, const Result<Applied>& result) {
  auto* request = session_.room().request(request_id);
  if (request == nullptr) return;  // resolved; announce() has told everybody
  if (!result) {
    auto reply = std::move(request->reply);
    finish(request_id, End::denied, result.error().message);
    if (reply) reply(fail(403, "denied", result.error().message, result.error().hint));
    return;
  }
  if (!request->reply) return;
  const auto* asked = session_.room().find(request->asked);
  std::string out;
  json::Writer(out)
      .begin_object()
      .member_raw("asked", who_json(asked))
      .member("request_id", request_id)
      .member("deadline_ms", std::max<std::int64_t>(0, request->deadline_ms - clock::now_ms()))
      .end_object();
  auto reply = std::exchange(request->reply, {});
  reply(CommandReply{202, std::move(out)});
  session_.attendance().arm_clock();
}

void Takeovers::resolved(const Resolution& resolution) {
  finish(resolution.request, resolution.allow ? End::allowed : End::denied, resolution.text);
}

void Takeovers::finish(std::uint64_t request_id, End end, const std::string& reason) {
  auto request = session_.room().close_request(request_id);
  const auto* member = session_.room().find(request.from);
  finished_.push_back({request_id, request.client_id, end, reason, member == nullptr ? 0 : member->grant});
  if (finished_.size() > finished_kept) finished_.pop_front();
  reply_to_asker(request, end, reason);
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const auto here = it++;
    if (here->request_id != request_id) continue;
    auto reply = std::move(here->reply);
    waiting_.erase(here);
    reply(CommandReply{200, status_json(request_id)});
  }
  session_.attendance().arm_clock();
}

void Takeovers::reply_to_asker(OpenRequest& request, End end, const std::string& reason) {
  const bool allowed = end == End::allowed;
  const auto* member = session_.room().find(request.from);
  std::string data;
  json::Writer(data)
      .begin_object()
      .member("request_id", request.id)
      .member("allowed", allowed)
      .member("reason", reason)
      .end_object();
  if (request.asked != 0 && end != End::denied && !allowed) {
    // Whoever was asked need not answer any more.
    session_.connections().tell(request.asked, Op::takeover_answer, data);
  }
  if (!request.reply) {
    if (end != End::withdrawn) session_.connections().tell(request.from, Op::takeover_answer, std::move(data));
    return;
  }
  auto reply = std::move(request.reply);
  if (allowed && member != nullptr) {
    reply(CommandReply{200, granted_json(*member)});
  } else {
    reply(fail(403, "denied", reason.empty() ? "the policy does not allow it" : reason));
  }
}

void Takeovers::asked(const Asking& asking) {
  const auto* request = session_.room().request(asking.request);
  if (request == nullptr) return;
  std::string data;
  json::Writer writer(data);
  writer.begin_object()
      .member("request_id", asking.request)
      .member_raw("from", who_json(session_.room().find(request->from)))
      .member("reason", request->reason);
  if (!asking.text.empty()) writer.member("text", asking.text);
  writer.member("deadline_ms", std::max<std::int64_t>(0, request->deadline_ms - clock::now_ms())).end_object();
  session_.connections().tell(asking.target, Op::takeover_request, std::move(data));
  session_.attendance().arm_clock();
  probe(asking.request, asking.target);
}

// Whoever is asked has to be there: an askee who shows no sign of life counts as lost, long before the ask runs out.
void Takeovers::probe(std::uint64_t request_id, MemberId target) {
  const auto* client = session_.clients().by_number(target);
  auto* connection = client == nullptr ? nullptr : session_.connections().find(client->connection);
  if (connection != nullptr) connection->ping();
  const auto place = probes_.emplace(probes_.end(), session_.loop());
  place->start(std::chrono::milliseconds(session_.settings().ask_pong_ms),
               [this, place, request_id, target, at_ms = clock::now_ms()] {
                 probes_.erase(place);
                 probed(request_id, target, at_ms);
               });
}

void Takeovers::probed(std::uint64_t request_id, MemberId target, std::int64_t at_ms) {
  const auto* request = session_.room().request(request_id);
  if (request == nullptr || request->asked != target || request->answered) return;
  const auto* client = session_.clients().by_number(target);
  auto* connection = client == nullptr ? nullptr : session_.connections().find(client->connection);
  if (connection == nullptr) return cannot_answer(target);  // nothing has told it that it was asked
  if (!connection->alive_since(at_ms)) connection->cut();
}

void Takeovers::ask_ended(std::uint64_t request_id, MemberId target) {
  auto* request = session_.room().request(request_id);
  if (request == nullptr) return;
  request->answered = true;  // whatever comes after this is late
  PolicyDriver::Entry entry;
  entry.reason = "takeover";
  entry.event.kind = plugin::EventKind::ask_ended;
  entry.event.request = request_id;
  entry.event.target = target;
  entry.prepare = [this, request_id](plugin::PolicyEvent&) -> Status {
    auto* open = session_.room().request(request_id);
    if (open == nullptr) return fail(409, "request_closed", "the request has ended");
    open->asked = 0;
    session_.room().touch();
    return {};
  };
  entry.settled = [this, request_id](const Result<Applied>&) {
    auto* open = session_.room().request(request_id);
    if (open == nullptr) return;
    open->answered = false;
    if (open->asked == 0) finish(request_id, End::expired, "nobody answered in time");
  };
  session_.policies().push(std::move(entry));
}

void Takeovers::answer(Invocation invocation) {
  const auto id = invocation.number("request_id").value_or(0);
  auto* request = session_.room().request(id);
  // The ask has ended and the policy decides what follows: whoever was asked is late.
  const bool ended = request != nullptr && request->answered && request->asked == 0;
  if (ended) return invocation.error(409, "request_closed", "the request has ended", "");
  if (request == nullptr) return invocation.error(closed(id));
  if (request->asked != invocation.member) {
    return invocation.error(403, "not_asked", "request " + std::to_string(id) + " was not put to this client");
  }
  if (request->answered) return invocation.error(409, "request_closed", "the request has been answered or has ended");
  request->answered = true;
  const auto* allow = invocation.body.find("allow");
  PolicyDriver::Entry entry;
  entry.reason = "takeover";
  entry.event.kind = plugin::EventKind::answered;
  entry.event.value = allow->as_bool().value_or(false) ? 1 : 0;
  entry.event.who = request->from;
  entry.event.target = invocation.member;
  entry.event.request = id;
  entry.prepare = [this, id](plugin::PolicyEvent&) -> Status {
    if (session_.room().request(id) == nullptr) return fail(closed(id));
    return {};
  };
  entry.settled = [this, id,
                   invocation = std::make_shared<Invocation>(std::move(invocation))](const Result<Applied>& result) {
    if (auto* open = session_.room().request(id)) open->answered = false;
    if (!result) return invocation->error(result.error());
    invocation->ok();
  };
  session_.policies().push(std::move(entry));
}

void Takeovers::withdraw(Invocation invocation) {
  const auto id = invocation.number("request_id").value_or(0);
  const auto* request = session_.room().request(id);
  if (request == nullptr) return invocation.error(closed(id));
  if (request->from != invocation.member) {
    return invocation.error(403, "not_yours", "request " + std::to_string(id) + " is another client's");
  }
  finish(id, End::withdrawn, "withdrawn");
  push_withdrawn(id, invocation.member);
  invocation.ok();
}

void Takeovers::push_withdrawn(std::uint64_t request_id, MemberId who) {
  PolicyDriver::Entry entry;
  entry.event.kind = plugin::EventKind::withdrawn;
  entry.event.request = request_id;
  entry.event.who = who;
  session_.policies().push(std::move(entry));
}

void Takeovers::cannot_answer(MemberId id) {
  std::vector<std::uint64_t> theirs;
  for (const auto& [request_id, request] : session_.room().requests()) {
    if (request.asked == id && !request.answered) theirs.push_back(request_id);
  }
  for (const auto request_id : theirs) ask_ended(request_id, id);
}

void Takeovers::left(MemberId id) {
  cannot_answer(id);
  std::vector<std::uint64_t> theirs;
  for (const auto& [request_id, request] : session_.room().requests()) {
    if (request.from == id) theirs.push_back(request_id);
  }
  for (const auto request_id : theirs) {
    finish(request_id, End::withdrawn, "the asker left");
    push_withdrawn(request_id, id);
  }
}

std::int64_t Takeovers::next_deadline() const {
  std::int64_t next = 0;
  for (const auto& [id, request] : session_.room().requests()) {
    if (!request.answered && (next == 0 || request.deadline_ms < next)) next = request.deadline_ms;
  }
  return next;
}

void Takeovers::on_clock(std::int64_t now) {
  std::vector<std::pair<std::uint64_t, MemberId>> due;
  for (const auto& [id, request] : session_.room().requests()) {
    if (!request.answered && request.deadline_ms <= now) due.emplace_back(id, request.asked);
  }
  for (const auto& [id, asked_member] : due) {
    if (asked_member != 0) {
      ask_ended(id, asked_member);
    } else {
      finish(id, End::expired, "the request ran out");
    }
  }
}

const Takeovers::Finished* Takeovers::finished(std::uint64_t id) const {
  const auto it = std::find_if(finished_.begin(), finished_.end(), [id](const auto& one) { return one.id == id; });
  return it == finished_.end() ? nullptr : &*it;
}

Error Takeovers::closed(std::uint64_t id) const {
  if (finished(id) != nullptr) return {409, "request_closed", "request " + std::to_string(id) + " has ended", "", ""};
  return {404, "unknown_request", "there is no takeover request " + std::to_string(id), "", ""};
}

std::string Takeovers::status_json(std::uint64_t id) const {
  static constexpr std::string_view names[] = {"allowed", "denied", "withdrawn", "expired"};
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("request_id", id);
  if (const auto* end = finished(id)) {
    writer.member("state", names[static_cast<std::size_t>(end->end)]).member("reason", end->reason);
    if (end->end == End::allowed) writer.member("epoch", end->epoch);
  } else if (const auto* open = session_.room().request(id)) {
    writer.member("state", "open")
        .member("reason", "")
        .member("deadline_ms", std::max<std::int64_t>(0, open->deadline_ms - clock::now_ms()));
  }
  writer.end_object();
  return out;
}

void Takeovers::status(const std::string& client_id, std::uint64_t request_id, int wait_ms, Reply<CommandReply> reply) {
  const auto* end = finished(request_id);
  const auto* open = session_.room().request(request_id);
  const bool theirs =
      (end != nullptr && end->client_id == client_id) || (open != nullptr && open->client_id == client_id);
  if (!theirs) {
    return reply(fail(404, "unknown_request", "this client has no takeover request " + std::to_string(request_id)));
  }
  if (end != nullptr || wait_ms <= 0) return reply(CommandReply{200, status_json(request_id)});
  auto& waiting = waiting_.emplace_back(Waiting{request_id, std::move(reply), Timer(session_.loop())});
  const auto place = std::prev(waiting_.end());
  waiting.timer.start(std::chrono::milliseconds(std::min(wait_ms, 60'000)), [this, place] {
    auto late = std::move(place->reply);
    const auto id = place->request_id;
    waiting_.erase(place);
    late(CommandReply{200, status_json(id)});
  });
}

std::string Takeovers::open_json() const {
  std::string out;
  json::Writer writer(out);
  writer.begin_array();
  for (const auto& [id, request] : session_.room().requests()) {
    writer.begin_object()
        .member("request_id", id)
        .member_raw("from", who_json(session_.room().find(request.from)))
        .member_raw("asked", who_json(session_.room().find(request.asked)))
        .member("reason", request.reason)
        .member("deadline_ms", std::max<std::int64_t>(0, request.deadline_ms - clock::now_ms()))
        .end_object();
  }
  writer.end_array();
  return out;
}

}  // namespace lectern::session
