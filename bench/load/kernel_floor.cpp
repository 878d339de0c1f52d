#include "load/kernel_floor.hpp"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <optional>
#include <vector>
#include <zmq.hpp>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "load/host.hpp"

namespace load {
namespace {

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) give_up("no free port");
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

}  // namespace

struct KernelFloor::State {
  zmq::context_t context;
  zmq::socket_t shell{context, zmq::socket_type::dealer};
  zmq::socket_t iopub{context, zmq::socket_type::sub};
  std::string key = "floor", file;
  int pid = -1;
  std::uint64_t next = 0;

  std::string send(const std::string& type, const std::string& content) {
    std::string id = "floor-" + std::to_string(next++);
    const std::string header = "{\"msg_id\":\"" + id + "\",\"username\":\"u\",\"session\":\"s\",\"date\":" +
                               "\"2026-01-01T00:00:00Z\",\"msg_type\":\"" + type + "\",\"version\":\"5.3\"}";
    const std::string signature =
        lectern::text::to_hex(lectern::crypto::hmac_sha256(key, header + "{}" + "{}" + content));
    const std::array<std::string, 6> parts{"<IDS|MSG>", signature, header, "{}", "{}", content};
    for (std::size_t i = 0; i < parts.size(); ++i) {
      shell.send(zmq::buffer(parts[i]), i + 1 < parts.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
    }
    return id;
  }
  /// The next message; nothing = none came in the socket's time.
  static std::optional<std::string> said(zmq::socket_t& socket) {
    std::string all;
    for (;;) {
      zmq::message_t part;
      if (!socket.recv(part)) return {};
      all += part.to_string();
      all += '\n';
      if (!part.more()) return all;
    }
  }
  static std::string receive(zmq::socket_t& socket) {
    auto message = said(socket);
    if (!message) give_up("the floor's kernel fell silent");
    return std::move(*message);
  }
};

KernelFloor::KernelFloor(const std::string& python) : state_(std::make_unique<State>()) {
  std::array<int, 5> ports{};
  for (auto& port : ports) port = free_port();
  state_->file = "/tmp/lectern-floor-" + std::to_string(::getpid()) + ".json";
  std::ofstream(state_->file) << "{\"transport\":\"tcp\",\"ip\":\"127.0.0.1\",\"shell_port\":" << ports[0]
                              << ",\"iopub_port\":" << ports[1] << ",\"stdin_port\":" << ports[2]
                              << ",\"control_port\":" << ports[3] << ",\"hb_port\":" << ports[4]
                              << ",\"key\":\"floor\",\"signature_scheme\":\"hmac-sha256\",\"kernel_name\":\"\"}";
  state_->pid = ::fork();
  if (state_->pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execl(python.c_str(), python.c_str(), "-m", "ipykernel_launcher", "-f", state_->file.c_str(), nullptr);
    ::_exit(127);
  }
  for (auto* socket : {&state_->shell, &state_->iopub}) {
    socket->set(zmq::sockopt::linger, 0);
    socket->set(zmq::sockopt::rcvtimeo, 30'000);
  }
  state_->iopub.set(zmq::sockopt::subscribe, "");
  state_->shell.connect("tcp://127.0.0.1:" + std::to_string(ports[0]));
  state_->iopub.connect("tcp://127.0.0.1:" + std::to_string(ports[1]));
  state_->send("kernel_info_request", "{}");
  State::receive(state_->shell);
  // iopub misses what is said before the kernel has heard of the subscription; a few rounds until one is seen whole.
  state_->iopub.set(zmq::sockopt::rcvtimeo, 500);
  for (bool seen = false; !seen;) {
    state_->send("kernel_info_request", "{}");
    State::receive(state_->shell);
    for (auto said = State::said(state_->iopub); said && !seen;) {
      seen = said->find("\"idle\"") != std::string::npos;
      if (!seen) said = State::said(state_->iopub);
    }
  }
  state_->iopub.set(zmq::sockopt::rcvtimeo, 30'000);
}

KernelFloor::~KernelFloor() {
  ::kill(state_->pid, SIGKILL);
  ::waitpid(state_->pid, nullptr, 0);
  ::unlink(state_->file.c_str());
}

std::int64_t KernelFloor::execute(const std::string& code) {
  const auto started = now_us();
  const auto id = state_->send("execute_request", "{\"code\":\"" + code +
                                                      "\",\"silent\":false,\"store_history\":true,"
                                                      "\"user_expressions\":{},\"allow_stdin\":true,"
                                                      "\"stop_on_error\":true}");
  while (State::receive(state_->shell).find(id) == std::string::npos) {
  }
  for (;;) {
    const auto message = State::receive(state_->iopub);
    if (message.find(id) != std::string::npos && message.find("\"idle\"") != std::string::npos) break;
  }
  return now_us() - started;
}

}  // namespace load
