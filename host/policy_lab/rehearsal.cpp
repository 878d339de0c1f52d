#include "policy_lab/rehearsal.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace lectern::policy_lab {

using plugin::EventKind;
using plugin::Presence;

namespace {

constexpr std::uint64_t epochs_enough = 1u << 30;
constexpr int most_wakes = 10'000;

tl::unexpected<Error> impossible(std::string why) {
  return fail(400, "impossible", std::move(why));
}

Fact::Kind kind_of(std::uint32_t caps) {
  return (caps & session::cap_interact) != 0 ? Fact::Kind::interacts : Fact::Kind::watches;
}

}  // namespace

Rehearsal::Rehearsal(plugin::PolicyPtr policy, session::Settings settings)
    : policy_(std::move(policy)),
      settings_(std::move(settings)),
      epochs_(0, epochs_enough, epochs_enough, [](std::uint64_t) {}) {}

void Rehearsal::seat(session::Member member, bool edits) {
  member.joined_ms = member.seen_ms = now_ms_;
  auto& seated = room_.add(std::move(member));
  if (edits) room_.grant(seated, *epochs_.next(), now_ms_);
}

void Rehearsal::seat_request(MemberId from, MemberId asked) {
  session::OpenRequest open;
  open.from = from;
  open.asked = asked;
  open.at_ms = now_ms_;
  open.deadline_ms = now_ms_ + settings_.request_deadline_ms;
  room_.open_request(std::move(open));
}

Result<session::Member*> Rehearsal::here(MemberId id) {
  auto* member = room_.find(id);
  if (member == nullptr) return impossible("is not in the room");
  return member;
}

Rehearsal::Entry Rehearsal::entry(EventKind kind, MemberId who) {
  Entry made;
  made.event.kind = kind;
  made.event.who = who;
  return made;
}

Moments Rehearsal::install(std::string replaced) {
  auto made = entry(EventKind::installed, 0);
  made.event.json = std::move(replaced);
  queue_.push_back(std::move(made));
  return run();
}

Moments Rehearsal::swap(plugin::PolicyPtr policy) {
  auto made = entry(EventKind::installed, 0);
  made.event.json = policy_->id();
  made.swap_to = std::move(policy);
  queue_.push_back(std::move(made));
  return run();
}

Result<Moments> Rehearsal::join(session::Member member) {
  if (room_.find(member.id) != nullptr) return impossible("is in the room already");
  const auto id = member.id;
  seat(std::move(member), false);
  push(EventKind::joined, id);
  return run();
}

void Rehearsal::gone(MemberId id) {
  if (auto& member = *room_.find(id); member.grant != 0) {
    room_.revoke(member, session::cap_interact, now_ms_);
    push(EventKind::released, id);
  }
  cannot_answer(id);
  std::vector<std::uint64_t> theirs;
  for (const auto& [request, open] : room_.requests()) {
    if (open.from == id) theirs.push_back(request);
  }
  for (const auto request : theirs) {
    end_request(request);
    push(EventKind::withdrawn, id);
    queue_.back().event.request = request;
  }
  room_.remove(id);
  push(EventKind::left, id);
}

Result<Moments> Rehearsal::leave(MemberId id) {
  LECTERN_CHECK(here(id));
  gone(id);
  return run();
}

Result<Moments> Rehearsal::lose(MemberId id) {
  LECTERN_TRY(auto* member, here(id));
  if (member->presence == Presence::lost) return impossible("is lost already");
  member->presence = Presence::lost;
  (member->grant != 0 ? member->reserved_until_ms : member->expires_ms) = now_ms_ + settings_.reservation_lost_ms;
  room_.touch();
  cannot_answer(id);
  push(EventKind::lost, id);
  return run();
}

Result<Moments> Rehearsal::come_back(MemberId id) {
  LECTERN_TRY(auto* member, here(id));
  if (member->presence != Presence::lost) return impossible("was never lost");
  member->presence = Presence::present;
  member->reserved_until_ms = member->expires_ms = 0;
  member->seen_ms = now_ms_;
  room_.touch();
  push(EventKind::returned, id);
  return run();
}

Result<Moments> Rehearsal::request(MemberId id, std::string reason) {
  LECTERN_TRY(const auto* member, here(id));
  if (member->presence == Presence::lost) return impossible("is lost and cannot ask");
  if (member->grant != 0) return impossible("has the pen already");
  session::OpenRequest open;
  open.from = id;
  open.at_ms = now_ms_;
  open.deadline_ms = now_ms_ + settings_.request_deadline_ms;
  open.reason = std::move(reason);
  auto made = entry(EventKind::requested, id);
  if (!member->may_hold_the_pen()) {
    // The host refuses it before the policy hears of it.
    Moment moment;
    moment.room = room_.snapshot(now_ms_);
    moment.facts.push_back({Fact::Kind::refused, id, 0, 0, 0, "The client may not edit."});
    return Moments{std::move(moment)};
  }
  const auto request = room_.open_request(std::move(open)).id;
  made.event.request = request;
  made.settled = [this, request](bool applied) {
    if (applied || room_.request(request) == nullptr) return;
    const auto from = room_.request(request)->from;
    end_request(request);
    moments_.back().facts.push_back({Fact::Kind::refused, from, 0, 0, 0, "The policy did not decide."});
  };
  queue_.push_back(std::move(made));
  return run();
}

Result<Moments> Rehearsal::withdraw(MemberId id) {
  LECTERN_CHECK(here(id));
  for (const auto& [request, open] : room_.requests()) {
    if (open.from != id) continue;
    const auto ended = request;
    end_request(ended);
    push(EventKind::withdrawn, id);
    queue_.back().event.request = ended;
    return run();
  }
  return impossible("has no request to withdraw");
}

Result<Moments> Rehearsal::answer(MemberId id, bool allow, MemberId from) {
  LECTERN_CHECK(here(id));
  for (auto& [request, open] : room_.requests()) {
    if (open.asked != id || (from != 0 && open.from != from)) continue;
    open.answered = true;
    auto made = entry(EventKind::answered, open.from);
    made.event.value = allow ? 1 : 0;
    made.event.target = id;
    made.event.request = request;
    made.settled = [this, number = request](bool) {
      if (auto* left = room_.request(number)) left->answered = false;
    };
    queue_.push_back(std::move(made));
    return run();
  }
  return impossible("was not asked");
}

Result<Moments> Rehearsal::release(MemberId id) {
  LECTERN_TRY(auto* member, here(id));
  if (member->grant == 0) return impossible("does not have the pen");
  room_.revoke(*member, session::cap_interact, now_ms_);
  cannot_answer(id);
  push(EventKind::released, id);
  return run();
}

Result<Moments> Rehearsal::edit(MemberId id) {
  LECTERN_TRY(auto* member, here(id));
  if (member->grant == 0) return impossible("does not have the pen");
  const bool idle = now_ms_ - member->edited_ms > 1000;
  member->edited_ms = now_ms_;
  if (idle) push(EventKind::activity, id);
  return run();
}

Result<Moments> Rehearsal::change(MemberId id, std::uint32_t scope) {
  LECTERN_TRY(auto* member, here(id));
  member->scope = scope;
  room_.touch();
  if (member->grant != 0 && !member->may_hold_the_pen()) {
    room_.revoke(*member, session::cap_interact, now_ms_);
    cannot_answer(id);
    push(EventKind::released, id);
  }
  if (member->grant == 0) member->caps &= scope;
  push(EventKind::changed, id);
  return run();
}

Result<Moments> Rehearsal::act(MemberId id, std::string verb, MemberId target, std::string json) {
  LECTERN_CHECK(here(id));
  if (target != 0 && room_.find(target) == nullptr) return impossible("aims at somebody who is not in the room");
  if (policy_->actions_json().find("\"" + verb + "\"") == std::string::npos) {
    return impossible("uses \"" + verb + "\", which the policy does not offer: " + policy_->actions_json());
  }
  auto made = entry(EventKind::action, id);
  made.event.verb = std::move(verb);
  made.event.target = target;
  made.event.json = std::move(json);
  queue_.push_back(std::move(made));
  return run();
}

std::int64_t Rehearsal::next_time() {
  auto next = std::numeric_limits<std::int64_t>::max();
  const auto consider = [&next](std::int64_t at) {
    if (at != 0) next = std::min(next, at);
  };
  for (const auto& [id, member] : room_.members()) {
    consider(member.reserved_until_ms);
    consider(member.expires_ms);
  }
  for (const auto& [timer, at] : room_.timers()) consider(at);
  for (const auto& [id, request] : room_.requests()) {
    if (!request.answered) consider(request.deadline_ms);
  }
  return next;
}

Result<Moments> Rehearsal::pass(std::int64_t ms) {
  const auto until = now_ms_ + ms;
  Moments all;
  for (int wakes = 0; next_time() <= until; ++wakes) {
    if (wakes == most_wakes) {
      return fail(422, "restless", "the policy " + policy_->id() + " sets one timer after the other without end",
                  "set a timer for a moment that is yet to come");
    }
    now_ms_ = std::max(now_ms_, next_time());
    on_clock();
    auto some = run();
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  now_ms_ = until;
  return all;
}

void Rehearsal::on_clock() {
  std::vector<MemberId> over;
  for (const auto& [id, member] : room_.members()) {
    const auto at = member.reserved_until_ms != 0 ? member.reserved_until_ms : member.expires_ms;
    if (at != 0 && at <= now_ms_) over.push_back(id);
  }
  for (const auto id : over) {
    moments_.push_back({{}, room_.snapshot(now_ms_), {}, {{Fact::Kind::gone, id, 0, 0, 0, {}}}});
    gone(id);
  }
  std::vector<std::uint64_t> timers;
  for (const auto& [timer, at] : room_.timers()) {
    if (at <= now_ms_) timers.push_back(timer);
  }
  for (const auto timer : timers) {
    room_.timers().erase(timer);
    push(EventKind::timer, 0);
    queue_.back().event.timer = timer;
  }
  std::vector<std::pair<std::uint64_t, MemberId>> due;
  for (const auto& [id, request] : room_.requests()) {
    if (!request.answered && request.deadline_ms <= now_ms_) due.emplace_back(id, request.asked);
  }
  for (const auto& [id, asked] : due) {
    if (asked != 0) {
      ask_ended(id, asked);
    } else {
      moments_.push_back({{}, room_.snapshot(now_ms_), {}, {}});
      request_ran_out(id);
    }
  }
}

void Rehearsal::request_ran_out(std::uint64_t request) {
  moments_.back().facts.push_back({Fact::Kind::runs_out, room_.request(request)->from, 0, 0, 0, {}});
  end_request(request);
}

void Rehearsal::end_request(std::uint64_t id) {
  (void)room_.close_request(id);
}

void Rehearsal::cannot_answer(MemberId id) {
  std::vector<std::uint64_t> theirs;
  for (const auto& [request, open] : room_.requests()) {
    if (open.asked == id && !open.answered) theirs.push_back(request);
  }
  for (const auto request : theirs) ask_ended(request, id);
}

void Rehearsal::ask_ended(std::uint64_t request, MemberId target) {
  auto* open = room_.request(request);
  open->answered = true;  // whatever comes after this is late
  auto made = entry(EventKind::ask_ended, 0);
  made.event.request = request;
  made.event.target = target;
  made.prepare = [this, request] {
    auto* still = room_.request(request);
    if (still == nullptr) return false;
    still->asked = 0;
    room_.touch();
    return true;
  };
  made.settled = [this, request](bool) {
    auto* still = room_.request(request);
    if (still == nullptr) return;
    still->answered = false;
    if (still->asked == 0) request_ran_out(request);
  };
  queue_.push_back(std::move(made));
}

Moments Rehearsal::run() {
  while (!queue_.empty()) {
    auto next = std::move(queue_.front());
    queue_.pop_front();
    if (next.prepare && !next.prepare()) continue;
    decide(next);
  }
  return std::exchange(moments_, {});
}

Result<plugin::PolicyOutcome> Rehearsal::reduce(const plugin::Policy& policy, const Moment& moment,
                                                const std::string& state) const {
  LECTERN_TRY(auto outcome, policy.reduce(state, moment.room, *moment.event));
  // Pure: the same history, whatever the order the members are given in, has the same effects.
  auto turned = moment.room;
  std::reverse(turned.members.begin(), turned.members.end());
  LECTERN_TRY(const auto again, policy.reduce(state, turned, *moment.event));
  if (again.effects != outcome.effects || again.state != outcome.state) {
    return fail(422, "not_pure", "asked twice about the same event, the policy answered differently",
                "a policy decides by its arguments alone: no clock, no randomness, no memory");
  }
  return outcome;
}

void Rehearsal::decide(Entry& entry) {
  auto& moment = moments_.emplace_back();
  entry.event.seq = ++seq_;
  moment.event = entry.event;
  moment.room = room_.snapshot(now_ms_);
  const auto& policy = entry.swap_to ? entry.swap_to : policy_;
  const bool own_state = !entry.swap_to || entry.swap_to->state_schema() == policy_->state_schema();
  const auto outcome = reduce(*policy, moment, own_state ? state_ : std::string());
  bool done = false;
  if (!outcome) {
    moment.facts.push_back({Fact::Kind::policy_failed, 0, 0, 0, 0, outcome.error().message});
  } else {
    moment.effects = outcome->effects;
    auto timers = room_.timers();
    auto shown = room_.shown();
    if (entry.swap_to) {
      room_.timers().clear();  // they are the old policy's
      room_.shown().clear();
    }
    const auto applied = session::apply_effects(room_, epochs_, outcome->effects, {policy->multi_editor(), now_ms_});
    if (applied) {
      done = true;
      if (entry.swap_to) {
        if (!own_state) state_.clear();
        policy_ = entry.swap_to;
      }
      if (outcome->state) state_ = *outcome->state;
      note(moment, *applied);
    } else {
      room_.timers() = std::move(timers);
      room_.shown() = std::move(shown);
      moment.facts.push_back({Fact::Kind::host_refused, 0, 0, 0, 0, applied.error().message});
    }
  }
  if (entry.settled) entry.settled(done);
}

void Rehearsal::note(Moment& moment, const session::Applied& applied) {
  const auto asker = [&moment, this](std::uint64_t request) -> const plugin::Request* {
    for (const auto& one : moment.room.requests) {
      if (one.id == request) return &one;
    }
    return nullptr;
  };
  std::vector<MemberId> answered;  // told by their request's end, not by their rights
  for (const auto& resolution : applied.resolutions) {
    const auto* request = asker(resolution.request);
    const auto from = request->from;
    if (!resolution.allow) {
      moment.facts.push_back({Fact::Kind::refused, from, 0, 0, 0, resolution.text});
    } else if (std::find(answered.begin(), answered.end(), from) == answered.end()) {
      answered.push_back(from);
      moment.facts.push_back({Fact::Kind::gets_the_pen, from, 0, room_.find(from)->grant, 0, {}});
    }
  }
  for (const auto& change : applied.rights) {
    if (change.granted != 0) {
      if (std::find(answered.begin(), answered.end(), change.member) != answered.end()) continue;
      moment.facts.push_back({Fact::Kind::edits, change.member, 0, change.granted, 0, {}});
    } else if (room_.find(change.member)->grant == 0) {
      moment.facts.push_back({kind_of(change.caps_after), change.member, 0, 0, 0, {}});
    }
  }
  for (const auto& ask : applied.asks) {
    const auto* open = room_.request(ask.request);
    moment.facts.push_back({Fact::Kind::asked, ask.target, open->from, 0, open->deadline_ms, ask.text});
  }
  for (const auto id : applied.unasked) {
    const auto* request = asker(id);
    moment.facts.push_back({Fact::Kind::unasked, request->asked, request->from, 0, 0, {}});
  }
  for (const auto& notice : applied.notices) {
    moment.facts.push_back({Fact::Kind::told, notice.target, 0, 0, 0, notice.text});
  }
  if (applied.shown_changed) moment.facts.push_back({Fact::Kind::shows, 0, 0, 0, 0, room_.shown()});
  // As the host announces it: who lost the pen can answer no more, and then the requests that ended go.
  for (const auto& change : applied.rights) {
    if (change.revoked != 0) cannot_answer(change.member);
  }
  for (const auto& resolution : applied.resolutions) end_request(resolution.request);
}

}  // namespace lectern::policy_lab
