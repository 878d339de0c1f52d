#include "session/shadow.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/clock.hpp"
#include "session/live_session.hpp"
#include "session/policy_driver.hpp"

namespace lectern::session {
namespace {

constexpr std::size_t most_waiting = 64;

std::string in_words(const plugin::Effect& effect) {
  std::string out(plugin::effect_name(effect.kind));
  const auto add = [&](std::string_view name, const std::string& value) {
    out.append(" ").append(name).append(" ").append(value);
  };
  if (effect.target != 0) add("to", std::to_string(effect.target));
  if (effect.request != 0) add("request", std::to_string(effect.request));
  if (effect.timer != 0) add("timer", std::to_string(effect.timer));
  if (effect.kind == plugin::EffectKind::resolve) out += effect.allow ? " allow" : " deny";
  if (effect.kind == plugin::EffectKind::set_caps || effect.kind == plugin::EffectKind::vacate)
    add("keeping", (effect.caps & cap_interact) != 0 ? "interact" : "nothing");
  if (!effect.text.empty()) add(":", effect.text);
  return out;
}

json::Array words(const std::vector<plugin::Effect>& effects) {
  json::Array out;
  for (const auto& effect : effects) out.emplace_back(in_words(effect));
  return out;
}

/// When something happens is no difference; a timer's time is relative to a clock both saw at the same moment.
bool same(const std::vector<plugin::Effect>& a, const std::vector<plugin::Effect>& b) {
  return a == b;
}

/// What an `installed` really changes: a policy may well set what is set already.
std::vector<plugin::Effect> news(const plugin::RoomSnapshot& room, const std::vector<plugin::Effect>& effects) {
  std::vector<plugin::Effect> out;
  for (const auto& effect : effects) {
    const auto member = std::find_if(room.members.begin(), room.members.end(),
                                     [&](const auto& one) { return one.id == effect.target; });
    const bool known = member != room.members.end();
    const bool has = known && member->grant != 0;
    if (effect.kind == plugin::EffectKind::grant && has) continue;
    if (effect.kind == plugin::EffectKind::set_caps && known && !has && member->caps == effect.caps) continue;
    out.push_back(effect);
  }
  return out;
}

}  // namespace

Shadow::Shadow(LiveSession& session, plugin::PolicyPtr policy, Reply<json::Value> reply)
    : session_(session),
      policy_(std::move(policy)),
      reply_(std::move(reply)),
      watch_(session.loop()),
      end_(session.loop()) {}

void Shadow::begin(int watch_ms, const plugin::PolicyPtr& installed) {
  began_ms_ = clock::now_ms();
  Waiting first;
  first.room = session_.room().snapshot(began_ms_);
  first.event.kind = plugin::EventKind::installed;
  first.event.json = installed->id();
  first.installing = true;
  queue_.push_back(std::move(first));
  if (watch_ms == 0) {
    ending_ = true;
  } else {
    end_.start(std::chrono::milliseconds(watch_ms), [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      self->ending_ = true;
      self->next();
    });
  }
  next();
}

void Shadow::see(const Ruling& ruling) {
  if (finished() || ending_ || !ruling.outcome) return;
  if (queue_.size() >= most_waiting) return fail_with({503, "policy_timeout", "the policy could not keep up", "", ""});
  queue_.push_back({ruling.room, ruling.event, ruling.outcome->effects, false});
  next();
}

void Shadow::next() {
  if (finished() || in_flight_) return;
  if (queue_.empty()) {
    if (ending_) finish();
    return;
  }
  auto ruling = std::make_shared<Ruling>();
  ruling->policy = policy_;
  ruling->state = state_;
  ruling->room = queue_.front().room;
  ruling->event = queue_.front().event;
  ruling->loop = &session_.loop();
  ruling->done = [weak = weak_from_this(), raw = std::weak_ptr<Ruling>(ruling)] {
    const auto self = weak.lock();
    const auto own = raw.lock();
    if (self && own && own == self->in_flight_) self->decided();
  };
  in_flight_ = ruling;
  session_.referee().submit(std::move(ruling));
  watch();
}

void Shadow::watch() {
  const int budget = session_.settings().policy_budget_ms;
  watch_.start(std::chrono::milliseconds(budget), [weak = weak_from_this(), budget] {
    const auto self = weak.lock();
    if (!self || !self->in_flight_) return;
    if (!self->session_.referee().give_up_when_late(*self->in_flight_, budget)) return self->watch();
    self->policy_->generation()->count_failure("a decision took longer than " + std::to_string(budget) + " ms");
    // Its generation is not taken out: it may decide elsewhere, and was slow only here, with these settings.
    self->fail_with({504, "policy_timeout", "the policy " + self->policy_->id() + " did not decide in time", "", ""});
  });
}

void Shadow::decided() {
  watch_.cancel();
  const auto ruling = std::exchange(in_flight_, nullptr);
  if (!ruling->outcome) return fail_with(ruling->outcome.error());
  const Waiting what = std::move(queue_.front());
  queue_.pop_front();
  if (ruling->outcome->state) state_ = *ruling->outcome->state;
  compare(what, ruling->outcome->effects);
  next();
}

void Shadow::compare(const Waiting& what, const std::vector<plugin::Effect>& then) {
  if (!what.installing) ++events_;
  const auto would = what.installing ? news(what.room, then) : then;
  if (same(what.now, would)) return;
  ++differing_;
  if (rows_.size() >= most_rows) return;
  json::Value row;
  row.set("event", std::string(plugin::event_name(what.event.kind)));
  if (what.event.who != 0) {
    row.set("who", what.event.who);
    if (const auto* member = session_.room().find(what.event.who)) row.set("label", member->label);
  }
  row.set("now", words(what.now));
  row.set("then", words(would));
  rows_.push_back(std::move(row));
}

// The driver keeps the last one that was tried: it holds on to nothing, or the tried plugin could never be unloaded.
void Shadow::let_go() {
  watch_.cancel();
  end_.cancel();
  in_flight_.reset();
  queue_.clear();
  rows_.clear();
  state_.clear();
  policy_.reset();
}

void Shadow::fail_with(Error error) {
  let_go();
  if (auto reply = std::exchange(reply_, {})) reply(fail(std::move(error)));
}

void Shadow::finish() {
  auto reply = std::exchange(reply_, {});
  if (!reply) return;
  json::Value out;
  out.set("policy", policy_->id());
  out.set("config", json::Raw{policy_->config().empty() ? "{}" : policy_->config()});
  out.set("multi_editor", policy_->multi_editor());
  out.set("watched_ms", clock::now_ms() - began_ms_);
  out.set("events", events_);
  out.set("differing", differing_);
  out.set("differences", std::move(rows_));
  // Effects name people by number; who is gone by now stays one.
  json::Array people;
  for (const auto& member : session_.room().snapshot(clock::now_ms()).members) {
    json::Value person;
    person.set("number", member.id);
    person.set("label", member.label);
    people.push_back(std::move(person));
  }
  out.set("people", std::move(people));
  let_go();
  reply(std::move(out));
}

}  // namespace lectern::session
