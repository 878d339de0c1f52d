#include "session/effects.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/json.hpp"

namespace lectern::session {
namespace {

/// What shall become of one member, gathered from all effects before anything is done.
struct Plan {
  std::optional<std::uint32_t> caps;
  bool vacate = false;
  bool grant = false;
  std::uint32_t keeps = cap_interact;  // after losing a grant
};

class Planner {
 public:
  Planner(Room& room, const EffectRules& rules) : room_(room), rules_(rules) {}

  Status take(const plugin::Effect& effect, std::size_t index) {
    index_ = index;
    kind_ = effect.kind;
    switch (effect.kind) {
      case plugin::EffectKind::set_caps:
        return set_caps(effect);
      case plugin::EffectKind::grant:
        return grant(effect.target, effect.caps);
      case plugin::EffectKind::vacate:
        return vacate(effect);
      case plugin::EffectKind::resolve:
        return resolve(effect);
      case plugin::EffectKind::ask:
        return ask(effect);
      case plugin::EffectKind::unask:
        return unask(effect);
      case plugin::EffectKind::timer:
        return timer(effect);
      case plugin::EffectKind::notice:
        if (effect.target != 0) LECTERN_CHECK(known(effect.target));
        result_.notices.push_back({effect.target, effect.text});
        return {};
      case plugin::EffectKind::show:
        return show(effect);
    }
    return refuse("is of a kind this host does not know");
  }

  Result<Applied> commit(Epochs& epochs) {
    if (!rules_.multi_editor) revoke_former_holders();
    LECTERN_CHECK(check_assignment());
    if (epochs.available() < grants_wanted()) {
      // Asks for the next block; the event is reduced again once it is on disk.
      (void)epochs.next();
      return fail(503, "epoch_not_journaled", "the next value of the room's counter is not on disk yet");
    }
    revoke();
    set();
    give(epochs);
    commit_requests();
    return std::move(result_);
  }

 private:
  tl::unexpected<Error> refuse(const std::string& why) const {
    return fail(422, "effect_refused",
                "effect " + std::to_string(index_) + " (" + std::string(plugin::effect_name(kind_)) + ") " + why +
                    "; none of the list was applied");
  }

  Status known(MemberId id) const {
    if (room_.find(id) == nullptr) return refuse("names member " + std::to_string(id) + ", who is not in the room");
    return {};
  }

  Status set_caps(const plugin::Effect& effect) {
    LECTERN_CHECK(known(effect.target));
    if ((effect.caps & cap_edit) != 0) return refuse("gives the edit capability, which only a grant can");
    plans_[effect.target].caps = effect.caps;
    plans_[effect.target].keeps = effect.caps;
    return {};
  }

  Status grant(MemberId target, std::uint32_t former_keeps) {
    LECTERN_CHECK(known(target));
    const auto* member = room_.find(target);
    if (!member->may_hold_the_pen()) {
      return refuse("grants member " + std::to_string(target) + ", who is view-only or whose scope lacks edit");
    }
    if (member->presence == plugin::Presence::lost) {
      return refuse("grants member " + std::to_string(target) + ", who is absent");
    }
    if (!rules_.multi_editor && granted_ != 0 && granted_ != target) {
      return refuse("grants a second member, and the policy does not declare several editors");
    }
    granted_ = target;
    former_keeps_ = former_keeps;
    plans_[target].grant = true;
    return {};
  }

  Status vacate(const plugin::Effect& effect) {
    LECTERN_CHECK(known(effect.target));
    plans_[effect.target].vacate = true;
    plans_[effect.target].keeps = effect.caps;
    return {};
  }

  Result<OpenRequest*> open(std::uint64_t id) const {
    auto* request = room_.request(id);
    if (request == nullptr) return refuse("names request " + std::to_string(id) + ", which is not open");
    return request;
  }

  Status resolve(const plugin::Effect& effect) {
    LECTERN_TRY(auto* request, open(effect.request));
    for (const auto& earlier : result_.resolutions) {
      if (earlier.request == effect.request) return refuse("resolves a request that this list resolved already");
    }
    if (effect.allow) LECTERN_CHECK(grant(request->from, effect.caps));
    result_.resolutions.push_back({effect.request, effect.allow, effect.text});
    return {};
  }

  Status ask(const plugin::Effect& effect) {
    LECTERN_TRY(auto* request, open(effect.request));
    LECTERN_CHECK(known(effect.target));
    if (effect.target == request->from) return refuse("asks the asker");
    if (room_.find(effect.target)->presence == plugin::Presence::lost) return refuse("asks somebody who is absent");
    asks_.push_back({effect.request, effect.target, effect.at_ms, effect.text});
    return {};
  }

  Status unask(const plugin::Effect& effect) {
    LECTERN_TRY(auto* request, open(effect.request));
    (void)request;
    result_.unasked.push_back(effect.request);
    return {};
  }

  Status timer(const plugin::Effect& effect) {
    timers_[effect.timer] = effect.at_ms;
    if (room_.timers().size() + timers_.size() > rules_.max_timers) {
      return refuse("sets more than " + std::to_string(rules_.max_timers) + " timers");
    }
    return {};
  }

  Status show(const plugin::Effect& effect) {
    if (!effect.text.empty()) {
      const auto parsed = json::parse(effect.text);
      if (!parsed || !parsed->is_object()) return refuse("shows something that is not a JSON object");
    }
    shown_ = effect.text;
    return {};
  }

  void revoke_former_holders() {
    if (granted_ == 0) return;
    for (const auto& [id, member] : room_.members()) {
      if (member.grant == 0 || id == granted_) continue;
      auto& plan = plans_[id];
      if (!plan.vacate) plan.keeps = plan.caps.value_or(former_keeps_);
      plan.vacate = true;
    }
  }

  Status check_assignment() const {
    if (rules_.multi_editor) return {};
    std::size_t editors = 0;
    for (const auto& [id, member] : room_.members()) {
      const auto plan = plans_.find(id);
      const bool planned = plan != plans_.end();
      if (planned && plan->second.grant) {
        ++editors;
      } else if (member.grant != 0 && !(planned && plan->second.vacate)) {
        ++editors;
      }
    }
    if (editors > 1) {
      return fail(422, "effect_refused",
                  "the effects leave " + std::to_string(editors) +
                      " editors in the room, and the policy does not declare several");
    }
    return {};
  }

  std::uint64_t grants_wanted() const {
    std::uint64_t count = 0;
    for (const auto& [id, plan] : plans_) count += plan.grant && needs_epoch(id, plan) ? 1 : 0;
    return count;
  }

  bool needs_epoch(MemberId id, const Plan& plan) const { return room_.find(id)->grant == 0 || plan.vacate; }

  void note(const Member& member, std::uint32_t caps_before, std::uint64_t revoked, std::uint64_t granted) {
    result_.rights.push_back({member.id, caps_before, member.caps, revoked, granted});
  }

  void revoke() {
    for (const auto& [id, plan] : plans_) {
      auto& member = *room_.find(id);
      if (!plan.vacate || member.grant == 0) continue;
      const auto before = member.caps;
      const auto epoch = member.grant;
      room_.revoke(member, plan.keeps, rules_.now_ms);
      note(member, before, epoch, 0);
    }
  }

  void set() {
    for (const auto& [id, plan] : plans_) {
      auto& member = *room_.find(id);
      if (!plan.caps || plan.grant || member.grant != 0) continue;
      const auto before = member.caps;
      member.caps = *plan.caps & cap_interact & member.scope;
      if (member.caps == before) continue;
      room_.touch();
      note(member, before, 0, 0);
    }
  }

  void give(Epochs& epochs) {
    for (const auto& [id, plan] : plans_) {
      auto& member = *room_.find(id);
      if (!plan.grant || member.grant != 0) continue;
      const auto before = member.caps;
      const auto epoch = epochs.next();
      if (!epoch) continue;  // cannot be: available() was checked before anything was touched
      room_.grant(member, *epoch, rules_.now_ms);
      note(member, before, 0, *epoch);
    }
  }

  void commit_requests() {
    for (auto& ask : asks_) {
      auto& request = *room_.request(ask.request);
      const auto latest = rules_.now_ms + rules_.longest_ask_ms;
      request.asked = ask.target;
      request.answered = false;
      request.ask_text = ask.text;
      if (ask.at_ms > 0) request.deadline_ms = std::clamp(ask.at_ms, rules_.now_ms + 1, latest);
      room_.touch();
      result_.asks.push_back({ask.request, ask.target, std::move(ask.text)});
    }
    for (const auto id : result_.unasked) {
      room_.request(id)->asked = 0;
      room_.touch();
    }
    for (const auto& [timer, at] : timers_) {
      if (at == 0) {
        room_.timers().erase(timer);
      } else {
        room_.timers()[timer] = at;
      }
      result_.timers_changed = true;
    }
    if (shown_ && *shown_ != room_.shown()) {
      room_.shown() = std::move(*shown_);
      result_.shown_changed = true;
    }
  }

  struct PlannedAsk {
    std::uint64_t request;
    MemberId target;
    std::int64_t at_ms;
    std::string text;
  };
  Room& room_;
  const EffectRules& rules_;
  std::size_t index_ = 0;
  plugin::EffectKind kind_ = plugin::EffectKind::notice;
  std::map<MemberId, Plan> plans_;
  std::map<std::uint64_t, std::int64_t> timers_;
  std::vector<PlannedAsk> asks_;
  std::optional<std::string> shown_;
  MemberId granted_ = 0;
  std::uint32_t former_keeps_ = cap_interact;
  Applied result_;
};

}  // namespace

Result<Applied> apply_effects(Room& room, Epochs& epochs, const std::vector<plugin::Effect>& effects,
                              const EffectRules& rules) {
  Planner planner(room, rules);
  for (std::size_t i = 0; i < effects.size(); ++i) LECTERN_CHECK(planner.take(effects[i], i));
  return planner.commit(epochs);
}

}  // namespace lectern::session
