// The five sockets of one kernel run, its connection file, and its key. Made anew for every start.
#pragma once

#include <filesystem>
#include <string>
#include <zmq.hpp>

#include "wire.hpp"

namespace jupyter {

class Connection {
 public:
  /// Chooses free ports, writes the connection file (mode 0600) into `folder`, and connects; a kernel that binds later
  /// is found by libzmq's own retries. Throws lectern::sdk::Failure.
  Connection(zmq::context_t& context, const std::filesystem::path& folder, const std::string& kernel_name);
  /// Closes and removes the file.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

  Wire wire;
  zmq::socket_t shell, iopub, input, control, heartbeat;

 private:
  std::filesystem::path file_;
};

/// Where connection files go: `configured`, else $XDG_RUNTIME_DIR/lectern/kernels, else a private folder under the
/// temporary one. Made with mode 0700. Throws lectern::sdk::Failure when it belongs to somebody else.
std::filesystem::path connection_folder(const std::string& configured);

}  // namespace jupyter
