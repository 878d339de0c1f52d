#include "load/host.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "load/http.hpp"
#include "load/stats.hpp"
#include "load/usage.hpp"

namespace load {

void give_up(const std::string& why) {
  std::fprintf(stderr, "lectern-load: %s\n", why.c_str());
  std::exit(1);
}

int dial(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) give_up("cannot connect");
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) give_up("the host closed a connection");
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

Host::Host(const std::string& binary, const std::vector<std::string>& args, const Host* beside) {
  char pattern[] = "/tmp/lectern-load-XXXXXX";
  if (::mkdtemp(pattern) == nullptr) give_up("no temporary folder");
  folder_ = pattern;
  std::filesystem::create_directories(folder_ + "/root");
  std::filesystem::create_directories(folder_ + "/jupyter/kernels");
  const auto home = beside == nullptr ? folder_ : beside->folder_;
  int pipe_ends[2];
  if (::pipe(pipe_ends) != 0) give_up("no pipe");
  const auto started = now_us();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::dup2(pipe_ends[1], 1);
    ::close(pipe_ends[0]);
    for (const char* kind : {"STATE_HOME", "CONFIG_HOME", "RUNTIME_DIR"}) {
      ::setenv((std::string("XDG_") + kind).c_str(), (home + "/" + kind).c_str(), 1);
    }
    ::setenv("JUPYTER_PATH", (folder_ + "/jupyter").c_str(), 1);
    std::vector<std::string> words{binary, "serve", folder_ + "/root", "--port", "0", "--no-browser"};
    words.insert(words.end(), args.begin(), args.end());
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execv(binary.c_str(), argv.data());
    ::_exit(127);
  }
  ::close(pipe_ends[1]);
  out_ = pipe_ends[0];
  std::string text;
  char buffer[512];
  while (text.find("http") == std::string::npos || text.find('\n', text.find("http")) == std::string::npos) {
    const auto count = ::read(out_, buffer, sizeof buffer);
    if (count <= 0) give_up("the host did not start: " + text);
    text.append(buffer, static_cast<std::size_t>(count));
  }
  start_ms_ = static_cast<double>(now_us() - started) / 1000.0;
  const auto url = text.substr(text.find("http"));
  port_ = std::atoi(url.substr(url.find(':', 6) + 1).c_str());
  if (const auto at = url.find("token="); at != std::string::npos) {
    token_ = url.substr(at + 6, url.find_first_of(" \r\n", at) - at - 6);
  }
}

Host::~Host() {
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
  ::close(out_);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

lectern::json::Value Host::request(const std::string& method, const std::string& path, const std::string& body,
                                   std::vector<std::string> headers) {
  headers.push_back("Authorization: Bearer " + token_);
  return http(port_, method, path, body, headers);
}

void Host::write(const std::string& name, const std::string& text) const {
  std::ofstream(folder_ + "/root/" + name, std::ios::binary) << text;
}

void Host::add_kernel(const std::string& name, const std::string& argv) const {
  const auto folder = folder_ + "/jupyter/kernels/" + name;
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/kernel.json") << "{\"argv\":" << argv << ",\"display_name\":\"" << name
                                         << "\",\"language\":\"none\"}";
}

void Host::add_ipykernel(const std::string& python) const {
  add_kernel("python3", "[\"" + std::filesystem::absolute(python).string() +
                            "\",\"-m\",\"ipykernel_launcher\",\"-f\",\"{connection_file}\"]");
}

std::string Host::open(const std::string& name) {
  const auto info = request("POST", "/api/v1/notebooks/open", "{\"path\":\"" + name + "\"}");
  return *info.find("session_id")->as_string();
}

double Host::resident_mb() const {
  return load::resident_mb(pid_);
}

double Host::anonymous_mb() const {
  return load::anonymous_mb(pid_);
}

void Host::settle() {
  while (!request("GET", "/api/v1/sessions").find("sessions")->as_array()->empty()) ::poll(nullptr, 0, 50);
  rest();
}

void Host::rest() {
  ::poll(nullptr, 0, 3500);  // it rests 2 s after the last notebook was opened or closed
}

}  // namespace load
