// From what the stores list to the rows of the page: 10,000 sessions, of 200 hosts with 50 each or of 10,000 with one.
// The floor is a copy of the rows.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "presence/roster.hpp"

namespace {

using namespace lectern::presence;

constexpr std::int64_t lag_ms = 15'000;
constexpr Now at{1'000'000, 1'800'000'000'000};

std::vector<FoundRecord> records_of(std::int64_t hosts, std::int64_t sessions, std::uint64_t seq) {
  std::vector<FoundRecord> found;
  for (std::int64_t host = 0; host < hosts; ++host) {
    Record record;
    record.device_id = "0123456789abcdef0123456789" + std::to_string(100'000 + host);
    record.device_name = "Laptop " + std::to_string(host);
    record.instance_id = "fedcba9876543210fedcba98765432ab";
    record.seq = seq;
    record.ttl_ms = 120'000;
    record.written_at_ms = at.wall_ms;
    record.endpoints = {{"wss", "10.0.0.7:8899", "lan", {"pairing"}, 1}};
    for (std::int64_t i = 0; i < sessions; ++i) {
      record.sessions.push_back({"session-" + std::to_string(host) + "-of-a-usual-length-" + std::to_string(i),
                                 {"notebook-" + std::to_string(host * 1'000 + i)},
                                 "Analysis " + std::to_string(i) + ".ipynb",
                                 "busy",
                                 false,
                                 at.wall_ms - i - static_cast<std::int64_t>(seq) * 20'000});
    }
    found.push_back({"place of " + record.device_id, write_record(record)});
  }
  return found;
}

/// What the host does every two seconds when nothing has changed.
void look_at_the_same(benchmark::State& state) {
  const auto found = records_of(state.range(0), state.range(1), 1);
  Roster roster({"me", "my-machine"});
  roster.observe("folder", found, lag_ms, at);
  roster.refresh(at);
  for (auto _ : state) {
    roster.observe("folder", found, lag_ms, at);
    benchmark::DoNotOptimize(roster.refresh(at));
  }
  state.counters["rows"] = static_cast<double>(roster.rows().size());
}
BENCHMARK(look_at_the_same)->Args({200, 50})->Args({10'000, 1})->Unit(benchmark::kMillisecond);

/// One host has beaten and one of its sessions was used: what a look costs when there is something to see.
void one_has_changed(benchmark::State& state) {
  auto found = records_of(state.range(0), state.range(1), 1);
  Roster roster({"me", "my-machine"});
  roster.observe("folder", found, lag_ms, at);
  roster.refresh(at);
  std::vector<FoundRecord> next;
  for (std::uint64_t seq = 2; seq < 2'002; ++seq) next.push_back(records_of(1, state.range(1), seq).front());
  std::size_t turn = 0;
  std::uint64_t seen = 0;
  for (auto _ : state) {
    found.front() = next[turn++ % next.size()];
    roster.observe("folder", found, lag_ms, at);
    seen += roster.refresh(at) ? 1 : 0;
  }
  state.counters["seen"] = static_cast<double>(seen);
  state.counters["rows"] = static_cast<double>(roster.rows().size());
}
BENCHMARK(one_has_changed)->Args({200, 50})->Args({10'000, 1})->Iterations(500)->Unit(benchmark::kMillisecond);

/// The rows again from the records, each of which has changed.
void all_rows_anew(benchmark::State& state) {
  const auto found = records_of(state.range(0), state.range(1), 1);
  for (auto _ : state) {
    state.PauseTiming();
    Roster roster({"me", "my-machine"});
    roster.observe("folder", found, lag_ms, at);
    state.ResumeTiming();
    benchmark::DoNotOptimize(roster.refresh(at));
    state.PauseTiming();
    { const Roster gone = std::move(roster); }
    state.ResumeTiming();
  }
}
BENCHMARK(all_rows_anew)->Args({200, 50})->Args({10'000, 1})->Unit(benchmark::kMillisecond);

void copy_of_the_rows(benchmark::State& state) {
  Roster roster({"me", "my-machine"});
  roster.observe("folder", records_of(200, 50, 1), lag_ms, at);
  roster.refresh(at);
  for (auto _ : state) benchmark::DoNotOptimize(std::vector<RemoteSession>(roster.rows()));
}
BENCHMARK(copy_of_the_rows)->Unit(benchmark::kMillisecond);

void find_one(benchmark::State& state) {
  Roster roster({"me", "my-machine"});
  roster.observe("folder", records_of(state.range(0), 50, 1), lag_ms, at);
  roster.refresh(at);
  const auto id = roster.rows().front().session_id;
  for (auto _ : state) benchmark::DoNotOptimize(roster.find(id));
}
BENCHMARK(find_one)->Arg(1)->Arg(200)->Arg(2'000);

}  // namespace
