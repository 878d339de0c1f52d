// From a policy event to its effects, through the shared object and the adapter that checks them; the floor is the same
// room copied without asking anybody.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "plugin/policy.hpp"
#include "plugin/registry.hpp"

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

void takeover_decision(benchmark::State& state, const char* id, Where where) {
  const auto staging = std::filesystem::temp_directory_path() / "lectern-bench-plugins";
  plugin::RegistryOptions options{{LECTERN_BENCH_PLUGINS}, staging};
  if (where == Where::own_process) options.isolate = {id};
  options.plugin_host = isolation::plugin_host_program();
  plugin::Registry registry(std::move(options));
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

void room_snapshot_floor(benchmark::State& state) {
  const auto room = room_of(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    auto copy = room;
    benchmark::DoNotOptimize(copy.members.data());
  }
}
BENCHMARK(room_snapshot_floor)->Arg(2)->Arg(100)->Arg(1000);

}  // namespace
