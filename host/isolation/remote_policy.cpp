// Policies through the proxy.
#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "isolation/remote.hpp"
#include "isolation/seats.hpp"

namespace lectern::isolation {

namespace {

// Past the 50 ms of a decision the referee has long given up; what matters here is that a busy machine kills nobody.
constexpr Deadline to_reduce{250, 2000};
constexpr std::ptrdiff_t most_own = 16;

lectern_status replay_effects(std::string_view records, const lectern_policy_out& out) {
  Unpacker from(records);
  lectern_status status = LECTERN_OK;
  while (from.ok() && !from.empty() && status == LECTERN_OK) {
    const auto kind = from.number<Record>();
    if (kind == Record::state) {
      const auto state = from.abi_text();
      if (from.ok()) status = out.state(out.ctx, state);
      continue;
    }
    if (kind != Record::effect) return LECTERN_INTERNAL;
    const bool there = from.number<std::uint8_t>() != 0;
    lectern_effect effect{};
    effect.struct_size = from.number<std::uint32_t>();
    effect.kind = from.number<std::uint32_t>();
    effect.caps = from.number<std::uint32_t>();
    effect.verdict = from.number<std::uint32_t>();
    effect.target = from.number<std::uint64_t>();
    effect.request = from.number<std::uint64_t>();
    effect.timer = from.number<std::uint64_t>();
    effect.at_ms = from.number<std::int64_t>();
    effect.text = from.abi_text();
    if (from.ok()) status = out.effect(out.ctx, there ? &effect : nullptr);
  }
  return from.ok() ? status : lectern_status{LECTERN_INTERNAL};
}

void pack_room(Packer& to, const lectern_room& room, KnownMembers& known) {
  for (const std::uint64_t value : {room.version, room.epoch, room.holder}) to.number(value);
  to.number(room.now_ms);
  to.number(room.since_ms);
  pack_members(to, room, known);
  to.number(room.n_requests);
  for (std::uint32_t i = 0; i < room.n_requests; ++i) {
    const lectern_request& r = room.requests[i];
    for (const std::uint64_t value : {r.id, r.from, r.asked, r.if_epoch}) to.number(value);
    to.number(r.at_ms);
    to.number(r.deadline_ms);
    to.text(r.reason);
  }
}

void pack_event(Packer& to, const lectern_event& event) {
  to.number(event.kind);
  to.number(event.value);
  for (const std::uint64_t value : {event.seq, event.who, event.target, event.request, event.timer}) to.number(value);
  to.text(event.verb);
  to.text(event.json);
}

}  // namespace

/// A process in which settings are tried, and none that decides: another is started while all are at it.
Remote::Turn Remote::trial_turn() {
  const std::scoped_lock lock(mutex_);
  for (const auto& seat : seats_) {
    if (!seat->trial || seat->busy) continue;
    seat->busy = true;
    seat->used_ms = clock::now_ms();
    return {*this, seat};
  }
  auto seat = seats_.emplace_back(new_seat(launch_));
  seat->trial = seat->busy = true;
  seat->used_ms = clock::now_ms();
  return {*this, std::move(seat)};
}

// Settings that take long to be taken must not hold up decisions, so they are taken where nothing is decided. Quick
// ones are then taken once more in the process of all; a slow object stays in the one it has now, which is its own.
lectern_status Remote::create(std::string_view config, std::uint64_t& object, lectern_error& error) {
  std::uint64_t number = 0;
  {
    const std::scoped_lock lock(mutex_);
    number = next_object_++;
  }
  {
    const Turn turn = trial_turn();
    if (const auto awake = turn->wake(0); !awake) return blame(awake.error(), error);
    const auto before = clock::now_ms();
    if (const auto status = turn->make(number, config, error); status != LECTERN_OK) return status;
    const bool slow = clock::now_ms() - before > launch_.limits.quick_settings_ms;
    std::unique_lock lock(mutex_);
    const auto own = std::count_if(seats_.begin(), seats_.end(), [](const auto& seat) { return seat->object != 0; });
    if (slow && own < most_own) {
      turn.seat().trial = false;
      turn.seat().object = number;
      object = number;
      return LECTERN_OK;
    }
    lock.unlock();
    turn->let_go(number, Op::policy_destroy);
  }
  const Turn turn = any_turn();
  clear_up(*turn);
  if (const auto awake = turn->wake(0); !awake) return blame(awake.error(), error);
  const auto status = turn->make(number, config, error);
  if (status == LECTERN_OK) object = number;
  return status;
}

void Remote::destroy(std::uint64_t object) {
  const std::scoped_lock lock(mutex_);
  for (const auto& seat : seats_) {
    if (seat->object == object) {
      seat->unwanted = true;  // its process ends at the next beat, or with this
      return;
    }
  }
  unwanted_.push_back(object);
}

lectern_status Remote::reduce(std::uint64_t object, lectern_str state, const lectern_room& room,
                              const lectern_event& event, const lectern_policy_out& out) {
  Turn own = turn_of(object);
  const Turn turn = own ? std::move(own) : any_turn();
  if (turn.seat().object == 0) clear_up(*turn);
  if (const auto awake = turn->wake(0); !awake) return blame(awake.error(), *out.error);
  Object* const known = turn->object(object);
  if (known == nullptr || !known->refusal.empty()) {
    const std::string why = known == nullptr ? "it was let go of" : known->refusal;
    return blame({500, "plugin_died", why, "This is a fault of the plugin " + launch_.id + ".", {}}, *out.error);
  }
  Packer to = request(Op::policy_reduce);
  to.number(object);
  to.text(state);
  pack_event(to, event);
  pack_room(to, room, known->members);
  lectern_status said = LECTERN_OK;
  const auto replay = [&](std::string_view records) {
    if (said == LECTERN_OK) said = replay_effects(records, out);
    return said;
  };
  const auto done = turn->call(to.bytes(), {}, to_reduce, most_small, replay);
  if (done) return ended(*done, *out.error, replay);
  turn->put_to_sleep();  // it may not have heard what became of the room
  return blame(done.error(), *out.error);
}

}  // namespace lectern::isolation
