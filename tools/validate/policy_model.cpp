#include "policy_model.hpp"

#include <algorithm>

#include "test.hpp"

namespace lectern::validate {

using plugin::EventKind;
using plugin::Presence;

namespace {

constexpr std::int64_t reservation_ms = 15'000;
constexpr std::int64_t forgotten_ms = 15'000;
constexpr std::int64_t a_minute = 60'000;
constexpr std::size_t max_requests = 64;

}  // namespace

Model::Model(const Judges& judges, const std::vector<Person>& people) : judges_(&judges), people_(&people) {}

std::string Model::name_of(std::uint64_t id) const {
  if (id == 0) return "everybody";
  return id <= people_->size() ? (*people_)[id - 1].name : "stranger " + std::to_string(id);
}

plugin::Member* Model::member(std::uint64_t id) {
  const auto at = std::find_if(members_.begin(), members_.end(), [&](const Member& one) { return one.id == id; });
  return at == members_.end() ? nullptr : &*at;
}
const plugin::Member* Model::member(std::uint64_t id) const {
  return const_cast<Model*>(this)->member(id);
}
Model::Request* Model::request(std::uint64_t id) {
  const auto at = std::find_if(requests_.begin(), requests_.end(), [&](const Request& one) { return one.id == id; });
  return at == requests_.end() ? nullptr : &*at;
}

bool Model::may_edit(const Member& one) {
  return (one.scope & plugin::cap_edit) != 0 && (one.flags & plugin::member_view_only) == 0;
}

std::uint64_t Model::holder() const {
  const Member* oldest = nullptr;
  for (const Member& one : members_) {
    if (one.grant != 0 && (oldest == nullptr || one.grant < oldest->grant)) oldest = &one;
  }
  return oldest == nullptr ? 0 : oldest->id;
}

std::size_t Model::grants() const {
  return static_cast<std::size_t>(
      std::count_if(members_.begin(), members_.end(), [](const Member& one) { return one.grant != 0; }));
}

plugin::RoomSnapshot Model::snapshot() const {
  plugin::RoomSnapshot room;
  room.version = version_;
  room.epoch = epoch_;
  room.holder = holder();
  room.now_ms = now_;
  room.since_ms = since_;
  room.members = members_;
  room.requests.assign(requests_.begin(), requests_.end());
  return room;
}

const Model::Request* Model::put_to(std::uint64_t id) const {
  for (const Request& one : requests_) {
    if (one.asked == id && !one.answered) return &one;
  }
  return nullptr;
}
const Model::Request* Model::asked_by(std::uint64_t id) const {
  for (const Request& one : requests_) {
    if (one.from == id) return &one;
  }
  return nullptr;
}

std::int64_t Model::next_due() const {
  std::int64_t next = 0;
  const auto consider = [&](std::int64_t at) {
    if (at != 0 && (next == 0 || at < next)) next = at;
  };
  for (const Member& one : members_) consider(one.reserved_until_ms);
  for (const auto& [timer, at] : timers_) consider(at);
  for (const Request& one : requests_) consider(one.deadline_ms);
  return next;
}

bool Model::can(const Step& step) const {
  using What = Step::What;
  if (step.what == What::wait || step.what == What::reinstall) return true;
  if (step.who >= people_->size()) return false;
  const Person& person = (*people_)[step.who];
  const Member* one = member(id_of(step.who));
  if (step.what == What::join) return one == nullptr;
  if (one == nullptr) return false;
  const bool here = one->presence != Presence::lost;
  switch (step.what) {
    case What::leave:
      return here;
    case What::lose:
      return here;
    case What::come_back:
      return !here;
    case What::narrow:
      return (one->scope & plugin::cap_edit) != 0;
    case What::widen:
      return one->scope != person.scope;
    case What::ask:
      return here && one->grant == 0 && may_edit(*one) && asked_by(one->id) == nullptr &&
             requests_.size() < max_requests;
    case What::withdraw:
      return here && asked_by(one->id) != nullptr;
    case What::agree:
    case What::refuse:
      return here && put_to(one->id) != nullptr;
    case What::release:
    case What::edit:
      return here && one->grant != 0;
    case What::act:
      return here && step.extra < judges_->verbs.size();
    default:
      return false;
  }
}

std::vector<Step> Model::possible() const {
  using What = Step::What;
  std::vector<Step> out;
  const auto people = static_cast<std::uint8_t>(people_->size());
  const auto verbs = static_cast<std::uint8_t>(judges_->verbs.size());
  for (std::uint8_t who = 0; who < people; ++who) {
    for (const What what : {What::join, What::ask, What::agree, What::refuse, What::leave, What::lose, What::come_back,
                            What::release, What::withdraw, What::edit, What::narrow, What::widen}) {
      if (const Step step{what, who, 0}; can(step)) out.push_back(step);
    }
    for (std::uint8_t verb = 0; verb < verbs; ++verb) {
      if (const Step step{What::act, who, verb}; can(step)) out.push_back(step);
    }
  }
  out.push_back({What::wait, 0, 0});
  out.push_back({What::reinstall, 0, 0});
  return out;
}

std::string Model::describe(const Step& step) const {
  using What = Step::What;
  const std::string name = step.who < people_->size() ? (*people_)[step.who].name : "?";
  switch (step.what) {
    case What::join:
      return name + " joins";
    case What::leave:
      return name + " leaves";
    case What::lose:
      return name + " loses the connection";
    case What::come_back:
      return name + " is back";
    case What::narrow:
      return name + " comes back with a link that only lets it watch";
    case What::widen:
      return name + " comes back with its own link";
    case What::ask:
      return name + " asks for the pen";
    case What::withdraw:
      return name + " withdraws its request";
    case What::agree:
      return name + " agrees";
    case What::refuse:
      return name + " refuses";
    case What::release:
      return name + " gives the pen back";
    case What::edit:
      return name + " edits";
    case What::wait:
      return "time passes";
    case What::act:
      return name + " uses \"" + (step.extra < judges_->verbs.size() ? judges_->verbs[step.extra] : "?") + "\"";
    case What::reinstall:
      return "the policy is installed anew";
  }
  return "?";
}

void Model::push(EventKind kind, std::uint64_t who, std::uint64_t request, std::uint64_t target) {
  plugin::PolicyEvent event;
  event.kind = kind;
  event.who = who;
  event.request = request;
  event.target = target;
  queue_.push_back(std::move(event));
}

void Model::revoke(Member& one, std::uint32_t keeps) {
  since_ = now_;
  one.grant = 0;
  one.reserved_until_ms = one.presence == Presence::lost ? now_ + forgotten_ms : 0;
  one.caps = keeps & plugin::cap_interact & one.scope;
  cannot_answer(one.id);
}

void Model::release(Member& one) {
  revoke(one, plugin::cap_interact);
  push(EventKind::released, one.id);
}

void Model::cannot_answer(std::uint64_t id) {
  for (Request& one : requests_) {
    if (one.asked != id || one.answered) continue;
    one.answered = true;  // whatever comes after this is late
    push(EventKind::ask_ended, 0, one.id, id);
  }
}

void Model::leave(std::uint64_t id) {
  Member* one = member(id);
  if (one->grant != 0) release(*one);
  cannot_answer(id);
  for (std::size_t i = 0; i < requests_.size();) {
    if (requests_[i].from != id) {
      ++i;
      continue;
    }
    push(EventKind::withdrawn, id, requests_[i].id);
    requests_.erase(requests_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  members_.erase(members_.begin() + (member(id) - members_.data()));
  push(EventKind::left, id);
}

void Model::lose(Member& one) {
  one.presence = Presence::lost;
  one.reserved_until_ms = now_ + (one.grant != 0 ? reservation_ms : forgotten_ms);
  const auto id = one.id;
  cannot_answer(id);
  push(EventKind::lost, id);
}

void Model::come_back(Member& one, std::uint32_t scope) {
  const bool changed = one.scope != scope;
  one.presence = Presence::present;
  one.reserved_until_ms = 0;
  one.seen_ms = now_;
  one.scope = scope;
  if (one.grant != 0 && !may_edit(one)) release(one);
  if (one.grant == 0) one.caps &= one.scope;
  push(EventKind::returned, one.id);
  if (changed) push(EventKind::changed, one.id);
}

void Model::wait() {
  const auto due = next_due();
  now_ = due > now_ ? due : due != 0 ? now_ + 1 : now_ + a_minute;
  std::vector<std::uint64_t> over;
  for (const Member& one : members_) {
    if (one.reserved_until_ms != 0 && one.reserved_until_ms <= now_) over.push_back(one.id);
  }
  for (const auto id : over) leave(id);
  for (auto at = timers_.begin(); at != timers_.end();) {
    if (at->second > now_) {
      ++at;
      continue;
    }
    plugin::PolicyEvent event;
    event.kind = EventKind::timer;
    event.timer = at->first;
    queue_.push_back(std::move(event));
    at = timers_.erase(at);
  }
  for (std::size_t i = 0; i < requests_.size();) {
    Request& one = requests_[i];
    if (one.answered || one.deadline_ms > now_) {
      ++i;
    } else if (one.asked != 0) {
      one.answered = true;
      push(EventKind::ask_ended, 0, one.id, one.asked);
      ++i;
    } else {
      if (telling_)
        told_.push_back("    the host ends the request of " + name_of(one.from) + ": nobody answered in time");
      requests_.erase(requests_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

std::optional<Violation> Model::install() {
  push(EventKind::installed, 0);
  return drain();
}

std::optional<Violation> Model::apply(const Step& step) {
  using What = Step::What;
  told_.clear();
  const auto id = id_of(step.who);
  Member* one = member(id);
  switch (step.what) {
    case What::join: {
      push(EventKind::joined, id);
      break;
    }
    case What::leave:
      leave(id);
      break;
    case What::lose:
      lose(*one);
      break;
    case What::come_back:
      come_back(*one, one->scope);
      break;
    case What::narrow:
      come_back(*one, one->scope & ~std::uint32_t{plugin::cap_edit});
      break;
    case What::widen:
      come_back(*one, (*people_)[step.who].scope);
      break;
    case What::ask: {
      push(EventKind::requested, id);
      break;
    }
    case What::withdraw: {
      const auto request_id = asked_by(id)->id;
      std::erase_if(requests_, [&](const Request& open) { return open.id == request_id; });
      push(EventKind::withdrawn, id, request_id);
      break;
    }
    case What::agree:
    case What::refuse: {
      Request& open = *request(put_to(id)->id);
      open.answered = true;
      push(EventKind::answered, open.from, open.id, id);
      queue_.back().value = step.what == What::agree ? 1 : 0;
      break;
    }
    case What::release:
      release(*one);
      break;
    case What::edit:
      one->edited_ms = now_;
      push(EventKind::activity, id);
      break;
    case What::wait:
      wait();
      break;
    case What::act:
      push(EventKind::action, id);
      queue_.back().verb = judges_->verbs[step.extra];
      queue_.back().json = "{}";
      break;
    case What::reinstall:
      timers_.clear();
      shown_.clear();
      push(EventKind::installed, 0);
      queue_.back().json = judges_->first->id();
      break;
  }
  return drain();
}

std::optional<Violation> Model::let_requests_end() {
  constexpr int patience = 50;
  for (int i = 0; i < patience && !requests_.empty(); ++i) {
    if (auto wrong = apply({Step::What::wait, 0, 0})) return wrong;
  }
  if (requests_.empty()) return std::nullopt;
  return Violation{"endless-ask",
                   "the request of " + name_of(requests_.front().from) + " never ends: " + std::to_string(patience) +
                       " deadlines later the policy still asks " + name_of(requests_.front().asked),
                   "On ask_ended, allow or deny after a bounded number of asks; keep the count in the state."};
}

std::optional<Violation> Model::leave_and_return(bool& somebody) {
  using What = Step::What;
  const auto step_of = [&](What what, std::size_t who) { return Step{what, static_cast<std::uint8_t>(who), 0}; };
  const auto all_agree = [&]() -> std::optional<Violation> {
    for (std::size_t turn = 0; turn < people_->size() * 4; ++turn) {
      bool answered = false;
      for (std::size_t who = 0; who < people_->size(); ++who) {
        if (!can(step_of(What::agree, who))) continue;
        if (auto wrong = apply(step_of(What::agree, who))) return wrong;
        answered = true;
      }
      if (!answered) break;
    }
    return std::nullopt;
  };
  for (std::size_t who = 0; who < people_->size(); ++who) {
    for (const What what : {What::come_back, What::leave}) {
      if (!can(step_of(what, who))) continue;
      if (auto wrong = apply(step_of(what, who))) return wrong;
    }
  }
  for (int i = 0; i < 3; ++i) {
    if (auto wrong = apply(step_of(What::wait, 0))) return wrong;
  }
  for (std::size_t who = 0; who < people_->size(); ++who) {
    if (auto wrong = apply(step_of(What::join, who))) return wrong;
  }
  for (std::size_t who = 0; who < people_->size() && grants() == 0; ++who) {
    if (!can(step_of(What::ask, who))) continue;
    if (auto wrong = apply(step_of(What::ask, who))) return wrong;
    if (auto wrong = all_agree()) return wrong;
  }
  for (int i = 0; i < 20 && grants() == 0; ++i) {
    if (auto wrong = apply(step_of(What::wait, 0))) return wrong;
    if (auto wrong = all_agree()) return wrong;
  }
  somebody = grants() != 0;
  return std::nullopt;
}

std::string Model::key() const {
  std::string out;
  out.reserve(160 + state_.size());
  const auto number = [&](std::int64_t value) {
    out += std::to_string(value);
    out += ',';
  };
  const auto ago = [&](std::int64_t at) { number(at == 0 ? 1 : at - now_ - 2); };
  for (const Member& one : members_) {
    number(static_cast<std::int64_t>(one.id));
    number(static_cast<std::int64_t>(one.presence));
    number(one.scope);
    number(one.caps);
    // Only the order of epochs counts.
    number(one.grant == 0
               ? -1
               : static_cast<std::int64_t>(std::count_if(members_.begin(), members_.end(), [&](const Member& other) {
                   return other.grant != 0 && other.grant < one.grant;
                 })));
    ago(one.joined_ms);
    ago(one.seen_ms);
    ago(one.edited_ms);
    ago(one.reserved_until_ms);
  }
  out += ';';
  for (const Request& one : requests_) {
    number(static_cast<std::int64_t>(one.from));
    number(static_cast<std::int64_t>(one.asked));
    ago(one.at_ms);
    ago(one.deadline_ms);
  }
  out += ';';
  for (const auto& [timer, at] : timers_) {
    number(static_cast<std::int64_t>(timer));
    ago(at);
  }
  ago(since_);
  // A state may name requests and epochs: with one, rooms are equal only when those are.
  if (!state_.empty()) {
    number(static_cast<std::int64_t>(next_request_));
    number(static_cast<std::int64_t>(epoch_));
    number(now_);
  }
  out += state_;
  out += ';';
  out += shown_;
  return out;
}

}  // namespace lectern::validate
