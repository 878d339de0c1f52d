// lectern-load: starts a host, loads it over real sockets and prints what it measured, each beside its floor.
//   lectern-load --bin build/release/bin/lectern [--python .venv/bin/python] [--json out.json] [scenario...]
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <thread>

#include "document/notebook_document.hpp"
#include "load/fanout_floor.hpp"
#include "load/host.hpp"
#include "load/kernel_floor.hpp"
#include "load/socket.hpp"
#include "load/stats.hpp"

namespace load {
namespace {

struct Options {
  std::string binary = "build/release/bin/lectern";
  std::string python = ".venv/bin/python";
  std::string json;
  std::vector<std::string> scenarios;
};

std::string notebook(const std::string& source, int cells = 1, const std::string& outputs = "[]") {
  std::string text = "{\n \"cells\": [\n";
  for (int i = 0; i < cells; ++i) {
    text += "  {\n   \"cell_type\": \"code\",\n   \"execution_count\": null,\n   \"id\": \"c" + std::to_string(i) +
            "\",\n   \"metadata\": {},\n   \"outputs\": " + outputs + ",\n   \"source\": [\n    \"" + source +
            "\"\n   ]\n  }" + (i + 1 < cells ? ",\n" : "\n");
  }
  return text +
         " ],\n \"metadata\": {\n  \"kernelspec\": {\n   \"display_name\": \"Python 3\",\n   \"language\": "
         "\"python\",\n   \"name\": \"python3\"\n  }\n },\n \"nbformat\": 4,\n \"nbformat_minor\": 5\n}\n";
}

std::string command(const std::string& id, const std::string& name, const std::string& body, std::uint64_t epoch = 0) {
  return "{\"id\":\"" + id + "\",\"command\":\"" + name + "\"" +
         (epoch == 0 ? "" : ",\"epoch\":" + std::to_string(epoch)) + ",\"body\":" + body + "}";
}

void start(const Options& options, Report& report) {
  Samples starts;
  double resident = 0;
  for (int i = 0; i < 10; ++i) {
    Host host(options.binary, {});
    starts.add(static_cast<std::int64_t>(host.start_ms() * 1000));
    host.request("GET", "/health");
    resident = host.resident_mb();
  }
  report.add("start: process to URL printed, listening", starts);
  report.add("start: resident when idle", "MB", resident);
}

// A bare echo over loopback TCP in the same process layout: what the kernel and two context switches cost.
Samples tcp_floor(int rounds, std::size_t size) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) give_up("no socket pair");
  std::thread echo([fd = ends[1]] {
    char buffer[4096];
    for (;;) {
      const auto count = ::recv(fd, buffer, sizeof buffer, 0);
      if (count <= 0) return;
      write_all(fd, {buffer, static_cast<std::size_t>(count)});
    }
  });
  Samples samples;
  std::string message(size, 'x');
  for (int i = 0; i < rounds; ++i) {
    const auto from = now_us();
    write_all(ends[0], message);
    std::size_t got = 0;
    char buffer[4096];
    while (got < size) got += static_cast<std::size_t>(::recv(ends[0], buffer, sizeof buffer, 0));
    samples.add(now_us() - from);
  }
  ::shutdown(ends[0], SHUT_RDWR);
  echo.join();
  ::close(ends[0]);
  ::close(ends[1]);
  return samples;
}

void echo(const Options& options, Report& report) {
  Host host(options.binary, {});
  host.write("n.ipynb", notebook("1"));
  const auto session = host.open("n.ipynb");
  report.add("floor: echo of 64 bytes between two threads", tcp_floor(5000, 64));
  Socket client(host, session);
  Samples samples;
  for (int i = 0; i < 5000; ++i) {
    const auto id = "e" + std::to_string(i);
    const auto from = now_us();
    client.send_text(command(id, "focus", "{\"cell_id\":\"c0\"}"));
    client.until("\"" + id + "\"");
    samples.add(now_us() - from);
  }
  report.add("echo: command to reply over a WebSocket, one client", samples);
}

void fanout(const Options& options, Report& report) {
  for (const int readers : {1, 100, 1000}) {
    Host host(options.binary, {"--autosave-at-most-ms", "0"});
    host.write("n.ipynb", notebook("1"));
    const auto session = host.open("n.ipynb");
    Socket editor(host, session);
    std::vector<Socket> sockets;
    sockets.reserve(static_cast<std::size_t>(readers));
    for (int i = 0; i < readers; ++i) sockets.emplace_back(host, session);
    std::vector<Socket*> all;
    for (auto& socket : sockets) all.push_back(&socket);
    Samples samples;
    const int rounds = readers == 1000 ? 100 : 500;
    for (int i = 0; i < rounds; ++i) {
      const auto mark = "mark-" + std::to_string(i) + "!";
      const auto from = now_us();
      editor.send_text(command("f" + std::to_string(i), "transaction",
                               R"({"changes":[{"type":"set_source","cell_id":"c0","source":")" + mark + "\"}]}",
                               editor.epoch()));
      samples.add(all_until(all, mark) - from);
      editor.until("\"f" + std::to_string(i) + "\"");
    }
    report.add("fan-out: an edit, fsynced, to the last of " + std::to_string(readers), samples);
    if (readers == 1000) report.add("fan-out: resident with 1,000 consumers", "MB", host.resident_mb());
  }
}

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

void keystroke(const Options& options, Report& report) {
  using lectern::document::NotebookDocument;
  for (const bool paced : {false, true}) {
    Host host(options.binary, {"--autosave-at-most-ms", "0"});
    host.write("n.ipynb", notebook("1"));
    const auto session = host.open("n.ipynb");
    if (!paced) report.add("floor: fdatasync of 256 preallocated bytes", fsync_floor(host.folder(), 300));
    Socket editor(host, session, "document=changes");
    std::vector<Socket> sockets;
    for (int i = 0; i < 30; ++i) sockets.emplace_back(host, session, "document=changes");
    std::vector<Socket*> all;
    for (auto& socket : sockets) all.push_back(&socket);
    auto document = NotebookDocument::load(editor.document());
    if (!document) give_up(document.error().message);
    Samples samples, least;
    FanoutFloor floor(host.folder(), 30);
    const auto pause = [paced] {
      if (paced) ::poll(nullptr, 0, 100);
    };
    for (int i = 0; i < (paced ? 100 : 500); ++i) {
      pause();
      least.add(floor.once());
      const lectern::document::SpliceSource typed{"c0", static_cast<std::uint64_t>(i), 0, "k"};
      auto applied = document->apply_transaction(editor.actor(), {typed}, document->version());
      if (!applied) give_up(applied.error().message);
      std::string payload, sizes;
      for (const auto& chunk : applied->chunks) {
        payload += chunk;
        sizes += (sizes.empty() ? "" : ",") + std::to_string(chunk.size());
      }
      const auto id = "k" + std::to_string(i);
      const std::string header =
          "{\"id\":\"" + id + "\",\"epoch\":" + std::to_string(editor.epoch()) + ",\"sizes\":[" + sizes + "]}";
      const auto length = static_cast<std::uint32_t>(header.size());
      std::string frame(5, '\3');
      std::memcpy(frame.data() + 1, &length, 4);
      pause();
      const auto from = now_us();
      editor.send_binary(frame + header + payload);
      samples.add(all_until(all, payload) - from);
      editor.until("\"" + id + "\"");
    }
    const std::string how = paced ? "10 a second" : "closed loop";
    report.add("floor: fdatasync and 30 socket writes by one thread, " + how, least);
    report.add("keystroke: sent to the last of 30 peers, fsynced, " + how, samples);
  }
}

void takeover(const Options& options, Report& report) {
  Host host(options.binary, {});
  host.write("n.ipynb", notebook("1"));
  const auto session = host.open("n.ipynb");
  Socket a(host, session);
  Socket b(host, session);
  std::vector<Socket> sockets;
  for (int i = 0; i < 98; ++i) sockets.emplace_back(host, session);
  std::vector<Socket*> both{&a, &b};
  Samples over_socket;
  for (int i = 0; i < 1000; ++i) {
    auto& winner = i % 2 == 0 ? b : a;
    const auto from = now_us();
    winner.send_text(command("t" + std::to_string(i), "takeover", "{}"));
    over_socket.add(all_until(both, "\"consumer-capabilities\"") - from);
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
  report.add("takeover: request to both notices, 100 consumers, by WebSocket", over_socket);
  Samples over_http;
  for (int i = 0; i < 200; ++i) {
    auto& winner = i % 2 == 0 ? b : a;
    const auto from = now_us();
    const int fd = dial(host.port());
    write_all(fd, "POST /api/v1/sessions/" + session + "/takeover HTTP/1.1\r\nHost: 127.0.0.1:" +
                      std::to_string(host.port()) + "\r\nAuthorization: Bearer " + host.token() +
                      "\r\nLectern-Client: " + winner.client_key() + "\r\nContent-Length: 2\r\n\r\n{}");
    over_http.add(all_until(both, "\"consumer-capabilities\"") - from);
    char buffer[4096];
    [[maybe_unused]] const auto count = ::recv(fd, buffer, sizeof buffer, 0);
    ::close(fd);
  }
  report.add("takeover: request to both notices, 100 consumers, by HTTP, new connection", over_http);
}

void execute(const Options& options, Report& report) {
  KernelFloor floor(options.python);
  Host host(options.binary, {"--autosave-at-most-ms", "0"});
  host.write("n.ipynb", notebook("1+1"));
  const auto session = host.open("n.ipynb");
  Socket client(host, session);
  const auto once = [&](int i) {
    const auto from = now_us();
    client.send_text(command("x" + std::to_string(i), "execute", R"({"cell_ids":["c0"]})", client.epoch()));
    client.until("\"status\":\"idle\"");
    return now_us() - from;
  };
  for (int i = 0; i < 20; ++i) {
    once(i);
    floor.execute("1+1");
  }
  Samples ours, theirs;
  for (int i = 0; i < 300; ++i) {
    ours.add(once(100 + i));
    theirs.add(floor.execute("1+1"));
  }
  report.add("floor: execute 1+1 to idle over raw ZeroMQ, the same turns", theirs);
  report.add("execute: 1+1 to idle over the host", ours);
  report.add("execute: host above floor at the median", "ms", ours.quantile(0.5) - theirs.quantile(0.5));
}

void large(const Options& options, Report& report) {
  Host host(options.binary, {"--autosave-at-most-ms", "0"});
  const std::string image(40'000, 'A');
  const std::string outputs =
      "[\n    {\n     \"data\": {\n      \"image/png\": \"" + image +
      "\"\n     },\n     \"metadata\": {},\n     \"output_type\": \"display_data\"\n    }\n   ]";
  const auto text = notebook("plot()", 600, outputs);
  report.add("large: the notebook", "MB", static_cast<double>(text.size()) / 1e6);
  Samples opens, first, cells, saves;
  for (int i = 0; i < 8; ++i) {
    const auto name = "large" + std::to_string(i) + ".ipynb";
    host.write(name, text);
    const auto from = now_us();
    const auto session = host.open(name);
    opens.add(now_us() - from);
    Socket client(host, session);
    first.add(client.ready_us() - from);
    cells.add(now_us() - from);
    client.send_text(command("e", "transaction", R"({"changes":[{"type":"set_source","cell_id":"c0","source":"x"}]})",
                             client.epoch()));
    client.until("\"e\"");
    const auto save_from = now_us();
    client.send_text(command("s", "save", "{}", client.epoch()));
    client.until("\"id\":\"s\"");
    saves.add(now_us() - save_from);
    host.request("DELETE", "/api/v1/sessions/" + session);
  }
  report.add("large: open answered", opens);
  report.add("large: open to the frame with the cells", first);
  report.add("large: open to all cells and outputs received", cells);
  report.add("large: save, fsynced", saves);
  report.add("large: resident after 8 opens", "MB", host.resident_mb());
}

}  // namespace
}  // namespace load

int main(int argc, char** argv) {
  load::Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto value = [&] { return i + 1 < argc ? std::string(argv[++i]) : std::string(); };
    if (word == "--bin") {
      options.binary = value();
    } else if (word == "--python") {
      options.python = value();
    } else if (word == "--json") {
      options.json = value();
    } else {
      options.scenarios.push_back(word);
    }
  }
  const std::map<std::string, std::function<void(const load::Options&, load::Report&)>> known{
      {"start", load::start},         {"echo", load::echo},         {"fanout", load::fanout},
      {"keystroke", load::keystroke}, {"takeover", load::takeover}, {"execute", load::execute},
      {"large", load::large}};
  if (options.scenarios.empty()) {
    options.scenarios = {"start", "echo", "fanout", "keystroke", "takeover", "execute", "large"};
  }
  load::Report report;
  for (const auto& name : options.scenarios) {
    const auto found = known.find(name);
    if (found == known.end()) load::give_up("there is no scenario called " + name);
    found->second(options, report);
  }
  if (!options.json.empty()) std::ofstream(options.json) << report.json() << "\n";
}
