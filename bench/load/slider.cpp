// A slider that somebody drags: every watcher sees it move, and nothing piles up.
#include <algorithm>
#include <cstdlib>

#include "load/crowd.hpp"
#include "load/host.hpp"
#include "load/scenarios.hpp"
#include "load/socket.hpp"
#include "load/usage.hpp"

namespace load {
namespace {

constexpr std::size_t watchers = 10;

/// What the watchers have seen. A value that was overtaken by a later one counts as seen with it.
class Seen {
 public:
  explicit Seen(std::size_t moves) : sent_(moves + 1), last_(watchers), updates_(watchers) {}

  void sent(std::size_t value) { sent_[value] = now_us(); }
  void take(std::size_t who, const Message& message) {
    if (message.bytes.find("\"model-lifecycle\"") == std::string::npos) return;
    const auto at = message.bytes.find("\"value\":");
    if (at == std::string::npos) return;
    ++updates_[who];
    last_[who] = std::max<std::size_t>(last_[who], std::strtoull(message.bytes.c_str() + at + 8, nullptr, 10));
    const auto everybody = *std::min_element(last_.begin(), last_.end());
    for (const auto now = now_us(); done_ < everybody;) samples.add(now - sent_[++done_]);
  }
  [[nodiscard]] std::size_t everybody_has() const { return done_; }
  [[nodiscard]] std::size_t fewest_updates() const { return *std::min_element(updates_.begin(), updates_.end()); }

  Samples samples;

 private:
  std::vector<std::int64_t> sent_;
  std::vector<std::size_t> last_, updates_;
  std::size_t done_ = 0;
};

std::string move_to(std::size_t value) {
  return R"({"model_id":"slider","message":{"method":"update","state":{"value":)" + std::to_string(value) +
         R"(},"buffer_paths":[]}})";
}

}  // namespace

void slider(const Options& options, Report& report) {
  const std::size_t moves = options.brief ? 180 : 1200;
  Host host(options.binary, {"--autosave-at-most-ms", "0"});
  add_stub_kernel(host);
  host.write("n.ipynb", notebook("model", 1, "[]", "stub"));
  const auto session = host.open("n.ipynb");
  Socket dragger(host, session);
  std::vector<Socket> sockets;
  sockets.reserve(watchers);
  for (std::size_t i = 0; i < watchers; ++i) sockets.emplace_back(host, session);
  dragger.send_text(command("open", "execute", R"({"cell_ids":["c0"]})", dragger.epoch()));
  dragger.until("\"status\":\"idle\"");
  Crowd crowd(sockets);
  crowd.until_quiet(500);
  Seen seen(moves);
  const auto take = [&](std::size_t who, const Message& message) { seen.take(who, message); };
  const auto cpu = cpu_ms(host.pid());
  const auto begin = now_us();
  for (std::size_t value = 1; value <= moves; ++value) {
    const auto due = begin + static_cast<std::int64_t>(value) * 1'000'000 / 60;
    while (now_us() < due) crowd.read(due, take);
    seen.sent(value);
    dragger.send_text(command("m" + std::to_string(value), "model", move_to(value)));
  }
  const auto ended = now_us();
  const auto percent = (cpu_ms(host.pid()) - cpu) / static_cast<double>(ended - begin) * 1e5;
  while (seen.everybody_has() < moves && now_us() < ended + 5'000'000) crowd.read(ended + 5'000'000, take);
  const auto rest_ms = static_cast<double>(now_us() - ended) / 1000;
  dragger.until("\"m" + std::to_string(moves) + "\"");
  dragger.send_text(command("count", "execute", R"({"code":"moved"})", dragger.epoch()));
  const auto said = dragger.until("moved ").bytes;
  const auto taken = std::strtoull(said.c_str() + said.find("moved ") + 6, nullptr, 10);

  report.add("slider: 60 moves a second, to the last of 10 watchers", seen.samples, {{"p99", 15}});
  report.add("slider: after the last move, until all have it", "ms", rest_ms, {{"value", 15}});
  report.add("slider: moves not seen by everybody, of " + std::to_string(moves), "moves",
             static_cast<double>(moves - seen.everybody_has()), {{"value", 1}});
  report.add("slider: moves the kernel did not get", "moves", static_cast<double>(moves - taken), {{"value", 1}});
  report.add("slider: updates of the watcher that got fewest", "updates", static_cast<double>(seen.fewest_updates()));
  report.add("slider: CPU of the host", "% of a core", percent);
}

}  // namespace load
