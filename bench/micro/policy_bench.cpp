// From a policy event to its effects, through the shared object and the adapter that checks them, whose floor is the
// same room copied without asking anybody; and from the event to the room that they were applied to, as a session does
// it.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <vector>

#include "base/clock.hpp"
#include "base/loop.hpp"
#include "plugin/policy.hpp"
#include "plugin/registry.hpp"
#include "session/effects.hpp"
#include "session/referee.hpp"

namespace {

using namespace lectern;

plugin::RoomSnapshot room_of(int members) {
  plugin::RoomSnapshot room;
  room.version = 1;
  room.epoch = 1;
  room.holder = 1;
  room.now_ms = 1000;
  for (int i = 1; i <= members; ++i) {
    plugin::Member member;
    member.id = static_cast<std::uint64_t>(i);
    member.caps = i == 1 ? 3 : 2;
    member.grant = i == 1 ? 1 : 0;
    member.label = "tab " + std::to_string(i);
    room.members.push_back(member);
  }
  plugin::Request request;
  request.id = 9;
  request.from = 2;
  room.requests.push_back(request);
  return room;
}

enum class Where { in_process, own_process };

plugin::RegistryOptions registry_of(const char* id, Where where) {
  const auto staging = std::filesystem::temp_directory_path() / "lectern-bench-plugins";
  plugin::RegistryOptions options{{LECTERN_BENCH_PLUGINS}, staging};
  if (where == Where::own_process) options.isolate = {id};
  options.plugin_host = isolation::plugin_host_program();
  return options;
}

void takeover_decision(benchmark::State& state, const char* id, Where where) {
  plugin::Registry registry(registry_of(id, where));
  auto generation = registry.load(plugin::Kind::policy, id);
  if (!generation) return state.SkipWithError(generation.error().message.c_str());
  auto policy = plugin::Policy::create(*generation, "{}");
  if (!policy) return state.SkipWithError(policy.error().message.c_str());
  const auto room = room_of(static_cast<int>(state.range(0)));
  plugin::PolicyEvent event;
  event.kind = plugin::EventKind::requested;
  event.who = 2;
  event.request = 9;
  for (auto _ : state) {
    auto outcome = (*policy)->reduce("", room, event);
    if (!outcome) return state.SkipWithError(outcome.error().message.c_str());
    benchmark::DoNotOptimize(outcome->effects.data());
  }
}
BENCHMARK_CAPTURE(takeover_decision, local_takeover, "local-takeover", Where::in_process)->Arg(2)->Arg(100)->Arg(1000);
BENCHMARK_CAPTURE(takeover_decision, collaborative, "collaborative", Where::in_process)->Arg(100);
BENCHMARK_CAPTURE(takeover_decision, local_takeover_own_process, "local-takeover", Where::own_process)
    ->Arg(2)
    ->Arg(100)
    ->Arg(1000)
    ->UseRealTime();

/// A room on a reactor in which the pen goes to and fro. A decision is what session/policy_driver.cpp makes of it: the
/// request and a snapshot on the reactor, the policy on the referee's thread, the effects checked and applied on the
/// reactor. Left out: telling people, the ledger.
class PenRoom {
 public:
  PenRoom(plugin::PolicyPtr policy, int members) : policy_(std::move(policy)) {
    for (auto& one : room_of(members).members) {
      session::Member member;
      static_cast<plugin::Member&>(member) = one;
      member.grant = 0;
      member.caps = session::cap_interact;
      member.scope = session::cap_edit | session::cap_interact;
      member.client_id = "c" + std::to_string(one.id);
      room_.add(std::move(member));
    }
    room_.grant(*room_.find(1), *epochs_.next(), clock::now_ms());
  }
  /// Nanoseconds, or less than 0.
  std::int64_t decide() {
    std::promise<std::int64_t> took;
    took_ = &took;
    loop_.post([this] { begin(); });
    return took.get_future().get();
  }

 private:
  void begin() {
    started_ = std::chrono::steady_clock::now();
    session::OpenRequest request;
    request.from = room_.editor()->id == 1 ? 2 : 1;
    request.at_ms = clock::now_ms();
    request.deadline_ms = request.at_ms + 30'000;
    request_ = room_.open_request(std::move(request)).id;
    ruling_ = std::make_shared<session::Ruling>();
    ruling_->policy = policy_;
    ruling_->room = room_.snapshot(clock::now_ms());
    ruling_->event.kind = plugin::EventKind::requested;
    ruling_->event.who = room_.request(request_)->from;
    ruling_->event.request = request_;
    ruling_->loop = &loop_;
    ruling_->done = [this] { decided(); };
    referee_.submit(ruling_);
  }
  void decided() {
    bool good = ruling_->outcome && ruling_->room.version == room_.version();
    good = good && session::apply_effects(room_, epochs_, ruling_->outcome->effects, {false, clock::now_ms()});
    const auto ended = std::chrono::steady_clock::now();
    good = good && room_.editor()->id == room_.request(request_)->from;
    (void)room_.close_request(request_);
    took_->set_value(good ? std::chrono::duration_cast<std::chrono::nanoseconds>(ended - started_).count() : -1);
  }

  plugin::PolicyPtr policy_;
  session::Room room_;
  session::Epochs epochs_{0, 1ull << 40, 1ull << 20, [](std::uint64_t) {}};
  session::RulingPtr ruling_;
  std::uint64_t request_ = 0;
  std::chrono::steady_clock::time_point started_;
  std::promise<std::int64_t>* took_ = nullptr;
  Loop loop_{"bench"};
  session::Referee referee_;  // ends before the loop it posts to
};

void event_to_applied(benchmark::State& state, const char* id, Where where) {
  plugin::Registry registry(registry_of(id, where));
  auto generation = registry.load(plugin::Kind::policy, id);
  if (!generation) return state.SkipWithError(generation.error().message.c_str());
  auto policy = plugin::Policy::create(*generation, "{}");
  if (!policy) return state.SkipWithError(policy.error().message.c_str());
  PenRoom room(*policy, static_cast<int>(state.range(0)));
  std::vector<double> us;
  for (auto _ : state) {
    const auto took = room.decide();
    if (took < 0) return state.SkipWithError("the pen did not go to who asked");
    us.push_back(static_cast<double>(took) / 1000);
    state.SetIterationTime(static_cast<double>(took) / 1e9);
  }
  std::sort(us.begin(), us.end());
  state.counters["p50_us"] = us[us.size() / 2];
  state.counters["p99_us"] = us[us.size() * 99 / 100];
}
BENCHMARK_CAPTURE(event_to_applied, local_takeover, "local-takeover", Where::in_process)
    ->Arg(2)
    ->Arg(30)
    ->Arg(1000)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(event_to_applied, local_takeover_own_process, "local-takeover", Where::own_process)
    ->Arg(2)
    ->Arg(30)
    ->Arg(1000)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

void room_snapshot_floor(benchmark::State& state) {
  const auto room = room_of(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    auto copy = room;
    benchmark::DoNotOptimize(copy.members.data());
  }
}
BENCHMARK(room_snapshot_floor)->Arg(2)->Arg(100)->Arg(1000);

}  // namespace
