#include "connection.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <utility>

#include "../jupyter-messages/clock.hpp"
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

constexpr std::array<std::string_view, line_count> port_names{"iopub_port", "shell_port", "stdin_port", "control_port",
                                                              "hb_port"};

void write_private(const fs::path& file, const std::string& text) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) throw Failure(LECTERN_UNAVAILABLE, "cannot write " + file.string() + ": " + std::strerror(errno));
  const bool whole = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (::close(fd) != 0 || !whole) throw Failure(LECTERN_UNAVAILABLE, "cannot write " + file.string() + ": disk full?");
}

}  // namespace

Connection::Connection(Watcher& watcher, std::uint64_t owner, const fs::path& folder, const std::string& kernel_name)
    : wire(random_hex(32), random_hex(16)), watcher_(watcher), owner_(owner), ports_(choose_ports()) {
  const auto key = random_hex(32);
  wire = Wire(key, wire.session());
  std::string text = R"({"transport":"tcp","ip":"127.0.0.1","signature_scheme":"hmac-sha256","key":")" + key + "\"";
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    text += ",\"" + std::string(port_names.at(i)) + "\":" + std::to_string(ports_.at(i));
  }
  text += ",\"kernel_name\":" + lectern::sdk::json::quoted(kernel_name) + "}";
  open_unasked();
  file_ = folder / ("kernel-" + wire.session() + ".json");
  write_private(file_, text);
}

Connection::Connection(Watcher& watcher, std::uint64_t owner, const fs::path& file, const KeptSession& session)
    : wire({}, session.id), watcher_(watcher), owner_(owner) {
  namespace json = lectern::sdk::json;
  std::ifstream stream(file);
  const std::string text((std::istreambuf_iterator<char>(stream)), {});
  const auto key = json::valid(text) ? json::text(json::member(text, "key")) : std::string();
  bool whole = !key.empty() && !session.id.empty();
  for (std::size_t i = 0; whole && i < ports_.size(); ++i) {
    const auto port = json::integer(json::member(text, port_names.at(i))).value_or(0);
    whole = port > 0 && port < 65'536;
    ports_.at(i) = static_cast<int>(port);
  }
  if (!whole) throw Failure(LECTERN_NOT_FOUND, "the connection file " + file.string() + " is not there or not whole");
  wire = Wire(key, session.id);
  open_unasked();
  file_ = file;
}

void Connection::open_unasked() {
  for (const auto which : {Line::iopub, Line::shell, Line::input}) line(which);
}

zmtp::Peer& Connection::line(Line which) {
  const auto number = static_cast<unsigned>(which);
  auto& open = lines_.at(number);
  if (open) return *open;
  zmtp::PeerOptions options;
  options.port = ports_.at(number);
  if (which == Line::iopub) {
    options.type = zmtp::SocketType::sub;
  } else if (which != Line::heartbeat) {
    // The same identity on shell and stdin: the kernel sends input requests to whom it took the code from.
    options.identity = wire.session();
  }
  open = std::make_unique<zmtp::Peer>(watcher_, owner_, number, std::move(options));
  watcher_.again(owner_, number);  // whoever serves it learns when it is due
  return *open;
}

unsigned Connection::serve(unsigned slots, std::int64_t now_ms) {
  unsigned served = 0;
  // iopub last: what a reply refers to was published before it.
  for (auto number = line_count; number-- > 0;) {
    auto& open = lines_.at(number);
    if (!open || ((slots >> number & 1u) == 0 && now_ms < open->due_ms())) continue;
    open->serve(now_ms);
    served |= 1u << number;
  }
  return served;
}

std::int64_t Connection::due_ms() const {
  auto due = never;
  for (const auto& open : lines_) {
    if (open) due = std::min(due, open->due_ms());
  }
  return due;
}

Connection::~Connection() {
  if (file_.empty()) return;
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
