// A real redis-server of the test's own, on a socket in a folder of the test's own (or a TCP port as well).
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace lectern::test {

class RedisServer {
 public:
  /// Nothing runs before start().
  explicit RedisServer(std::filesystem::path folder) : folder_(std::move(folder)) {}
  ~RedisServer() { stop(); }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  [[nodiscard]] std::string socket() const { return (folder_ / "redis.sock").string(); }

  /// True when it answers. `more`: further arguments of redis-server.
  bool start(const std::vector<std::string>& more = {}) {
    std::filesystem::create_directories(folder_);
    std::vector<std::string> words{"redis-server",
                                   "--port",
                                   "0",
                                   "--unixsocket",
                                   socket(),
                                   "--save",
                                   "",
                                   "--appendonly",
                                   "no",
                                   "--daemonize",
                                   "no",
                                   "--dir",
                                   folder_.string(),
                                   "--logfile",
                                   (folder_ / "redis.log").string()};
    words.insert(words.end(), more.begin(), more.end());
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    child_ = ::fork();
    if (child_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that is killed ends it by nothing else
      ::execvp("redis-server", arguments.data());
      ::_exit(127);
    }
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (child_ > 0 && std::chrono::steady_clock::now() < until) {
      int status = 0;
      if (::waitpid(child_, &status, WNOHANG) == child_) child_ = -1;
      if (child_ > 0 && !ask("PING").empty()) return true;
      ::poll(nullptr, 0, 5);
    }
    return false;
  }
  /// As a machine that fails: at once.
  void stop() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    child_ = -1;
    std::error_code ignored;
    std::filesystem::remove(socket(), ignored);
  }
  /// Stands still and keeps its connections.
  void freeze() const {
    if (child_ > 0) ::kill(child_, SIGSTOP);  // -1 would be every process there is
  }
  void thaw() const {
    if (child_ > 0) ::kill(child_, SIGCONT);
  }

  /// The raw answer to one command, words of any bytes; "" when there is none.
  std::string ask(const std::vector<std::string>& words) const {
    std::string text = "*" + std::to_string(words.size()) + "\r\n";
    for (const auto& word : words) text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    text += "*1\r\n$4\r\nQUIT\r\n";  // then it closes, and all has been said
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket().copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    std::string answer;
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size())) {
      char bytes[4096];
      for (ssize_t count = 0; (count = ::recv(fd, bytes, sizeof bytes, 0)) > 0;) {
        answer.append(bytes, static_cast<std::size_t>(count));
      }
    }
    ::close(fd);
    return answer;
  }
  std::string ask(const char* word) const { return ask(std::vector<std::string>{word}); }

 private:
  std::filesystem::path folder_;
  pid_t child_ = -1;
};

}  // namespace lectern::test
