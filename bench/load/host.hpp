// The host under test: a process of its own in folders of its own, and plain blocking HTTP to it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace load {

class Host {
 public:
  /// Starts `binary serve <temp root> --port 0 args...`; ends the program with a message when it does not come up.
  /// `beside`: another host of the same person, whose state, settings and runtime folders it shares.
  Host(const std::string& binary, const std::vector<std::string>& args, const Host* beside = nullptr);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  /// One request on a fresh connection; ends the program on a status of 400 or more.
  lectern::json::Value request(const std::string& method, const std::string& path, const std::string& body = "",
                               std::vector<std::string> headers = {});
  /// Writes a file below the root.
  void write(const std::string& name, const std::string& text) const;
  /// Writes a kernelspec that starts `argv` (JSON array), found beside those of the machine.
  void add_kernel(const std::string& name, const std::string& argv) const;
  /// The kernel "python3", by this interpreter: the same as beside it, wherever the driver is started.
  void add_ipykernel(const std::string& python) const;
  [[nodiscard]] std::string open(const std::string& name);  // session id
  [[nodiscard]] double resident_mb() const;
  [[nodiscard]] double anonymous_mb() const;  // of that, what is no file's
  /// Waits until no session is left, and until the host has come to rest after them.
  void settle();
  /// Waits until it has given memory back.
  void rest();

  [[nodiscard]] int pid() const { return pid_; }
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] const std::string& token() const { return token_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] double start_ms() const { return start_ms_; }

 private:
  std::string folder_;
  int pid_ = -1;
  int out_ = -1;
  int port_ = 0;
  std::string token_;
  double start_ms_ = 0;
};

/// Prints and ends with 1: a benchmark that goes on after an error measures nothing.
[[noreturn]] void give_up(const std::string& why);
/// A connected TCP socket to loopback with TCP_NODELAY.
int dial(int port);
void write_all(int fd, std::string_view bytes);

}  // namespace load
