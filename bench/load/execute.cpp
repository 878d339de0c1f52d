// One run of code, from the request to its end, beside the kernel alone and beside jupyter_server.
#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <random>

#include "load/crowd.hpp"
#include "load/host.hpp"
#include "load/http.hpp"
#include "load/kernel_floor.hpp"
#include "load/peer.hpp"
#include "load/scenarios.hpp"
#include "load/socket.hpp"

namespace load {
namespace {

/// jupyter_server with the same kernel behind it, driven as JupyterLab drives it: messages in frames of
/// v1.kernel.websocket.jupyter.org on one WebSocket.
class JupyterServer {
 public:
  explicit JupyterServer(const Options& options)
      : peer_(options.peers + "/python.sh", {"serve_jupyter.py", std::filesystem::absolute(options.python).string()}),
        socket_(peer_.port(), "/api/kernels/" + start_kernel() + "/channels?session_id=load",
                {"Authorization: token bench", "Sec-WebSocket-Protocol: v1.kernel.websocket.jupyter.org"}) {
    // Output that comes before the server listens to the kernel is lost; a few rounds until one is seen whole.
    for (bool seen = false; !seen;) {
      send("kernel_info_request", "{}");
      const auto patience = now_us() + 2'000'000;
      Crowd crowd({&socket_});
      while (!seen && now_us() < patience) {
        crowd.read(patience, [&](std::size_t, const Message& message) {
          seen = seen || (is(message, "status") && message.bytes.find("\"idle\"") != std::string::npos);
        });
      }
    }
  }

  std::int64_t execute(const std::string& code) {
    const auto started = now_us();
    const auto id = send("execute_request", "{\"code\":\"" + code +
                                                "\",\"silent\":false,\"store_history\":true,\"user_expressions\":{},"
                                                "\"allow_stdin\":true,\"stop_on_error\":true}");
    for (bool replied = false, idle = false; !replied || !idle;) {
      const auto message = socket_.receive();
      if (message.bytes.find(id) == std::string::npos) continue;
      replied = replied || is(message, "execute_reply");
      idle = idle || (is(message, "status") && message.bytes.find("\"idle\"") != std::string::npos);
    }
    return now_us() - started;
  }

 private:
  std::string start_kernel() {
    const auto kernel = http(peer_.port(), "POST", "/api/kernels", R"({"name":"bench"})",
                             {"Authorization: token bench", "Content-Type: application/json"});
    return *kernel.find("id")->as_string();
  }

  static bool is(const Message& message, const std::string& type) {
    return message.bytes.find("\"msg_type\":\"" + type + "\"") != std::string::npos ||
           message.bytes.find("\"msg_type\": \"" + type + "\"") != std::string::npos;
  }

  std::string send(const std::string& type, const std::string& content) {
    auto id = "bench-" + std::to_string(next_++) + "-";
    const std::string parts[] = {"shell",
                                 "{\"msg_id\":\"" + id + "\",\"username\":\"u\",\"session\":\"load\",\"date\":" +
                                     "\"2026-01-01T00:00:00Z\",\"msg_type\":\"" + type + "\",\"version\":\"5.3\"}",
                                 "{}", "{}", content};
    constexpr std::uint64_t offsets = std::size(parts) + 1;
    std::string frame, bytes;
    const auto number = [&frame](std::uint64_t value) {
      char little[8];
      std::memcpy(little, &value, sizeof little);
      frame.append(little, sizeof little);
    };
    number(offsets);
    number(8 * (offsets + 1));
    for (const auto& part : parts) {
      bytes += part;
      number(8 * (offsets + 1) + bytes.size());
    }
    socket_.send_binary(frame + bytes);
    return id;
  }

  Peer peer_;
  WebSocket socket_;
  std::uint64_t next_ = 0;
};

}  // namespace

void execute(const Options& options, Report& report) {
  KernelFloor floor(options.python);
  Host host(options.binary, {"--autosave-at-most-ms", "0"});
  host.add_ipykernel(options.python);
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
  JupyterServer jupyter(options);
  for (int i = 0; i < 20; ++i) jupyter.execute("1+1");
  Samples ours, theirs, peers;
  // Whoever comes after jupyter_server finds other caches than whoever comes after the floor: the order is drawn anew
  // for each turn, the same ones in each run.
  int turn = 100;
  std::array<std::function<void()>, 3> turns{[&] { ours.add(once(turn)); }, [&] { theirs.add(floor.execute("1+1")); },
                                             [&] { peers.add(jupyter.execute("1+1")); }};
  std::mt19937 draw(1);
  for (; turn < (options.brief ? 160 : 400); ++turn) {
    std::shuffle(turns.begin(), turns.end(), draw);
    for (const auto& take : turns) take();
  }
  report.add("floor: execute 1+1 to idle over raw ZeroMQ, the same turns", theirs);
  report.add("execute: 1+1 to idle over the host", ours);
  report.add("execute: host above floor at the median", "ms", ours.quantile(0.5) - theirs.quantile(0.5),
             {{"value", 0.3}});
  report.add("peer: execute 1+1 to idle and reply over jupyter_server", peers);
  report.add("peer: jupyter_server above floor at the median", "ms", peers.quantile(0.5) - theirs.quantile(0.5));
}

}  // namespace load
