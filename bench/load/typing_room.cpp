#include "load/typing_room.hpp"

#include <algorithm>
#include <queue>
#include <random>
#include <unordered_map>

#include "load/usage.hpp"

namespace load {
namespace {

constexpr std::int64_t straggling_us = 2'000'000;

struct Pending {
  std::int64_t sent = 0;
  std::size_t waiting = 0, author = 0;
};

}  // namespace

Typed type_together(TypingRoom& room, double per_second, int seconds) {
  Crowd crowd(room.people);
  crowd.until_quiet(500);
  std::mt19937 random(7);
  const auto mean_us = 1e6 / per_second;
  // Between half and one and a half of the mean: fingers are not a metronome, and strokes of several people coincide.
  const auto pause = [&] {
    return static_cast<std::int64_t>(mean_us * (0.5 + static_cast<double>(random() % 1000) / 1000));
  };
  using Due = std::pair<std::int64_t, std::size_t>;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due;
  const auto begin = now_us();
  const auto end = begin + seconds * 1'000'000LL;
  for (std::size_t i = 0; i < room.people.size(); ++i) due.emplace(begin + pause(), i);

  Typed typed;
  std::unordered_map<std::string, Pending> pending;
  // A server tells the author too, or does not; only the others count.
  const auto take = [&](std::size_t who, const Message& message) {
    room.keys_of(message, [&](std::string_view key) {
      const auto it = pending.find(std::string(key));
      if (it == pending.end() || it->second.author == who || --it->second.waiting > 0) return;
      typed.to_the_last.add(now_us() - it->second.sent);
      pending.erase(it);
    });
  };
  const auto before = cpu_ms(room.pid);
  while (due.top().first < end) {
    const auto [at, who] = due.top();
    if (now_us() < at) {
      crowd.read(at, take);
      continue;
    }
    due.pop();
    due.emplace(at + pause(), who);
    auto stroke = room.stroke(who);
    auto& entry = pending[std::move(stroke.key)];
    entry = {now_us(), room.people.size() - 1, who};
    room.people[who]->send_binary(stroke.frame);
    ++typed.strokes;
  }
  typed.cpu_percent = (cpu_ms(room.pid) - before) / static_cast<double>(now_us() - begin) * 1e5;
  for (const auto last = now_us() + straggling_us; !pending.empty() && now_us() < last;) crowd.read(last, take);
  typed.missing = pending.size();
  return typed;
}

}  // namespace load
