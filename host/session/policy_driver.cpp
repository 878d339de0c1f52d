#include "session/policy_driver.hpp"

#include <utility>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "session/attendance.hpp"
#include "session/live_session.hpp"
#include "session/running.hpp"
#include "session/takeovers.hpp"

namespace lectern::session {
namespace {

constexpr int most_attempts = 3;

std::string stored_state(const std::string& stored, const plugin::Policy& policy) {
  const auto value = json::parse(stored);
  if (!value) return {};
  const json::Fields fields(*value, "policy");
  const auto schema = fields.string("schema");
  const auto id = fields.string("id");
  if (!schema || !id || *schema != policy.state_schema() || *id != policy.id()) return {};
  return fields.string("state").value_or("");
}

}  // namespace

PolicyDriver::PolicyDriver(LiveSession& session, plugin::PolicyPtr policy, const std::string& stored)
    : session_(session), current_(std::move(policy)), watch_(session.loop()) {
  if (!stored.empty()) state_ = stored_state(stored, *current_);
  Entry first;
  first.event.kind = plugin::EventKind::installed;
  push(std::move(first));
}

PolicyDriver::~PolicyDriver() {
  if (shadow_) shadow_->finish();
}

void PolicyDriver::shadow(plugin::PolicyPtr policy, int watch_ms, Reply<json::Value> reply) {
  if (shadow_ && !shadow_->finished()) {
    return reply(fail(409, "dry_run_busy", "another dry run is going on in this session", "wait until it has ended"));
  }
  shadow_ = std::make_shared<Shadow>(session_, std::move(policy), std::move(reply));
  shadow_->begin(watch_ms, current_);
}

void PolicyDriver::push(Entry entry) {
  queue_.push_back(std::move(entry));
  pump();
}

void PolicyDriver::swap(plugin::PolicyPtr policy, UniqueFunction<void(Status)> done) {
  Entry entry;
  entry.event.kind = plugin::EventKind::installed;
  entry.prepare = [this](plugin::PolicyEvent& event) -> Status {
    event.json = current_->id();
    return {};
  };
  entry.settled = [done = std::move(done)](const Result<Applied>& result) mutable {
    done(result ? Status() : Status(fail(result.error())));
  };
  entry.swap_to = std::move(policy);
  push(std::move(entry));
}

void PolicyDriver::resume(const Status& reserved) {
  if (!std::exchange(waiting_for_epochs_, false)) return;
  if (reserved) return attempt();
  settle(fail(reserved.error()));  // nobody waits for a disk that takes nothing
  pump();
}

void PolicyDriver::pump() {
  while (!queue_.empty() && !in_flight_ && !waiting_for_epochs_ && !settling_) {
    auto& entry = queue_.front();
    attempts_ = 0;
    if (entry.prepare) {
      settling_ = true;  // what it pushes comes after it: the head stays the head
      auto ready = entry.prepare(entry.event);
      settling_ = false;
      if (!ready) {
        settle(fail(ready.error()));
        continue;
      }
    }
    entry.event.seq = ++seq_;
    attempt();
  }
}

void PolicyDriver::attempt() {
  auto& entry = queue_.front();
  ++attempts_;
  auto ruling = std::make_shared<Ruling>();
  ruling->policy = entry.swap_to ? entry.swap_to : current_;
  const bool own_state = !entry.swap_to || entry.swap_to->state_schema() == current_->state_schema();
  if (own_state) ruling->state = state_;
  ruling->room = session_.room().snapshot(clock::now_ms());
  ruling->event = entry.event;
  ruling->loop = &session_.loop();
  ruling->done = [weak = session_.weak_from_this(), raw = std::weak_ptr<Ruling>(ruling)] {
    const auto session = weak.lock();
    const auto self = raw.lock();
    if (session && self && !session->ended()) session->policies().decided(self);
  };
  in_flight_ = ruling;
  session_.referee().submit(std::move(ruling));
  watch();
}

void PolicyDriver::watch() {
  const int budget = session_.settings().policy_budget_ms;
  watch_.start(std::chrono::milliseconds(budget), [this, budget] {
    if (!in_flight_) return;
    if (session_.referee().give_up_when_late(*in_flight_, budget)) return overstayed();
    watch();
  });
}

void PolicyDriver::decided(const RulingPtr& ruling) {
  if (ruling != in_flight_) return;
  watch_.cancel();
  in_flight_.reset();
  if (!ruling->outcome) {
    record_.add(*ruling);
    // Counted with its generation by the adapter: for a request this means no, otherwise no effects. What is not 500
    // is the policy's own word about the event.
    const Error error = ruling->outcome.error();
    if (error.status == 500) return fault(ruling->policy, error, error.message, Fault::failed);
    settle(fail(error));
    return pump();
  }
  if (ruling->room.version != session_.room().version()) {
    if (attempts_ < most_attempts) return attempt();
    settle(fail(503, "room_moved_on", "the room kept changing while the policy decided", "try again"));
    return pump();
  }
  const bool swapping = queue_.front().swap_to != nullptr;
  auto applied = apply(*ruling->outcome);
  if (!applied && applied.error().code == "epoch_not_journaled") {
    waiting_for_epochs_ = true;
    return;
  }
  record_.add(*ruling);
  // What the installed policy decided; a swap ends the comparison, for there is another policy to compare with.
  if (shadow_ && !shadow_->finished() && !swapping) shadow_->see(*ruling);
  if (shadow_ && swapping && applied) shadow_->finish();
  if (applied) {
    if (queue_.front().swap_to) put_in_place(queue_.front().swap_to);
    keep_state(*ruling->outcome);
    settling_ = true;  // telling people ends asks, which pushes: not before this entry is out of the way
    announce(session_, *applied, queue_.front().reason);
    settling_ = false;
  } else {
    session_.counters().effects_refused += 1;
    ruling->policy->generation()->count_failure(applied.error().message);
    log::warning("policy", ruling->policy->id() + ": " + applied.error().message);
    return fault(ruling->policy, applied.error(), applied.error().message, Fault::failed);
  }
  settle(std::move(applied));
  pump();
}

Result<Applied> PolicyDriver::apply(const plugin::PolicyOutcome& outcome) {
  const auto& entry = queue_.front();
  auto& room = session_.room();
  EffectRules rules;
  rules.multi_editor = entry.swap_to ? entry.swap_to->multi_editor() : current_->multi_editor();
  rules.now_ms = clock::now_ms();
  if (!entry.swap_to) return apply_effects(room, session_.epochs(), outcome.effects, rules);
  auto timers = std::exchange(room.timers(), {});  // they are the old policy's
  auto shown = std::exchange(room.shown(), {});
  auto applied = apply_effects(room, session_.epochs(), outcome.effects, rules);
  if (!applied) {
    room.timers() = std::move(timers);
    room.shown() = std::move(shown);
    if (applied.error().code == "effect_refused") {
      return fail(422, "policy_refused", "the new policy was not installed: " + applied.error().message,
                  "the old one goes on");
    }
  }
  return applied;
}

void PolicyDriver::put_in_place(const plugin::PolicyPtr& policy) {
  if (policy->state_schema() != current_->state_schema()) state_.clear();
  auto before = std::exchange(current_, policy);
  const bool good = before->generation()->state() != plugin::GenerationState::quarantined;
  last_good_ = good ? std::move(before) : nullptr;
  std::string data;
  json::Writer(data)
      .begin_object()
      .member("policy", current_->id())
      .member("multi_editor", current_->multi_editor())
      .end_object();
  session_.connections().publish(Op::policy_changed, std::move(data));
}

void PolicyDriver::keep_state(const plugin::PolicyOutcome& outcome) {
  if (!outcome.state || *outcome.state == state_) return;
  state_ = *outcome.state;
  std::string text;
  json::Writer(text)
      .begin_object()
      .member("id", current_->id())
      .member("schema", current_->state_schema())
      .member("state", state_)
      .end_object();
  session_.ledger().policy(std::move(text));
}

void PolicyDriver::overstayed() {
  auto ruling = std::exchange(in_flight_, nullptr);
  ruling->policy->generation()->count_failure("a decision took longer than " +
                                              std::to_string(session_.settings().policy_budget_ms) + " ms");
  fault(ruling->policy,
        {504, "policy_timeout", "the policy " + ruling->policy->id() + " did not decide in time",
         "the operator may put another policy in its place", ""},
        "it overstayed its time", Fault::overstayed);
}

// The head gets no effects, so nobody has or loses anything by it; then the last good policy is put back, before
// anything else that waits. Without one the room keeps what it has: a bad policy can deny, and that is all it can do.
void PolicyDriver::fault(const plugin::PolicyPtr& policy, Error error, const std::string& why, Fault kind) {
  session_.counters().policy_faults += 1;
  const bool swapping = queue_.front().swap_to != nullptr;
  const bool replaceable = !swapping && policy == current_ && last_good_ &&
                           last_good_->generation() != current_->generation() &&
                           last_good_->generation()->state() != plugin::GenerationState::quarantined;
  // One that is only tried is refused by whoever wanted it; but a thread that hangs in it never comes back.
  // The generation that decides here goes on whatever new settings make of it.
  const bool other = policy->generation() != current_->generation();
  if (replaceable || (swapping && other && kind == Fault::overstayed)) policy->generation()->quarantine(why);
  settle(fail(std::move(error)));
  if (replaceable) {
    log::warning("policy", current_->id() + " is quarantined; " + last_good_->id() + " is back");
    Entry back;
    back.event.kind = plugin::EventKind::installed;
    back.event.json = current_->id();
    back.reason = "policy_failed";
    back.swap_to = std::exchange(last_good_, nullptr);
    back.settled = [this, bad = current_->id(), policy_back = back.swap_to](const Result<Applied>& result) {
      if (!result) {  // the next fault tries it again
        const bool good = policy_back->generation()->state() != plugin::GenerationState::quarantined;
        if (!last_good_ && current_ != policy_back && good) last_good_ = policy_back;
        return;
      }
      session_.counters().policy_fallbacks += 1;
      std::string data;
      json::Writer(data)
          .begin_object()
          .member("text",
                  "The policy " + bad + " failed and was taken out; " + policy_back->id() + " is back in its place.")
          .end_object();
      for (const auto& [id, member] : session_.room().members()) session_.connections().tell(id, Op::notice, data);
    };
    queue_.push_front(std::move(back));
  }
  pump();
}

void PolicyDriver::settle(Result<Applied> result) {
  auto entry = std::move(queue_.front());
  queue_.pop_front();
  if (!entry.settled) return;
  settling_ = true;  // what it pushes comes after it
  entry.settled(result);
  settling_ = false;
}

void announce(LiveSession& session, const Applied& applied, std::string_view reason) {
  const auto now = clock::now_ms();
  for (const auto& change : applied.rights) {
    auto* client = session.clients().by_number(change.member);
    if (client != nullptr && change.revoked != 0) {
      Clients::remember_grant(*client, change.revoked, now);
      session.ledger().client(*client);
      session.takeovers().lost_the_pen(change.member);
    }
    if (change.granted != 0) {
      session.counters().takeovers += 1;
      if (client != nullptr && !std::exchange(client->held, true)) session.ledger().client(*client);
    }
    const auto* member = session.room().find(change.member);
    std::string data;
    json::Writer writer(data);
    writer.begin_object().member_raw("consumer_capabilities", capabilities_json(member->caps));
    if (member->grant != 0) writer.member("epoch", member->grant);
    writer.member("reason", change.revoked != 0 && reason == "takeover" ? std::string_view("taken_over") : reason);
    writer.end_object();
    session.connections().tell(change.member, Op::consumer_capabilities, std::move(data));
    if ((change.caps_before & cap_interact) == 0 && (member->caps & cap_interact) != 0) {
      for (auto& input : session.running().open_inputs()) {
        session.connections().tell(change.member, Op::input_request, std::move(input));
      }
    }
  }
  for (const auto& resolution : applied.resolutions) session.takeovers().resolved(resolution);
  for (const auto& ask : applied.asks) session.takeovers().asked(ask);
  for (const auto& notice : applied.notices) {
    std::string data;
    json::Writer(data).begin_object().member("text", notice.text).end_object();
    if (notice.target != 0) {
      session.connections().tell(notice.target, Op::notice, std::move(data));
      continue;
    }
    for (const auto& [id, member] : session.room().members()) session.connections().tell(id, Op::notice, data);
  }
  if (!applied.rights.empty() || applied.shown_changed) session.connections().room_changed();
  session.attendance().arm_clock();
}

}  // namespace lectern::session
