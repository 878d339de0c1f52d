// How a model puts an event to the policy and what it lets the answer do: the host's rules, all or none.
#include <algorithm>

#include "policy_model.hpp"
#include "test.hpp"

namespace lectern::validate {

using plugin::Effect;
using plugin::EffectKind;
using plugin::EventKind;
using plugin::PolicyEvent;
using plugin::Presence;

namespace {

constexpr std::int64_t request_deadline_ms = 30'000;
constexpr std::int64_t longest_ask_ms = 600'000;
constexpr std::size_t max_timers = 64;
constexpr std::size_t max_events = 500;  // that one step may lead to

std::string with_caps(std::uint32_t caps) {
  return (caps & plugin::cap_interact) != 0 ? "interact" : "none";
}

}  // namespace

std::string effect_text(const Effect& effect) {
  std::string out(plugin::effect_name(effect.kind));
  switch (effect.kind) {
    case EffectKind::set_caps:
    case EffectKind::grant:
    case EffectKind::vacate:
      out += " " + std::to_string(effect.target) + " " + with_caps(effect.caps);
      break;
    case EffectKind::resolve:
      out += " " + std::to_string(effect.request) + (effect.allow ? " allow " + with_caps(effect.caps) : " deny");
      break;
    case EffectKind::ask:
      out += " " + std::to_string(effect.request) + " to " + std::to_string(effect.target) + " until " +
             std::to_string(effect.at_ms);
      break;
    case EffectKind::unask:
      out += " " + std::to_string(effect.request);
      break;
    case EffectKind::timer:
      out += " " + std::to_string(effect.timer) + " at " + std::to_string(effect.at_ms);
      break;
    case EffectKind::notice:
      out += " " + std::to_string(effect.target);
      break;
    case EffectKind::show:
      break;
  }
  return effect.text.empty() ? out : out + " \"" + effect.text + "\"";
}

std::string Model::in_words(const Effect& effect) const {
  const auto of_request = [&]() -> std::string {
    const auto* open = const_cast<Model*>(this)->request(effect.request);
    return open == nullptr ? "request " + std::to_string(effect.request) : name_of(open->from) + "'s request";
  };
  switch (effect.kind) {
    case EffectKind::set_caps:
      return name_of(effect.target) + (effect.caps != 0 ? " may interact" : " may only watch");
    case EffectKind::grant:
      return name_of(effect.target) + " gets the pen";
    case EffectKind::vacate:
      return name_of(effect.target) + " loses the pen";
    case EffectKind::resolve:
      return of_request() + (effect.allow ? " is allowed" : " is denied") +
             (effect.text.empty() ? "" : " (\"" + effect.text + "\")");
    case EffectKind::ask:
      return name_of(effect.target) + " is asked about " + of_request() + " for " +
             std::to_string(effect.at_ms - now_) + " ms";
    case EffectKind::unask:
      return "the ask of " + of_request() + " is taken back";
    case EffectKind::timer:
      return effect.at_ms == 0
                 ? "timer " + std::to_string(effect.timer) + " is cancelled"
                 : "timer " + std::to_string(effect.timer) + " in " + std::to_string(effect.at_ms - now_) + " ms";
    case EffectKind::notice:
      return name_of(effect.target) + " is told \"" + effect.text + "\"";
    case EffectKind::show:
      return "the room shows " + effect.text;
  }
  return "?";
}

std::string Model::in_words(const PolicyEvent& event) const {
  std::string out(plugin::event_name(event.kind));
  if (event.who != 0) out += " " + name_of(event.who);
  if (event.target != 0) out += " by " + name_of(event.target);
  if (event.request != 0) out += " (request " + std::to_string(event.request) + ")";
  if (event.kind == EventKind::answered) out += event.value == 1 ? ": yes" : ": no";
  if (!event.verb.empty()) out += " " + event.verb;
  return out;
}

/// What the host does when the event's turn comes. False: the event is no longer worth telling.
bool Model::prepare(PolicyEvent& event) {
  ++version_;
  switch (event.kind) {
    case EventKind::joined: {
      if (member(event.who) != nullptr) return false;
      const Person& person = (*people_)[event.who - 1];
      Member made;
      made.id = event.who;
      made.scope = person.scope;
      made.flags = person.flags;
      made.joined_ms = made.seen_ms = now_;
      made.label = made.principal = person.name;
      members_.insert(
          std::find_if(members_.begin(), members_.end(), [&](const Member& one) { return one.id > made.id; }),
          std::move(made));
      return true;
    }
    case EventKind::requested: {
      const Member* asker = member(event.who);
      if (asker == nullptr || asker->grant != 0) return false;
      Request made;
      made.id = event.request = next_request_++;
      made.from = event.who;
      made.at_ms = now_;
      made.deadline_ms = now_ + request_deadline_ms;
      requests_.push_back(std::move(made));
      return true;
    }
    case EventKind::ask_ended: {
      Request* open = request(event.request);
      if (open == nullptr) return false;
      open->asked = 0;
      return true;
    }
    case EventKind::answered:
      return request(event.request) != nullptr;
    default:
      return true;
  }
}

std::optional<Violation> Model::drain() {
  for (std::size_t n = 0; !queue_.empty(); ++n) {
    if (n == max_events)
      return Violation{"endless-events", "one step leads to more than " + std::to_string(max_events) + " events",
                       "Two of the policy's effects bring each other about: set timers into the future."};
    PolicyEvent event = std::move(queue_.front());
    queue_.pop_front();
    if (!prepare(event)) continue;
    event.seq = ++seq_;
    if (auto wrong = decide(event)) {
      if (telling_) told_.push_back("    " + in_words(event) + ": " + wrong->what);
      return wrong;
    }
  }
  return std::nullopt;
}

std::optional<Violation> Model::decide(const PolicyEvent& event) {
  const auto room = snapshot();
  const auto outcome = judges_->first->reduce(state_, room, event);
  if (!outcome)
    return Violation{"failed", "the policy fails: " + outcome.error().message,
                     "A policy decides on everything that can happen in a room; deny what it does not want."};
  // Another object with another past, asked about something else first: a memory outside of the state shows here.
  PolicyEvent other;
  other.kind = EventKind::activity;
  other.who = event.who;
  (void)judges_->second->reduce(state_, room, other);
  const auto again = judges_->second->reduce(state_, room, event);
  if (!again || again->effects != outcome->effects || again->state != outcome->state)
    return Violation{"not-pure",
                     "the same state, room and event have other effects the second time: " +
                         (outcome->effects.empty() ? std::string("nothing") : effect_text(outcome->effects.front())) +
                         " and then " +
                         (!again                   ? "a failure"
                          : again->effects.empty() ? std::string("nothing")
                                                   : effect_text(again->effects.front())),
                     "No clock but room.now_ms, no randomness, no members that change, no statics: what a policy "
                     "remembers goes into its state."};
  std::vector<std::string> words;
  for (const Effect& effect : outcome->effects) words.push_back(in_words(effect));
  if (telling_) {
    std::string line = "    " + in_words(event) + ": ";
    for (std::size_t i = 0; i < words.size(); ++i) line += (i == 0 ? "" : "; ") + words[i];
    told_.push_back(words.empty() ? line + "nothing" : line);
  }
  if (outcome->state && *outcome->state != state_) {
    if (judges_->first->state_schema().empty())
      return Violation{"state-without-schema", "the policy hands over a state and names no state_schema",
                       "Say static constexpr std::string_view state_schema = \"my-policy/1\"."};
  }
  if (auto wrong = apply_effects(outcome->effects, event)) return wrong;
  if (outcome->state) state_ = *outcome->state;
  if (auto wrong = aftermath(event, outcome->effects)) return wrong;
  if (!judges_->first->multi_editor() && grants() > 1)
    return Violation{"two-editors", std::to_string(grants()) + " members hold the pen under an exclusive policy",
                     "Vacate the one before granting the other, or declare multi_editor."};
  return std::nullopt;
}

struct Model::Plan {
  std::optional<std::uint32_t> caps;
  bool vacate = false, grant = false;
  std::uint32_t keeps = plugin::cap_interact;
};

std::optional<Violation> Model::apply_effects(const std::vector<Effect>& effects, const PolicyEvent& event) {
  const bool exclusive = !judges_->first->multi_editor();
  std::map<std::uint64_t, Plan> plans;
  std::map<std::uint64_t, std::int64_t> timers;
  std::vector<std::pair<std::uint64_t, bool>> resolutions;
  std::uint64_t granted = 0;
  std::uint32_t former_keeps = plugin::cap_interact;
  const std::string on = " on \"" + std::string(plugin::event_name(event.kind)) + "\"";
  const auto refused = [&](std::string rule, const std::string& what, std::string fix) {
    return Violation{std::move(rule),
                     "the host refuses the decision" + on + ": it " + what + "; nothing of it is applied",
                     std::move(fix)};
  };
  const auto stranger = [&](std::uint64_t id) -> std::optional<Violation> {
    if (member(id) != nullptr) return std::nullopt;
    return refused("stranger", "names " + name_of(id) + ", who is not in the room",
                   "Look the member up with room.member(id) first: who left is no longer there.");
  };
  const auto grant = [&](std::uint64_t id, std::uint32_t keeps) -> std::optional<Violation> {
    if (auto wrong = stranger(id)) return wrong;
    const Member& one = *member(id);
    if (!may_edit(one))
      return refused("grant-without-scope", "grants " + name_of(id) + ", whose access does not include editing",
                     "Ask member.may_edit() before granting.");
    if (one.presence == Presence::lost)
      return refused("grant-to-absent", "grants " + name_of(id) + ", who is absent",
                     "Ask member.lost() before granting; who returns is told by an event of its own.");
    if (exclusive && granted != 0 && granted != id)
      return refused("two-grants", "grants both " + name_of(granted) + " and " + name_of(id),
                     "An exclusive policy grants one member per decision: deny or keep the other request.");
    granted = id;
    former_keeps = keeps;
    plans[id].grant = true;
    return std::nullopt;
  };
  const auto open_request = [&](std::uint64_t id) -> std::optional<Violation> {
    if (request(id) != nullptr) return std::nullopt;
    return refused("closed-request", "names request " + std::to_string(id) + ", which is not open",
                   "Look it up with room.request(id): requests end by themselves when their asker leaves.");
  };

  for (const Effect& effect : effects) {
    switch (effect.kind) {
      case EffectKind::set_caps:
        if (auto wrong = stranger(effect.target)) return wrong;
        plans[effect.target].caps = plans[effect.target].keeps = effect.caps;
        break;
      case EffectKind::grant:
        if (auto wrong = grant(effect.target, effect.caps)) return wrong;
        break;
      case EffectKind::vacate:
        if (auto wrong = stranger(effect.target)) return wrong;
        plans[effect.target].vacate = true;
        plans[effect.target].keeps = effect.caps;
        break;
      case EffectKind::resolve: {
        if (auto wrong = open_request(effect.request)) return wrong;
        for (const auto& [id, allow] : resolutions) {
          if (id == effect.request)
            return refused("resolved-twice", "resolves one request twice", "Resolve each request once per decision.");
        }
        if (effect.allow) {
          if (auto wrong = grant(request(effect.request)->from, effect.caps)) return wrong;
        }
        resolutions.emplace_back(effect.request, effect.allow);
        break;
      }
      case EffectKind::ask: {
        if (auto wrong = open_request(effect.request)) return wrong;
        if (auto wrong = stranger(effect.target)) return wrong;
        if (effect.target == request(effect.request)->from)
          return refused("asks-the-asker", "asks the asker itself", "Ask the one who holds the pen, or decide.");
        if (member(effect.target)->presence == Presence::lost)
          return refused("asks-absent", "asks " + name_of(effect.target) + ", who is absent",
                         "Ask member.lost() first: who is absent does not block.");
        break;
      }
      case EffectKind::unask:
        if (auto wrong = open_request(effect.request)) return wrong;
        break;
      case EffectKind::timer:
        timers[effect.timer] = effect.at_ms;
        if (timers_.size() + timers.size() > max_timers)
          return refused("timers", "sets more than " + std::to_string(max_timers) + " timers", "Use numbers again.");
        break;
      case EffectKind::notice:
        if (effect.target != 0) {
          if (auto wrong = stranger(effect.target)) return wrong;
        }
        break;
      case EffectKind::show:
        break;
    }
  }
  if (exclusive && granted != 0) {
    for (const Member& one : members_) {
      if (one.grant == 0 || one.id == granted) continue;
      Plan& plan = plans[one.id];
      if (!plan.vacate) plan.keeps = plan.caps.value_or(former_keeps);
      plan.vacate = true;
    }
  }
  if (exclusive) {
    std::size_t editors = 0;
    for (const Member& one : members_) {
      const auto plan = plans.find(one.id);
      const bool planned = plan != plans.end();
      if ((planned && plan->second.grant) || (one.grant != 0 && !(planned && plan->second.vacate))) ++editors;
    }
    if (editors > 1)
      return refused("two-editors", "leaves " + std::to_string(editors) + " editors in the room",
                     "After \"installed\" an exclusive policy leaves at most one grant: vacate the others.");
  }
  for (auto& [id, plan] : plans) {
    Member& one = *member(id);
    if (plan.vacate && one.grant != 0) revoke(one, plan.keeps);
  }
  for (auto& [id, plan] : plans) {
    Member& one = *member(id);
    if (plan.caps && !plan.grant && one.grant == 0) one.caps = *plan.caps & plugin::cap_interact & one.scope;
    if (!plan.grant || one.grant != 0) continue;
    one.grant = ++epoch_;
    one.caps = (plugin::cap_edit | plugin::cap_interact) & one.scope;
    since_ = now_;
  }
  for (const Effect& effect : effects) {
    Request* open = effect.request == 0 ? nullptr : request(effect.request);
    if (effect.kind == EffectKind::ask && open != nullptr) {
      open->asked = effect.target;
      open->answered = false;
      if (effect.at_ms > 0) open->deadline_ms = std::clamp(effect.at_ms, now_ + 1, now_ + longest_ask_ms);
    } else if (effect.kind == EffectKind::unask && open != nullptr) {
      open->asked = 0;
    } else if (effect.kind == EffectKind::show) {
      shown_ = effect.text;
    }
  }
  for (const auto& [id, allow] : resolutions)
    std::erase_if(requests_, [&, closed = id](const Request& one) { return one.id == closed; });
  for (const auto& [timer, at] : timers) {
    if (at == 0) {
      timers_.erase(timer);
    } else {
      timers_[timer] = at;
    }
  }
  ++version_;
  return std::nullopt;
}

std::optional<Violation> Model::aftermath(const PolicyEvent& event, const std::vector<Effect>& effects) {
  if (event.kind != EventKind::answered && event.kind != EventKind::ask_ended) return std::nullopt;
  Request* open = request(event.request);
  if (open == nullptr) return std::nullopt;
  const bool again = std::any_of(effects.begin(), effects.end(), [&](const Effect& one) {
    return one.request == event.request && (one.kind == EffectKind::ask || one.kind == EffectKind::unask);
  });
  if (event.kind == EventKind::answered) {
    open->answered = false;
    if (again) return std::nullopt;
    return Violation{"answer-ignored",
                     name_of(event.target) + " answered " + name_of(open->from) +
                         "'s request, and nothing came of it: it stays open",
                     "On answered, allow, deny, ask somebody else, or unask."};
  }
  open->answered = false;
  if (open->asked == 0) {
    if (telling_)
      told_.push_back("    the host ends the request of " + name_of(open->from) + ": nobody answered in time");
    std::erase_if(requests_, [&](const Request& one) { return one.id == event.request; });
  }
  return std::nullopt;
}

}  // namespace lectern::validate
