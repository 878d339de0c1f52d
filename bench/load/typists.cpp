// Thirty typists in one room, here and in a room of Hocuspocus.
#include <poll.h>

#include "load/fanout_floor.hpp"
#include "load/host.hpp"
#include "load/peer.hpp"
#include "load/scenarios.hpp"
#include "load/socket.hpp"
#include "load/typing_room.hpp"
#include "load/typist.hpp"

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
  room.key_of = [](const Message& message) {
    return message.binary && message.bytes[0] == 3 ? payload_of(message) : std::string_view();
  };
  room.pid = host.pid();
  return type_together(room, per_second, seconds);
}

// Yjs' update format, version 1, and the messages of Hocuspocus around it, as far as typing needs them.
namespace yjs {

void number(std::string& out, std::uint64_t value) {
  for (; value > 0x7F; value >>= 7) out += static_cast<char>(0x80 | (value & 0x7F));
  out += static_cast<char>(value);
}

void text(std::string& out, std::string_view value) {
  number(out, value.size());
  out += value;
}

std::uint64_t read_number(std::string_view& in) {
  std::uint64_t value = 0;
  for (int shift = 0; !in.empty() && shift < 63; shift += 7) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

constexpr std::string_view document = "room";
constexpr int sync_message = 0, auth_message = 2;  // of Hocuspocus
constexpr int step_one = 0, update_step = 2;       // of y-protocols/sync
constexpr int token_follows = 0;

std::string auth() {
  std::string out;
  text(out, document);
  number(out, auth_message);
  number(out, token_follows);
  text(out, "token");
  return out;
}

std::string ask_for_all() {
  std::string out;
  text(out, document);
  number(out, sync_message);
  number(out, step_one);
  text(out, std::string_view("\0", 1));  // a state vector of nobody
  return out;
}

/// One character after the author's last one, or the first one of a text of its own.
std::string update(std::uint64_t client, std::uint64_t clock) {
  constexpr int content_string = 4, has_origin = 0x80;
  std::string out;
  number(out, 1);  // clients
  number(out, 1);  // structs
  number(out, client);
  number(out, clock);
  out += static_cast<char>(content_string | (clock > 0 ? has_origin : 0));
  if (clock > 0) {
    number(out, client);
    number(out, clock - 1);
  } else {
    number(out, 1);  // the parent is a root type, named
    text(out, "c" + std::to_string(client));
  }
  text(out, "k");
  number(out, 0);  // deletions
  return out;
}

std::string update_message(std::string_view bytes) {
  std::string out;
  text(out, document);
  number(out, sync_message);
  number(out, update_step);
  text(out, bytes);
  return out;
}

std::string_view update_of(std::string_view message) {
  const auto name = read_number(message);
  if (name > message.size()) return {};
  message.remove_prefix(name);
  if (read_number(message) != sync_message || read_number(message) != update_step) return {};
  return read_number(message) == message.size() ? message : std::string_view();
}

}  // namespace yjs

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
    auto update = yjs::update(1000 + who, typed[who]++);
    return TypingRoom::Stroke{yjs::update_message(update), std::move(update)};
  };
  room.key_of = [](const Message& message) {
    return message.binary ? yjs::update_of(message.bytes) : std::string_view();
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
