// How a model puts an event to the policy and what it lets the answer do: the host's own rules
// (plugin/effect_plan.hpp), all or none.
#include <algorithm>

#include "plugin/effect_plan.hpp"
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

namespace {

/// What breaks the rule, in the room's names, and what to do about it.
struct Broken {
  const char* rule;
  std::string what, fix;
};

}  // namespace

class Model::Seen final : public plugin::PlannedRoom {
 public:
  explicit Seen(Model& model) : model_(model) {}
  [[nodiscard]] const plugin::Member* member(std::uint64_t id) const override { return model_.member(id); }
  [[nodiscard]] const plugin::Request* request(std::uint64_t id) const override { return model_.request(id); }
  [[nodiscard]] std::size_t timers() const override { return model_.timers_.size(); }
  void each_member(const std::function<void(const plugin::Member&)>& visit) const override {
    for (const Member& member : model_.members_) visit(member);
  }

 private:
  Model& model_;
};

Violation Model::refused(const plugin::EffectRefusal& refusal, const PolicyEvent& event) const {
  using plugin::EffectRule;
  const std::string who = name_of(refusal.member), number = std::to_string(refusal.count);
  const auto broken = [&]() -> Broken {
    switch (refusal.rule) {
      case EffectRule::stranger:
        return {"stranger", "names " + who + ", who is not in the room",
                "Look the member up with room.member(id) first: who left is no longer there."};
      case EffectRule::edit_by_caps:
        return {"edit-by-caps", "gives " + who + " the edit capability, which only a grant can",
                "Grant the pen; set_caps is for interact alone."};
      case EffectRule::grant_without_scope:
        return {"grant-without-scope", "grants " + who + ", whose access does not include editing",
                "Ask member.may_edit() before granting."};
      case EffectRule::grant_to_absent:
        return {"grant-to-absent", "grants " + who + ", who is absent",
                "Ask member.lost() before granting; who returns is told by an event of its own."};
      case EffectRule::two_grants:
        return {"two-grants", "grants both " + name_of(refusal.other_member) + " and " + who,
                "An exclusive policy grants one member per decision: deny or keep the other request."};
      case EffectRule::closed_request:
        return {"closed-request", "names request " + std::to_string(refusal.request) + ", which is not open",
                "Look it up with room.request(id): requests end by themselves when their asker leaves."};
      case EffectRule::resolved_twice:
        return {"resolved-twice", "resolves one request twice", "Resolve each request once per decision."};
      case EffectRule::asks_the_asker:
        return {"asks-the-asker", "asks the asker itself", "Ask the one who holds the pen, or decide."};
      case EffectRule::asks_absent:
        return {"asks-absent", "asks " + who + ", who is absent",
                "Ask member.lost() first: who is absent does not block."};
      case EffectRule::too_many_timers:
        return {"timers", "sets more than " + number + " timers", "Use numbers again."};
      case EffectRule::show_no_object:
        return {"show-no-object", "shows something that is not a JSON object", "Show {\"key\": ...}, or nothing."};
      case EffectRule::two_editors:
        return {"two-editors", "leaves " + number + " editors in the room",
                "After \"installed\" an exclusive policy leaves at most one grant: vacate the others."};
      case EffectRule::unknown_kind:
        break;
    }
    return {"unknown-kind", "has an effect of a kind that the host does not know", "Use LECTERN_EFFECT_*."};
  }();
  return {broken.rule,
          "the host refuses the decision on \"" + std::string(plugin::event_name(event.kind)) + "\": it " +
              broken.what + "; nothing of it is applied",
          broken.fix};
}

std::optional<Violation> Model::apply_effects(const std::vector<Effect>& effects, const PolicyEvent& event) {
  plugin::EffectRules rules;
  rules.multi_editor = judges_->first->multi_editor();
  rules.now_ms = now_;
  auto planned = plugin::plan_effects(Seen(*this), effects, rules);
  if (const auto* refusal = std::get_if<plugin::EffectRefusal>(&planned)) return refused(*refusal, event);
  const auto& plan = std::get<plugin::EffectPlan>(planned);
  for (const auto& [id, one] : plan.members) {
    if (one.revokes(*member(id))) revoke(*member(id), one.keeps);
  }
  for (const auto& [id, one] : plan.members) {
    Member& target = *member(id);
    if (const auto caps = one.caps_of(target)) target.caps = *caps;
    if (!one.grants(target)) continue;
    target.grant = ++epoch_;
    target.caps = (plugin::cap_edit | plugin::cap_interact) & target.scope;
    since_ = now_;
  }
  for (const auto& ask : plan.asks) {
    Request& open = *request(ask.request);
    open.asked = ask.target;
    open.answered = false;
    if (ask.deadline_ms) open.deadline_ms = *ask.deadline_ms;
  }
  for (const auto id : plan.unasked) request(id)->asked = 0;
  if (plan.shown) shown_ = *plan.shown;
  for (const auto& resolution : plan.resolutions)
    std::erase_if(requests_, [&](const Request& one) { return one.id == resolution.request; });
  for (const auto& [timer, at] : plan.timers) {
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
