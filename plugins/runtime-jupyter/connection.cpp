#include "connection.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <random>
#include <set>

#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace jupyter {
namespace fs = std::filesystem;
using lectern::sdk::Failure;
namespace {

bool is_free(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const bool free = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return free;
}

/// Below the range the system takes for outgoing connections (32768 on): nobody else's connection can land on a port
/// between this look and the kernel's bind, a second later.
std::array<int, 5> choose_ports() {
  thread_local std::mt19937 random{std::random_device{}()};
  std::uniform_int_distribution<int> any(10'240, 32'000);
  std::array<int, 5> ports{};
  std::set<int> taken;
  for (auto& port : ports) {
    for (int tries = 0; port == 0; ++tries) {
      if (tries == 1000) throw Failure(LECTERN_UNAVAILABLE, "no free port on 127.0.0.1 for a kernel");
      const int candidate = any(random);
      if (taken.insert(candidate).second && is_free(candidate)) port = candidate;
    }
  }
  return ports;
}

void write_private(const fs::path& file, const std::string& text) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) throw Failure(LECTERN_UNAVAILABLE, "cannot write " + file.string() + ": " + std::strerror(errno));
  const bool whole = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (::close(fd) != 0 || !whole) throw Failure(LECTERN_UNAVAILABLE, "cannot write " + file.string() + ": disk full?");
}

void prepare(zmq::socket_t& socket, const std::string& identity) {
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::sndhwm, 0);
  socket.set(zmq::sockopt::rcvhwm, 0);          // a limit here would drop output silently; bounding is the host's
  socket.set(zmq::sockopt::reconnect_ivl, 10);  // the kernel binds half a second from now: do not sleep past it
  // The same identity on shell and stdin: the kernel sends input requests to whom it took the code from.
  if (!identity.empty()) socket.set(zmq::sockopt::routing_id, identity);
}

}  // namespace

Connection::Connection(zmq::context_t& context, const fs::path& folder, const std::string& kernel_name)
    : wire(random_hex(32), random_hex(16)),
      shell(context, zmq::socket_type::dealer),
      iopub(context, zmq::socket_type::sub),
      input(context, zmq::socket_type::dealer),
      control(context, zmq::socket_type::dealer),
      heartbeat(context, zmq::socket_type::dealer) {
  const auto key = random_hex(32);
  wire = Wire(key, wire.session());
  const auto ports = choose_ports();
  constexpr std::array names{"shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"};
  std::string text = R"({"transport":"tcp","ip":"127.0.0.1","signature_scheme":"hmac-sha256","key":")" + key + "\"";
  for (std::size_t i = 0; i < ports.size(); ++i) {
    text += ",\"" + std::string(names[i]) + "\":" + std::to_string(ports[i]);
  }
  text += ",\"kernel_name\":" + lectern::sdk::json::quoted(kernel_name) + "}";
  file_ = folder / ("kernel-" + wire.session() + ".json");
  write_private(file_, text);

  prepare(shell, wire.session());
  prepare(iopub, {});
  prepare(input, wire.session());
  prepare(control, wire.session());
  prepare(heartbeat, {});
  iopub.set(zmq::sockopt::subscribe, "");
  zmq::socket_t* sockets[] = {&shell, &iopub, &input, &control, &heartbeat};
  for (std::size_t i = 0; i < ports.size(); ++i) sockets[i]->connect("tcp://127.0.0.1:" + std::to_string(ports[i]));
}

Connection::~Connection() {
  std::error_code ignored;
  fs::remove(file_, ignored);
}

fs::path connection_folder(const std::string& configured) {
  fs::path folder = configured;
  if (folder.empty()) {
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    std::error_code problem;
    const bool usable = runtime != nullptr && *runtime == '/' && ::access(runtime, W_OK) == 0;
    folder = usable ? fs::path(runtime) / "lectern"
                    : fs::temp_directory_path(problem) / ("lectern-" + std::to_string(::getuid()));
    fs::create_directory(folder, problem);
    ::chmod(folder.c_str(), 0700);
    folder /= "kernels";
  }
  std::error_code problem;
  fs::create_directories(folder, problem);
  struct stat about {};
  if (::lstat(folder.c_str(), &about) != 0 || !S_ISDIR(about.st_mode) || about.st_uid != ::getuid()) {
    throw Failure(LECTERN_UNAVAILABLE, "no private folder for connection files at " + folder.string(),
                  "remove what is there, or set connection_dir");
  }
  ::chmod(folder.c_str(), 0700);
  return folder;
}

}  // namespace jupyter
