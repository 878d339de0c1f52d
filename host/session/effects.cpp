#include "session/effects.hpp"

#include <utility>

namespace lectern::session {
namespace {

using plugin::EffectPlan;
using plugin::EffectRefusal;
using plugin::EffectRule;

class Seen final : public plugin::PlannedRoom {
 public:
  explicit Seen(Room& room) : room_(room) {}
  [[nodiscard]] const plugin::Member* member(std::uint64_t id) const override { return room_.find(id); }
  [[nodiscard]] const plugin::Request* request(std::uint64_t id) const override { return room_.request(id); }
  [[nodiscard]] std::size_t timers() const override { return room_.timers().size(); }
  void each_member(const std::function<void(const plugin::Member&)>& visit) const override {
    for (const auto& [id, member] : room_.members()) visit(member);
  }

 private:
  Room& room_;
};

std::string words(const EffectRefusal& refusal) {
  const std::string member = "member " + std::to_string(refusal.member);
  switch (refusal.rule) {
    case EffectRule::stranger:
      return "names " + member + ", who is not in the room";
    case EffectRule::edit_by_caps:
      return "gives the edit capability, which only a grant can";
    case EffectRule::grant_without_scope:
      return "grants " + member + ", who is view-only or whose scope lacks edit";
    case EffectRule::grant_to_absent:
      return "grants " + member + ", who is absent";
    case EffectRule::two_grants:
      return "grants a second member, and the policy does not declare several editors";
    case EffectRule::closed_request:
      return "names request " + std::to_string(refusal.request) + ", which is not open";
    case EffectRule::resolved_twice:
      return "resolves a request that this list resolved already";
    case EffectRule::asks_the_asker:
      return "asks the asker";
    case EffectRule::asks_absent:
      return "asks somebody who is absent";
    case EffectRule::too_many_timers:
      return "sets more than " + std::to_string(refusal.count) + " timers";
    case EffectRule::show_no_object:
      return "shows something that is not a JSON object";
    case EffectRule::unknown_kind:
    case EffectRule::two_editors:
      break;
  }
  return "is of a kind this host does not know";
}

tl::unexpected<Error> refused(const EffectRefusal& refusal) {
  if (refusal.rule == EffectRule::two_editors) {
    return fail(422, "effect_refused",
                "the effects leave " + std::to_string(refusal.count) +
                    " editors in the room, and the policy does not declare several");
  }
  return fail(422, "effect_refused",
              "effect " + std::to_string(refusal.index) + " (" + std::string(plugin::effect_name(refusal.kind)) + ") " +
                  words(refusal) + "; none of the list was applied");
}

class Application {
 public:
  Application(Room& room, EffectPlan plan, std::int64_t now_ms)
      : room_(room), plan_(std::move(plan)), now_ms_(now_ms) {}

  [[nodiscard]] std::uint64_t epochs_needed() const {
    std::uint64_t count = 0;
    for (const auto& [id, plan] : plan_.members) {
      const Member& member = *room_.find(id);
      count += plan.grant && (member.grant == 0 || plan.vacate) ? 1 : 0;
    }
    return count;
  }

  Applied run(Epochs& epochs) {
    revoke();
    set();
    give(epochs);
    ask();
    remember();
    for (auto& one : plan_.resolutions) result_.resolutions.push_back({one.request, one.allow, std::move(one.text)});
    for (auto& one : plan_.notices) result_.notices.push_back({one.target, std::move(one.text)});
    return std::move(result_);
  }

 private:
  void note(const Member& member, std::uint32_t caps_before, std::uint64_t revoked, std::uint64_t granted) {
    result_.rights.push_back({member.id, caps_before, member.caps, revoked, granted});
  }

  void revoke() {
    for (const auto& [id, plan] : plan_.members) {
      auto& member = *room_.find(id);
      if (!plan.revokes(member)) continue;
      const auto before = member.caps;
      const auto epoch = member.grant;
      room_.revoke(member, plan.keeps, now_ms_);
      note(member, before, epoch, 0);
    }
  }

  void set() {
    for (const auto& [id, plan] : plan_.members) {
      auto& member = *room_.find(id);
      const auto caps = plan.caps_of(member);
      if (!caps || *caps == member.caps) continue;
      const auto before = std::exchange(member.caps, *caps);
      room_.touch();
      note(member, before, 0, 0);
    }
  }

  void give(Epochs& epochs) {
    for (const auto& [id, plan] : plan_.members) {
      auto& member = *room_.find(id);
      if (!plan.grants(member)) continue;
      const auto before = member.caps;
      const auto epoch = epochs.next();
      if (!epoch) continue;  // cannot be: available() was checked before anything was touched
      room_.grant(member, *epoch, now_ms_);
      note(member, before, 0, *epoch);
    }
  }

  void ask() {
    for (auto& ask : plan_.asks) {
      auto& request = *room_.request(ask.request);
      request.asked = ask.target;
      request.answered = false;
      request.ask_text = ask.text;
      if (ask.deadline_ms) request.deadline_ms = *ask.deadline_ms;
      room_.touch();
      result_.asks.push_back({ask.request, ask.target, std::move(ask.text)});
    }
    for (const auto id : plan_.unasked) {
      room_.request(id)->asked = 0;
      room_.touch();
    }
    result_.unasked = std::move(plan_.unasked);
  }

  void remember() {
    for (const auto& [timer, at] : plan_.timers) {
      if (at == 0) {
        room_.timers().erase(timer);
      } else {
        room_.timers()[timer] = at;
      }
      result_.timers_changed = true;
    }
    if (plan_.shown && *plan_.shown != room_.shown()) {
      room_.shown() = std::move(*plan_.shown);
      result_.shown_changed = true;
    }
  }

  Room& room_;
  EffectPlan plan_;
  std::int64_t now_ms_;
  Applied result_;
};

}  // namespace

Result<Applied> apply_effects(Room& room, Epochs& epochs, const std::vector<plugin::Effect>& effects,
                              const EffectRules& rules) {
  auto planned = plugin::plan_effects(Seen(room), effects, rules);
  if (const auto* refusal = std::get_if<EffectRefusal>(&planned)) return refused(*refusal);
  Application application(room, std::get<EffectPlan>(std::move(planned)), rules.now_ms);
  if (epochs.available() < application.epochs_needed()) {
    // Asks for the next block; the event is reduced again once it is on disk.
    (void)epochs.next();
    return fail(503, "epoch_not_journaled", "the next value of the room's counter is not on disk yet");
  }
  return application.run(epochs);
}

}  // namespace lectern::session
