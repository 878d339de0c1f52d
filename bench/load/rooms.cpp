// Rooms: how fast what one does reaches the others.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load/crowd.hpp"
#include "load/fanout_floor.hpp"
#include "load/host.hpp"
#include "load/scenarios.hpp"
#include "load/socket.hpp"
#include "load/typist.hpp"

namespace load {
namespace {

Samples fsync_floor(const std::string& folder, int rounds) {
  Samples samples;
  const auto path = folder + "/fsync-floor";
  const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0 || ::posix_fallocate(fd, 0, 1 << 20) != 0 || ::fdatasync(fd) != 0) give_up("cannot write " + path);
  const std::string record(256, 'r');
  for (int i = 0; i < rounds; ++i) {
    const auto from = now_us();
    if (::write(fd, record.data(), record.size()) < 0 || ::fdatasync(fd) != 0) give_up("cannot sync " + path);
    samples.add(now_us() - from);
  }
  ::close(fd);
  ::unlink(path.c_str());
  return samples;
}

}  // namespace

void fanout(const Options& options, Report& report) {
  for (const int readers : {1, 100, 1000}) {
    Host host(options.binary, {"--autosave-at-most-ms", "0"});
    host.write("n.ipynb", notebook("1"));
    const auto session = host.open("n.ipynb");
    Socket editor(host, session);
    std::vector<Socket> sockets;
    sockets.reserve(static_cast<std::size_t>(readers));
    for (int i = 0; i < readers; ++i) sockets.emplace_back(host, session);
    Crowd all(sockets);
    int sent = 0;
    const auto edit = [&] {
      const auto number = std::to_string(sent++);
      const auto mark = "mark-" + number + "!";
      const auto from = now_us();
      editor.send_text(command("f" + number, "transaction",
                               R"({"changes":[{"type":"set_source","cell_id":"c0","source":")" + mark + "\"}]}",
                               editor.epoch()));
      const auto took = all.until(mark) - from;
      editor.until("\"f" + number + "\"");
      return took;
    };
    const auto to = "to the last of " + std::to_string(readers);
    all.until_quiet(1500);  // everybody who joins is told to everybody
    FanoutFloor floor(host.folder(), readers);
    Samples samples, least;
    for (int i = 0; i < (readers == 1000 ? 200 : 500); ++i) {
      least.add(floor.once());
      samples.add(edit());
    }
    report.add("floor: fdatasync and " + std::to_string(readers) + " socket writes by one thread", least);
    report.add("fan-out: an edit, fsynced, " + to, samples);
    report.add("fan-out: above its floor at the median, " + to, "ms", samples.quantile(0.5) - least.quantile(0.5));
    if (readers < 1000) continue;
    report.add("fan-out: resident with 1,000 consumers", "MB", host.resident_mb());
    // A room of a thousand is 150 kB, to each of them: who moves makes the host send 150 MB, and the driver read them.
    Samples moving;
    for (int i = 0; i < 40; ++i) {
      editor.send_text(command("m" + std::to_string(i), "focus", i % 2 == 0 ? R"({"cell_id":"c0"})" : "{}"));
      editor.until("\"m" + std::to_string(i) + "\"");
      ::poll(nullptr, 0, 20);
      moving.add(edit());
    }
    report.add("fan-out: the same while somebody moves and all are told", moving);
  }
}

void keystroke(const Options& options, Report& report) {
  for (const bool paced : {false, true}) {
    Host host(options.binary, {"--autosave-at-most-ms", "0"});
    host.write("n.ipynb", notebook("1"));
    const auto session = host.open("n.ipynb");
    if (!paced) report.add("floor: fdatasync of 256 preallocated bytes", fsync_floor(host.folder(), 300));
    Socket editor(host, session, "document=changes");
    std::vector<Socket> sockets;
    sockets.reserve(30);
    for (int i = 0; i < 30; ++i) sockets.emplace_back(host, session, "document=changes");
    Crowd all(sockets);
    Typist typist(editor);
    Samples samples, least;
    FanoutFloor floor(host.folder(), 30);
    const auto pause = [paced] {
      if (paced) ::poll(nullptr, 0, 100);
    };
    for (int i = 0; i < (paced ? 100 : 500); ++i) {
      pause();
      least.add(floor.once());
      typist.splice("c0", static_cast<std::uint64_t>(i), 0, "k");
      const auto edit = typist.submission();
      pause();
      const auto from = now_us();
      editor.send_binary(edit.frame);
      samples.add(all.until(edit.payload) - from);
      editor.until("\"" + edit.id + "\"");
    }
    const std::string how = paced ? "10 a second" : "closed loop";
    report.add("floor: fdatasync and 30 socket writes by one thread, " + how, least);
    report.add("keystroke: sent to the last of 30 peers, fsynced, " + how, samples, {{"p50", 1}});
    report.add("keystroke: above its floor at the median, " + how, "ms", samples.quantile(0.5) - least.quantile(0.5));
  }
}

void takeover(const Options& options, Report& report) {
  Host host(options.binary, {});
  host.write("n.ipynb", notebook("1"));
  const auto session = host.open("n.ipynb");
  Socket a(host, session);
  Socket b(host, session);
  std::vector<Socket> sockets;
  sockets.reserve(98);
  for (int i = 0; i < 98; ++i) sockets.emplace_back(host, session);
  Crowd both({&a, &b});
  Samples over_socket;
  for (int i = 0; i < 1000; ++i) {
    auto& winner = i % 2 == 0 ? b : a;
    const auto from = now_us();
    winner.send_text(command("t" + std::to_string(i), "takeover", "{}"));
    over_socket.add(both.until("\"consumer-capabilities\"") - from);
    winner.until("\"t" + std::to_string(i) + "\"");
    if (i % 50 == 0) {
      // The 98 others drain what they were told, so that their sockets never fill.
      for (auto& socket : sockets) {
        char buffer[65536];
        while (::recv(socket.fd(), buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
        }
      }
    }
  }
  report.add("takeover: request to both notices, 100 consumers, by WebSocket", over_socket,
             {{"p50", 0.3}, {"p99", 0.6}});
  Samples over_http;
  for (int i = 0; i < 200; ++i) {
    auto& winner = i % 2 == 0 ? b : a;
    const auto from = now_us();
    const int fd = dial(host.port());
    write_all(fd, "POST /api/v1/sessions/" + session + "/takeover HTTP/1.1\r\nHost: 127.0.0.1:" +
                      std::to_string(host.port()) + "\r\nAuthorization: Bearer " + host.token() +
                      "\r\nLectern-Client: " + winner.client_key() + "\r\nContent-Length: 2\r\n\r\n{}");
    over_http.add(both.until("\"consumer-capabilities\"") - from);
    char buffer[4096];
    [[maybe_unused]] const auto count = ::recv(fd, buffer, sizeof buffer, 0);
    ::close(fd);
  }
  report.add("takeover: request to both notices, 100 consumers, by HTTP, new connection", over_http);
}

}  // namespace load
