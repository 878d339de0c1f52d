// Much that is printed: all of it arrives, is kept and is saved, and the host's memory stays bounded.
#include <algorithm>
#include <fstream>
#include <iterator>

#include "load/host.hpp"
#include "load/http.hpp"
#include "load/scenarios.hpp"
#include "load/shown.hpp"
#include "load/socket.hpp"
#include "load/usage.hpp"

namespace load {
namespace {

/// How many of the lines 0 to count-1 are not where they belong. Blobs and notices count as missing lines.
double lines_lost(const std::string& text, std::size_t count) {
  std::size_t at = 0, good = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto line = "line " + std::to_string(i) + "\n";
    if (text.compare(at, line.size(), line) == 0) {
      ++good;
      at += line.size();
    } else {
      const auto found = text.find(line, at);
      if (found == std::string::npos) continue;
      at = found + line.size();
    }
  }
  return static_cast<double>(count - good) + (at == text.size() ? 0 : 1);
}

std::string saved_text(const Host& host, Socket& client) {
  client.send_text(command("save", "save", "{}", client.epoch()));
  client.until("\"id\":\"save\"");
  std::ifstream file(host.folder() + "/root/n.ipynb", std::ios::binary);
  const auto saved = parse_json({std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()}, "saved file");
  std::string text;
  for (const auto& output : *saved.find("cells")->as_array()->front().find("outputs")->as_array())
    text += text_of_output(output);
  return text;
}

std::string text_of_joiner(const Host& host, const std::string& session) {
  WebSocket socket(host.port(), "/api/v1/sessions/" + session + "/connect?document=events",
                   {"Authorization: Bearer " + host.token(), "Sec-WebSocket-Protocol: lectern.v1"});
  ShownText shown("c0");
  for (bool complete = false; !complete;) {
    const auto message = socket.receive();
    complete = message.bytes.starts_with("{\"op\":\"replay-complete\"");
    shown.take(message);
  }
  return shown.text();
}

void warm_up(Socket& client) {
  client.send_text(command("warm", "execute", R"({"code":"1"})", client.epoch()));
  client.until("\"status\":\"idle\"");
}

struct Printer {
  std::string name, kernel;
  std::string code;  // of so many lines
};

void lines(const Options& options, const Printer& printer, std::size_t count, Report& report) {
  Host host(options.binary, {"--autosave-at-most-ms", "0"});
  add_stub_kernel(host);
  host.add_ipykernel(options.python);
  host.write("n.ipynb", notebook(printer.code, 1, "[]", printer.kernel));
  const auto session = host.open("n.ipynb");
  Socket client(host, session);
  warm_up(client);
  const auto before = host.resident_mb();
  forget_peak(host.pid());
  ShownText shown("c0");
  const auto from = now_us();
  client.send_text(command("x", "execute", R"({"cell_ids":["c0"]})", client.epoch()));
  shown.until_idle(client);
  Samples took;
  took.add(now_us() - from);
  const auto what = std::to_string(count) + " lines, " + printer.name;
  report.add("prints: " + what + ", request to idle", took);
  report.add("prints: lines lost to the viewer, " + what, "lines", lines_lost(shown.text(), count), {{"value", 1}});
  report.add("prints: times the viewer was too slow and began again, " + what, "times",
             static_cast<double>(shown.resyncs()));
  report.add("prints: lines lost to who joins later, " + what, "lines",
             lines_lost(text_of_joiner(host, session), count), {{"value", 1}});
  report.add("prints: lines lost in the saved file, " + what, "lines", lines_lost(saved_text(host, client), count),
             {{"value", 1}});
  report.add("prints: peak above before, " + what, "MB", peak_mb(host.pid()) - before);
}

void block(const Options& options, Report& report) {
  const std::size_t size = options.brief ? 5'000'000 : 50'000'000;
  Host host(options.binary, {"--autosave-at-most-ms", "0"});
  add_stub_kernel(host);
  host.write("n.ipynb", notebook("block " + std::to_string(size), 1, "[]", "stub"));
  const auto session = host.open("n.ipynb");
  Socket client(host, session);
  warm_up(client);
  const auto before = host.resident_mb();
  const auto what = std::to_string(size / 1'000'000) + " MB in one print";
  double first_peak = 0;
  for (int round = 0; round < 5; ++round) {
    ShownText shown("c0");
    const auto from = now_us();
    client.send_text(command("x" + std::to_string(round), "execute", R"({"cell_ids":["c0"]})", client.epoch()));
    shown.until_idle(client);
    if (round > 0) continue;
    Samples took;
    took.add(now_us() - from);
    first_peak = peak_mb(host.pid()) - before;
    const auto all = std::string(size, 'x');
    report.add("prints: " + what + ", request to idle at the viewer", took);
    report.add("prints: bytes of it lost to the viewer", "bytes",
               shown.text() == all ? 0 : static_cast<double>(size) - static_cast<double>(shown.text().size()) + 1,
               {{"value", 1}});
    const auto saved = saved_text(host, client);
    report.add("prints: bytes of it lost in the saved file", "bytes",
               saved == all ? 0 : static_cast<double>(size) - static_cast<double>(saved.size()) + 1, {{"value", 1}});
    report.add("prints: peak above before, " + what, "MB", first_peak);
  }
  const auto grown = peak_mb(host.pid()) - before;
  report.add("prints: peak above before, five times " + what, "MB", grown);
  report.add("prints: the same beside the first", "times", grown / std::max(first_peak, 1.0), {{"value", 2}});
}

}  // namespace

void prints(const Options& options, Report& report) {
  const std::size_t count = options.brief ? 20'000 : 200'000;
  const auto number = std::to_string(count);
  lines(options, {"ipykernel", "python3", "for i in range(" + number + "): print('line', i)"}, count, report);
  lines(options, {"each a message of its own", "stub", "lines " + number}, count, report);
  block(options, report);
}

}  // namespace load
