#include "plugin/effect_plan.hpp"

#include <algorithm>

#include "base/json.hpp"

namespace lectern::plugin {
namespace {

class Planner {
 public:
  Planner(const PlannedRoom& room, const EffectRules& rules) : room_(room), rules_(rules) {}

  bool take(const Effect& effect) {
    switch (effect.kind) {
      case EffectKind::set_caps:
        if (!known(effect.target)) return false;
        if ((effect.caps & cap_edit) != 0) return refuse(EffectRule::edit_by_caps, effect.target);
        plan_.members[effect.target].caps = effect.caps;
        plan_.members[effect.target].keeps = effect.caps;
        return true;
      case EffectKind::grant:
        return grant(effect.target, effect.caps);
      case EffectKind::vacate:
        if (!known(effect.target)) return false;
        plan_.members[effect.target].vacate = true;
        plan_.members[effect.target].keeps = effect.caps;
        return true;
      case EffectKind::resolve:
        return resolve(effect);
      case EffectKind::ask:
        return ask(effect);
      case EffectKind::unask:
        if (!open(effect.request)) return false;
        plan_.unasked.push_back(effect.request);
        return true;
      case EffectKind::timer:
        plan_.timers[effect.timer] = effect.at_ms;
        if (room_.timers() + plan_.timers.size() <= rules_.max_timers) return true;
        refusal_.count = rules_.max_timers;
        return refuse(EffectRule::too_many_timers);
      case EffectKind::notice:
        if (effect.target != 0 && !known(effect.target)) return false;
        plan_.notices.push_back({effect.target, effect.text});
        return true;
      case EffectKind::show:
        return show(effect);
    }
    return refuse(EffectRule::unknown_kind);
  }

  std::variant<EffectPlan, EffectRefusal> run(const std::vector<Effect>& effects) {
    for (const Effect& effect : effects) {
      refusal_.kind = effect.kind;
      if (!take(effect)) return refusal_;
      ++refusal_.index;
    }
    if (rules_.multi_editor) return std::move(plan_);
    revoke_former_holders();
    if (editors_left() > 1) return refusal_;
    return std::move(plan_);
  }

 private:
  bool refuse(EffectRule rule, std::uint64_t member = 0, std::uint64_t request = 0) {
    refusal_.rule = rule;
    refusal_.member = member;
    refusal_.request = request;
    return false;
  }
  bool known(std::uint64_t id) { return room_.member(id) != nullptr || refuse(EffectRule::stranger, id); }
  bool open(std::uint64_t id) { return room_.request(id) != nullptr || refuse(EffectRule::closed_request, 0, id); }

  bool grant(std::uint64_t target, std::uint32_t former_keeps) {
    if (!known(target)) return false;
    const Member& member = *room_.member(target);
    if ((member.scope & cap_edit) == 0 || (member.flags & member_view_only) != 0) {
      return refuse(EffectRule::grant_without_scope, target);
    }
    if (member.presence == Presence::lost) return refuse(EffectRule::grant_to_absent, target);
    if (!rules_.multi_editor && granted_ != 0 && granted_ != target) {
      refusal_.other_member = granted_;
      return refuse(EffectRule::two_grants, target);
    }
    granted_ = target;
    former_keeps_ = former_keeps;
    plan_.members[target].grant = true;
    return true;
  }

  bool resolve(const Effect& effect) {
    if (!open(effect.request)) return false;
    const auto same = [&](const PlannedResolution& earlier) { return earlier.request == effect.request; };
    if (std::any_of(plan_.resolutions.begin(), plan_.resolutions.end(), same)) {
      return refuse(EffectRule::resolved_twice, 0, effect.request);
    }
    if (effect.allow && !grant(room_.request(effect.request)->from, effect.caps)) return false;
    plan_.resolutions.push_back({effect.request, effect.allow, effect.text});
    return true;
  }

  bool ask(const Effect& effect) {
    if (!open(effect.request) || !known(effect.target)) return false;
    if (effect.target == room_.request(effect.request)->from) {
      return refuse(EffectRule::asks_the_asker, effect.target, effect.request);
    }
    if (room_.member(effect.target)->presence == Presence::lost) {
      return refuse(EffectRule::asks_absent, effect.target, effect.request);
    }
    PlannedAsk asked{effect.request, effect.target, std::nullopt, effect.text};
    if (effect.at_ms > 0) {
      asked.deadline_ms = std::clamp(effect.at_ms, rules_.now_ms + 1, rules_.now_ms + rules_.longest_ask_ms);
    }
    plan_.asks.push_back(std::move(asked));
    return true;
  }

  bool show(const Effect& effect) {
    if (!effect.text.empty()) {
      const auto parsed = json::parse(effect.text);
      if (!parsed || !parsed->is_object()) return refuse(EffectRule::show_no_object);
    }
    plan_.shown = effect.text;
    return true;
  }

  void revoke_former_holders() {
    if (granted_ == 0) return;
    room_.each_member([&](const Member& member) {
      if (member.grant == 0 || member.id == granted_) return;
      MemberPlan& plan = plan_.members[member.id];
      if (!plan.vacate) plan.keeps = plan.caps.value_or(former_keeps_);
      plan.vacate = true;
    });
  }

  std::size_t editors_left() {
    std::size_t editors = 0;
    room_.each_member([&](const Member& member) {
      const auto plan = plan_.members.find(member.id);
      const bool planned = plan != plan_.members.end();
      if ((planned && plan->second.grant) || (member.grant != 0 && !(planned && plan->second.vacate))) ++editors;
    });
    if (editors > 1) refuse(EffectRule::two_editors);
    refusal_.count = editors;
    return editors;
  }

  const PlannedRoom& room_;
  const EffectRules& rules_;
  EffectPlan plan_;
  EffectRefusal refusal_;
  std::uint64_t granted_ = 0;
  std::uint32_t former_keeps_ = cap_interact;
};

}  // namespace

std::variant<EffectPlan, EffectRefusal> plan_effects(const PlannedRoom& room, const std::vector<Effect>& effects,
                                                     const EffectRules& rules) {
  return Planner(room, rules).run(effects);
}

}  // namespace lectern::plugin
