// Thirty typists in one room, here and in a room of Hocuspocus.
#include <poll.h>

#include "load/fanout_floor.hpp"
#include "load/host.hpp"
#include "load/peer.hpp"
#include "load/scenarios.hpp"
#include "load/socket.hpp"
#include "load/typing_room.hpp"
#include "load/typist.hpp"
#include "load/yjs.hpp"

namespace load {
namespace {

constexpr int people = 30;
constexpr double per_second = 6;

void tell(Report& report, const std::string& who, const Typed& typed, std::vector<Aim> times, std::vector<Aim> cpu) {
  report.add(who + ": 30 typists, 6 characters a second each, to the last of 29", typed.to_the_last, std::move(times));
  report.add(who + ": CPU of the server's process", "% of a core", typed.cpu_percent, std::move(cpu));
  report.add(who + ": strokes that did not reach everybody, of " + std::to_string(typed.strokes), "strokes",
             static_cast<double>(typed.missing), {{"value", 1}});
}

/// The same socket writes and the same fdatasync for each stroke, by one thread and nothing else.
void floor_of_typing(const std::string& folder, int seconds, Report& report) {
  FanoutFloor floor(folder, people - 1);
  floor.once();
  Samples samples;
  const auto before = floor.cpu_ms();
  const auto begin = now_us();
  const auto strokes = static_cast<int>(seconds * people * per_second);
  for (int i = 0; i < strokes; ++i) {
    const auto left = begin + static_cast<std::int64_t>(i * 1e6 / (people * per_second)) - now_us();
    const timespec wait{0, left * 1000};
    if (left > 0) ::ppoll(nullptr, 0, &wait, nullptr);
    samples.add(floor.once());
  }
  const auto cpu = (floor.cpu_ms() - before) / static_cast<double>(now_us() - begin) * 1e5;
  report.add("floor: the same strokes, fdatasync and 29 socket writes each, one thread", samples);
  report.add("floor: CPU of that thread", "% of a core", cpu);
}

Typed type_here(const Options& options, int seconds, Report& report) {
  Host host(options.binary, {"--autosave-at-most-ms", "0", "--policy", "collaborative"});
  host.write("n.ipynb", notebook("", people));
  const auto session = host.open("n.ipynb");
  floor_of_typing(host.folder(), seconds, report);
  std::vector<Socket> sockets;
  std::vector<Typist> typists;
  std::vector<std::uint64_t> typed(people);
  sockets.reserve(people);
  TypingRoom room;
  for (int i = 0; i < people; ++i) {
    sockets.emplace_back(host, session, "document=changes");
    typists.emplace_back(sockets.back());
    room.people.push_back(&sockets.back());
  }
  room.stroke = [&](std::size_t who) {
    typists[who].splice("c" + std::to_string(who), typed[who]++, 0, "k");
    auto edit = typists[who].submission();
    return TypingRoom::Stroke{std::move(edit.frame), std::move(edit.payload)};
  };
  room.keys_of = [](const Message& message, const TypingRoom::Tell& told) {
    if (message.binary && message.bytes[0] == 3) told(payload_of(message));
  };
  room.pid = host.pid();
  return type_together(room, per_second, seconds);
}

Typed type_at_hocuspocus(const Options& options, int seconds) {
  const Peer peer(options.peers + "/hocuspocus.sh", {});
  std::vector<WebSocket> sockets;
  std::vector<std::uint64_t> typed(people);
  sockets.reserve(people);
  TypingRoom room;
  for (int i = 0; i < people; ++i) {
    auto& socket = sockets.emplace_back(peer.port(), "/", std::vector<std::string>{});
    socket.send_binary(yjs::auth());
    socket.receive();  // authenticated
    socket.send_binary(yjs::ask_for_all());
    room.people.push_back(&socket);
  }
  room.stroke = [&](std::size_t who) {
    const auto client = 1000 + who, clock = typed[who]++;
    return TypingRoom::Stroke{yjs::typed(client, clock), yjs::key(client, clock)};
  };
  room.keys_of = [](const Message& message, const TypingRoom::Tell& told) {
    if (message.binary) yjs::keys_of(message.bytes, told);
  };
  room.pid = peer.pid();
  return type_together(room, per_second, seconds);
}

}  // namespace

void typists(const Options& options, Report& report) {
  const int seconds = options.brief ? 5 : 30;
  const auto here = type_here(options, seconds, report);
  tell(report, "lectern, fsynced", here, {{"p50", 1}, {"p99", 10}}, {{"value", 5}});
  tell(report, "peer: hocuspocus, nothing kept", type_at_hocuspocus(options, seconds), {}, {});
}

}  // namespace load
