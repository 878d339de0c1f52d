// One edit to a thousand viewers behind another host: over one connection of that host, beside a connection of each.
#include "relay/frames.hpp"

#include <poll.h>

#include <algorithm>
#include <numeric>

#include "load/crowd.hpp"
#include "load/host.hpp"
#include "load/scenarios.hpp"
#include "load/socket.hpp"
#include "load/websocket.hpp"

namespace load {
namespace {

namespace wire = lectern::relay;

/// The other host's end of a relay.
class Relay : public WebSocket {
 public:
  Relay(const Host& host, const std::string& session, Company& company)
      : WebSocket(
            host.port(), "/api/v1/sessions/" + session + "/relay",
            {"Authorization: Bearer " + host.token(), "Sec-WebSocket-Protocol: " + std::string(wire::subprotocol)},
            &company) {}

  /// Opens one more channel and waits until it has its replay.
  void join() {
    wire::Header open;
    open.op = wire::Op::open;
    open.channels = {++last_};
    open.query_json = R"({"document":"events"})";
    const auto bytes = wire::encode(open, wire::From::viewers);
    if (!bytes) give_up(bytes.error().message);
    send_binary(*bytes);
    until_each(1, "\"replay-complete\"");
  }
  /// Reads until a frame with `needle` has come for so many channels.
  void until_each(std::size_t channels, std::string_view needle) {
    for (std::size_t got = 0; got < channels;) {
      const auto message = receive();
      if (message.bytes.find(needle) == std::string::npos) continue;
      const auto read = wire::decode(message.bytes, wire::From::session);
      if (!read) give_up(read.error().message);
      got += read->header.channels.size();
    }
  }

 private:
  wire::Channel last_ = 0;
};

/// A host with one who edits.
struct Room {
  explicit Room(const Options& options) : host(options.binary, {"--autosave-at-most-ms", "0"}) {
    host.write("n.ipynb", notebook("1"));
    session = host.open("n.ipynb");
  }
  /// Sends one edit; `arrived` is given its mark and when it was sent, and waits until it has come to all.
  /// Microseconds.
  template <class Arrived>
  std::int64_t edit(Socket& editor, int number, Arrived arrived) {
    const auto id = "f" + std::to_string(number);
    const auto mark = "mark-" + std::to_string(number) + "!";
    const auto from = now_us();
    editor.send_text(command(id, "transaction",
                             R"({"changes":[{"type":"set_source","cell_id":"c0","source":")" + mark + "\"}]}",
                             editor.epoch()));
    arrived(mark, from);
    const auto took = now_us() - from;
    editor.until("\"" + id + "\"");
    return took;
  }
  Host host;
  std::string session;
};

/// Waits until `here` knows of the session and attaches it; returns how long attaching took, microseconds.
std::int64_t attach(Host& here, const std::string& session) {
  for (int tries = 0; tries < 600; ++tries) {
    const auto known = here.request("GET", "/api/v1/presence");
    const auto* rows = known.find("sessions")->as_array();
    const bool listed = std::any_of(rows->begin(), rows->end(),
                                    [&](const auto& row) { return *row.find("session_id")->as_string() == session; });
    if (listed) {
      const auto from = now_us();
      here.request("POST", "/api/v1/remote/" + session + "/attach", "{}");
      return now_us() - from;
    }
    ::poll(nullptr, 0, 50);
  }
  give_up("the other host does not see the session");
}

std::uint64_t received_by(const std::vector<Socket>& sockets) {
  return std::accumulate(sockets.begin(), sockets.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const Socket& one) { return sum + one.received(); });
}

double kilobytes_each(std::uint64_t bytes, int rounds) {
  return static_cast<double>(bytes) / 1000.0 / rounds;
}

}  // namespace

void relay(const Options& options, Report& report) {
  const int viewers = options.brief ? 100 : 1000;
  const int rounds = options.brief ? 30 : 200;
  Room near(options), far(options);
  Host here(options.binary, {}, &far.host);  // where the viewers of `far` are
  Samples attaching;
  for (int i = 0; i < (options.brief ? 3 : 20); ++i) {
    attaching.add(attach(here, far.session));
    here.request("DELETE", "/api/v1/sessions/" + far.session);
  }
  attach(here, far.session);
  Socket near_editor(near.host, near.session), far_editor(far.host, far.session);
  std::vector<Socket> direct, relayed;
  direct.reserve(static_cast<std::size_t>(viewers));
  relayed.reserve(static_cast<std::size_t>(viewers));
  // Everybody who joins is told to everybody: those who are there read on, and answer pings, while one more comes.
  Crowd everybody({&near_editor, &far_editor});
  const std::string events = "document=events";
  for (int i = 0; i < viewers; ++i) {
    everybody.add(direct.emplace_back(near.host, near.session, events, &everybody));
    everybody.add(relayed.emplace_back(here, far.session, events, &everybody));
  }
  Room bare(options);  // the same connection, and nobody behind it
  Socket bare_editor(bare.host, bare.session);
  everybody.add(bare_editor);
  Relay upstream(bare.host, bare.session, everybody);
  for (int i = 0; i < viewers; ++i) upstream.join();
  everybody.add(upstream);
  upstream.wait_alone();
  everybody.until_quiet(1500);
  Crowd of_near(direct), of_here(relayed);
  Samples one_each, one_hop, shared, seen_near, seen_here;
  std::uint64_t direct_bytes = 0, shared_bytes = 0;
  for (int i = 0; i < rounds; ++i) {
    const auto direct_before = received_by(direct), shared_before = upstream.received();
    one_each.add(near.edit(near_editor, i, [&](const std::string& mark, std::int64_t from) {
      of_near.until(mark, [&](std::int64_t at) { seen_near.add(at - from); });
    }));
    shared.add(bare.edit(bare_editor, i, [&](const std::string& mark, std::int64_t) {
      upstream.until_each(static_cast<std::size_t>(viewers), mark);
    }));
    one_hop.add(far.edit(far_editor, i, [&](const std::string& mark, std::int64_t from) {
      of_here.until(mark, [&](std::int64_t at) { seen_here.add(at - from); });
    }));
    direct_bytes += received_by(direct) - direct_before;
    shared_bytes += upstream.received() - shared_before;
  }
  const auto count = std::to_string(viewers);
  report.add("relay: attaching a session of another host on loopback", attaching, {{"max", 300}});
  report.add("relay: an edit, fsynced, to the last of " + count + ", a connection each", one_each);
  report.add("relay: the same to the other host of " + count + " viewers, on its one connection", shared);
  report.add("relay: the same to the last of " + count + " at the other host", one_hop);
  report.add("relay: an edit at each of " + count + ", a connection each", seen_near);
  report.add("relay: the same at each of " + count + " at the other host", seen_here);
  report.add("relay: an edit in bytes for " + count + ", a connection each", "kB",
             kilobytes_each(direct_bytes, rounds));
  report.add("relay: the same on the one connection for " + count, "kB", kilobytes_each(shared_bytes, rounds));
  report.add("relay: resident with " + count + " connections", "MB", near.host.resident_mb());
  report.add("relay: resident with one connection for " + count, "MB", far.host.resident_mb());
  report.add("relay: resident of the host that has these " + count, "MB", here.resident_mb());
}

}  // namespace load
