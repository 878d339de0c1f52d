// A real host as a process of its own, a proxy that cuts lines, and a host that misbehaves.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lectern/client/client.hpp"

namespace lectern::client::testing {

using namespace std::chrono_literals;
constexpr auto patience = 90s;

/// A host in folders of its own; start() again after kill() is a restart on the same port.
class Host {
 public:
  explicit Host(std::vector<std::string> options = {});
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  void start();
  void kill();
  [[nodiscard]] int port() const { return port_; }
  /// With the token, on another port if one is given.
  [[nodiscard]] std::string url(int port = 0) const;
  /// A notebook with a code cell "a" and a markdown cell "b"; its name.
  std::string write(const std::string& name = "n.ipynb") const;
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  /// The first line it says; empty when it ended without one.
  std::string spawn();
  std::filesystem::path folder_;
  std::vector<std::string> options_;
  pid_t pid_ = 0;
  int port_ = 0;
  std::string scheme_ = "http";
};

/// Passes bytes on to a port, until told otherwise.
class Proxy {
 public:
  explicit Proxy(int to);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;
  [[nodiscard]] int port() const { return port_; }
  /// Resets every connection, as a pulled cable does; what was held back is lost.
  void cut();
  /// What the host says waits from now on, until cut() or false.
  void hold_back(bool on);

 private:
  struct Pair {
    int client = -1, host = -1;
  };
  void run();
  void wake() const;
  int to_, port_ = 0, listener_ = -1;
  int wake_[2] = {-1, -1};
  std::mutex mutex_;
  std::vector<Pair> pairs_;
  bool cut_ = false, hold_ = false, stop_ = false;
  std::thread thread_;
};

/// One accepted connection of a FakeHost. Reading ends, with nothing, when the client has gone.
class Peer {
 public:
  explicit Peer(int socket) : socket_(socket) {}
  /// Head and body of one HTTP request.
  std::string read_request();
  void send(const std::string& bytes) const;
  void answer(int status, const std::string& body);
  /// The answer to an upgrade.
  void upgrade(const std::string& request, const std::string& subprotocol);
  void text(const std::string& payload) { frame(0x81, payload); }
  /// A frame whose first byte is `first`.
  void frame(int first, const std::string& payload);
  /// Until the client has gone, or says goodbye.
  void drain();
  /// Until the client pings; false when it has gone before.
  bool heard_ping();

 private:
  int socket_;
  std::string buffer_;
};

/// Answers opening like a host, then does with each WebSocket what the test says.
class FakeHost {
 public:
  using Script = std::function<void(Peer&, int nth)>;
  /// `info`: the answer to open; `subprotocol`: what each upgrade is answered with.
  explicit FakeHost(Script script, std::string info = {}, std::string subprotocol = "lectern.v1");
  ~FakeHost();
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/?token=t"; }
  [[nodiscard]] int connections() const { return connections_; }
  /// Takes connections and says nothing.
  void be_silent() { silent_ = true; }

  static std::string ready(const std::string& protocol = "lectern.v1");
  static std::string replay_complete();

 private:
  void run();
  Script script_;
  std::string info_, subprotocol_;
  int listener_ = -1, port_ = 0;
  std::mutex mutex_;
  int current_ = -1;
  bool stop_ = false;
  std::atomic<int> connections_{0};
  std::atomic<bool> silent_{false};
  std::thread thread_;
};

/// Fails the test with the error's text.
template <class T>
::testing::AssertionResult ok(const Result<T>& result) {
  if (result) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << result.error().text();
}

}  // namespace lectern::client::testing
