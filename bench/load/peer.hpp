// Somebody else's server, started by a script of bench/peers that installs it first when it is not there.
#pragma once

#include <string>
#include <vector>

namespace load {

class Peer {
 public:
  /// Runs `script args...` and reads its standard output until a line `listening PORT`. Ends the program when the
  /// script ends before.
  Peer(const std::string& script, const std::vector<std::string>& args);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] int pid() const { return pid_; }  // the server's own: scripts end in exec

 private:
  int pid_ = -1, out_ = -1, port_ = 0;
};

/// Runs a script to its end; what it printed. Ends the program when it failed.
std::string run_script(const std::string& script, const std::vector<std::string>& args);

}  // namespace load
