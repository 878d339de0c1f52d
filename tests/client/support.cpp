#include "support.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>

extern char** environ;

namespace lectern::client::testing {
namespace fs = std::filesystem;
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int listen_anywhere(int& port) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(0);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(listener, 64), 0);
  EXPECT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  port = ntohs(address.sin_port);
  return listener;
}

void reset(int socket) {
  const linger now{1, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(socket);
}

bool send_all(int socket, const char* bytes, std::size_t size) {
  while (size > 0) {
    const auto sent = ::send(socket, bytes, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

constexpr const char* notebook = R"({"cells":[
{"cell_type":"code","execution_count":null,"id":"a","metadata":{},"outputs":[],"source":["x = 1"]},
{"cell_type":"markdown","id":"b","metadata":{},"source":["hello"]}],
"metadata":{"kernelspec":{"name":"python3","display_name":"Python 3","language":"python"}},
"nbformat":4,"nbformat_minor":5})";

}  // namespace

// -- Host ----------------------------------------------------------------------------------------------------

Host::Host(std::vector<std::string> options) : options_(std::move(options)) {
  std::string name = (fs::temp_directory_path() / "lectern-client-XXXXXX").string();
  EXPECT_NE(::mkdtemp(name.data()), nullptr);
  folder_ = name;
  fs::create_directories(folder_ / "root");
  fs::create_directories(folder_ / "run");
  fs::permissions(folder_ / "run", fs::perms::owner_all);
  for (const auto& option : options_) {
    if (option == "--tls-cert") scheme_ = "https";
  }
  start();
}

Host::~Host() {
  if (pid_ > 0) kill();
  std::error_code ignored;  // its kernels may still be ending
  fs::remove_all(folder_, ignored);
}

void Host::start() {
  // While it was down its port was free for anybody; a host says so with 4, a conflict.
  constexpr int conflict = 4;
  const auto end = std::chrono::steady_clock::now() + patience / 3;
  for (;;) {
    const auto line = spawn();
    const auto started = Json::parse(line);
    if (started && (*started)["port"].integer()) {
      port_ = static_cast<int>(*(*started)["port"].integer());
      return;
    }
    ASSERT_TRUE(line.empty() && pid_ > 0) << "the host did not start: " << line;
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    const bool taken = port_ != 0 && WIFEXITED(status) && WEXITSTATUS(status) == conflict;
    ASSERT_TRUE(taken && std::chrono::steady_clock::now() < end) << "the host did not start, status " << status;
  }
}

std::string Host::spawn() {
  const auto venv = fs::path(LECTERN_TEST_DATA).parent_path().parent_path() / ".venv";
  std::vector<std::string> environment;
  std::string kernels = "LECTERN_VENV=" + venv.string();
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string variable = *entry;
    if (variable.starts_with("LECTERN_VENV=")) kernels = variable;
    if (!variable.starts_with("LECTERN_") && !variable.starts_with("XDG_")) environment.push_back(variable);
  }
  environment.push_back(kernels);
  environment.push_back("XDG_STATE_HOME=" + (folder_ / "state").string());
  environment.push_back("XDG_CONFIG_HOME=" + (folder_ / "config").string());
  environment.push_back("XDG_RUNTIME_DIR=" + (folder_ / "run").string());
  std::vector<std::string> arguments{
      LECTERN_BINARY, "serve", (folder_ / "root").string(), "--port", std::to_string(port_), "--no-browser", "--json",
      "--token",      "t"};
  arguments.insert(arguments.end(), options_.begin(), options_.end());
  const auto pointers = [](std::vector<std::string>& texts) {
    std::vector<char*> out;
    out.reserve(texts.size() + 1);
    for (auto& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
  };
  std::array<int, 2> out{};
  EXPECT_EQ(::pipe2(out.data(), O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  const auto argv = pointers(arguments), envp = pointers(environment);
  const int failed = ::posix_spawn(&pid_, LECTERN_BINARY, &actions, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  ::close(out[1]);
  EXPECT_EQ(failed, 0);
  std::string line;
  for (char byte = 0; ::read(out[0], &byte, 1) == 1 && byte != '\n';) line += byte;
  ::close(out[0]);
  return line;
}

void Host::kill() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

std::string Host::url(int port) const {
  const auto name = scheme_ == "https" ? "localhost" : "127.0.0.1";
  return scheme_ + "://" + name + ":" + std::to_string(port == 0 ? port_ : port) + "/?token=t";
}

std::string Host::write(const std::string& name) const {
  std::ofstream(folder_ / "root" / name) << notebook;
  return name;
}

// -- Proxy ---------------------------------------------------------------------------------------------------

Proxy::Proxy(int to) : to_(to), listener_(listen_anywhere(port_)) {
  EXPECT_EQ(::pipe2(wake_, O_CLOEXEC | O_NONBLOCK), 0);
  thread_ = std::thread([this] { run(); });
}
Proxy::~Proxy() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = cut_ = true;
  }
  wake();
  thread_.join();
  ::close(listener_);
  ::close(wake_[0]);
  ::close(wake_[1]);
}
void Proxy::wake() const {
  [[maybe_unused]] const auto written = ::write(wake_[1], "x", 1);
}
void Proxy::cut() {
  {
    const std::lock_guard lock(mutex_);
    cut_ = true;
    hold_ = false;
  }
  wake();
}
void Proxy::hold_back(bool on) {
  {
    const std::lock_guard lock(mutex_);
    hold_ = on;
  }
  wake();
}

void Proxy::run() {
  const auto pass = [](int from, int to) {
    std::array<char, 65536> bytes{};
    const auto got = ::recv(from, bytes.data(), bytes.size(), 0);
    return got > 0 && send_all(to, bytes.data(), static_cast<std::size_t>(got));
  };
  for (;;) {
    std::vector<pollfd> polled{{listener_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(cut_, false)) {
        for (const auto& pair : pairs_) {
          reset(pair.client);
          reset(pair.host);
        }
        pairs_.clear();
      }
      if (stop_) return;
      for (const auto& pair : pairs_) {
        polled.push_back({pair.client, POLLIN, 0});
        polled.push_back({hold_ ? -1 : pair.host, POLLIN, 0});
      }
    }
    ::poll(polled.data(), polled.size(), -1);
    std::array<char, 64> ignored{};
    while (::read(wake_[0], ignored.data(), ignored.size()) > 0) {
    }
    const std::lock_guard lock(mutex_);
    if (cut_) continue;
    std::vector<Pair> left;
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const auto& pair = pairs_[i];
      const bool from_client = polled[2 + 2 * i].revents != 0;
      const bool from_host = polled[3 + 2 * i].revents != 0 && !hold_;
      if ((!from_client || pass(pair.client, pair.host)) && (!from_host || pass(pair.host, pair.client))) {
        left.push_back(pair);
      } else {
        ::close(pair.client);
        ::close(pair.host);
      }
    }
    pairs_ = std::move(left);
    if (polled[0].revents == 0) continue;
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int host = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto address = loopback(to_);
    if (::connect(host, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      pairs_.push_back({client, host});
    } else {
      reset(client);
      ::close(host);
    }
  }
}

// -- FakeHost ------------------------------------------------------------------------------------------------

std::string Peer::read_request() {
  const auto more = [&] {
    std::array<char, 4096> bytes{};
    const auto got = ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (got > 0) buffer_.append(bytes.data(), static_cast<std::size_t>(got));
    return got > 0;
  };
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!more()) return {};
  }
  std::size_t size = end + 4;
  if (const auto at = buffer_.find("Content-Length: "); at < end) size += std::stoul(buffer_.substr(at + 16));
  while (buffer_.size() < size) {
    if (!more()) return {};
  }
  auto request = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return request;
}

void Peer::send(const std::string& bytes) const {
  send_all(socket_, bytes.data(), bytes.size());
}

void Peer::answer(int status, const std::string& body) {
  send("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\nContent-Length: " +
       std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body);
}

void Peer::upgrade(const std::string& request, const std::string& subprotocol) {
  const std::string name = "Sec-WebSocket-Key: ";
  const auto at = request.find(name);
  const auto key = request.substr(at + name.size(), request.find("\r\n", at) - at - name.size()) +
                   "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  std::array<unsigned char, 64> accept{};
  EVP_EncodeBlock(accept.data(), digest.data(), static_cast<int>(digest.size()));
  OPENSSL_thread_stop();  // this thread may outlive OpenSSL, where the host is a global
  send(std::string("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n") +
       "Sec-WebSocket-Accept: " + reinterpret_cast<const char*>(accept.data()) + "\r\n" +
       (subprotocol.empty() ? "" : "Sec-WebSocket-Protocol: " + subprotocol + "\r\n") + "\r\n");
}

void Peer::frame(int first, const std::string& payload) {
  std::string out(1, static_cast<char>(first));
  const auto size = payload.size();
  const int length_bytes = size < 126 ? 0 : size < 65536 ? 2 : 8;
  out += static_cast<char>(length_bytes == 0 ? static_cast<int>(size) : length_bytes == 2 ? 126 : 127);
  for (int i = length_bytes - 1; i >= 0; --i) out += static_cast<char>((size >> (8 * i)) & 0xFF);
  send(out + payload);
}

void Peer::drain() {
  std::array<char, 4096> bytes{};
  while (::recv(socket_, bytes.data(), bytes.size(), 0) > 0 && bytes[0] != '\x88') {
  }
}

bool Peer::heard_ping() {
  std::array<char, 4096> bytes{};
  while (::recv(socket_, bytes.data(), bytes.size(), 0) > 0) {
    if (bytes[0] == '\x89') return true;
  }
  return false;
}

FakeHost::FakeHost(Script script, std::string info, std::string subprotocol)
    : script_(std::move(script)), info_(std::move(info)), subprotocol_(std::move(subprotocol)) {
  if (info_.empty()) {
    info_ = R"({"protocol":"lectern.v1","notebook_id":"nb","session_id":"s1","path":"n.ipynb","format":"ipynb",)"
            R"("cell_count":1,"needs_trust_approval":false,"connect_url":"ws://x/"})";
  }
  listener_ = listen_anywhere(port_);
  thread_ = std::thread([this] { run(); });
}

FakeHost::~FakeHost() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    if (current_ >= 0) ::shutdown(current_, SHUT_RDWR);
  }
  thread_.join();
  ::close(listener_);
}

void FakeHost::run() {
  for (int nth = 0;;) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    {
      const std::lock_guard lock(mutex_);
      if (socket < 0 || stop_) {
        if (socket >= 0) ::close(socket);
        return;
      }
      current_ = socket;
    }
    Peer peer(socket);
    if (silent_) {
      peer.drain();
    } else {
      const auto request = peer.read_request();
      if (request.starts_with("POST ")) {
        peer.answer(200, info_);
      } else if (!request.empty()) {
        ++connections_;
        if (request.find("/connect?") != std::string::npos) {
          peer.upgrade(request, subprotocol_);
          script_(peer, nth++);
        }
      }
    }
    const std::lock_guard lock(mutex_);
    current_ = -1;
    ::close(socket);
  }
}

std::string FakeHost::ready(const std::string& protocol) {
  return R"({"op":"kernel-ready","seq":null,"data":{"protocol":")" + protocol +
         R"(","device_name":"","session_id":"s1","notebook_id":"nb","client":{"id":"c","secret":"s"},"actor":"00",)"
         R"("incarnation":1,"resumed":false,"replay":"snapshot","consumer_capabilities":{"edit":true,"interact":true},)"
         R"("epoch":1,"stream":"st","history_id":"h","requests":[],"capabilities":{},"room":{"epoch":1,"editor":null,)"
         R"("members":[]},"policy":{"id":"p"},"notebook":{"metadata":{},"cells":[{"id":"a","cell_type":"code",)"
         R"("source":"x = 1","metadata":{}}],"heads":[],"version":3},"kernel":{"state":"none","runtime":""},"seq":7}})";
}
std::string FakeHost::replay_complete() {
  return R"({"op":"replay-complete","seq":null,"data":{"seq":7}})";
}

}  // namespace lectern::client::testing
