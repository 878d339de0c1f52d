// The lines to one kernel run, its connection file, and its key. Made anew for every start.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <zmq.hpp>

#include "watcher.hpp"
#include "wire.hpp"

namespace jupyter {

enum class Line : unsigned { iopub, shell, input, control, heartbeat };
inline constexpr unsigned line_count = 5;

class Connection {
 public:
  /// Chooses free ports, writes the connection file (mode 0600) into `folder`, and connects the lines on which a kernel
  /// speaks unasked; one that binds later is found by libzmq's own retries. Lines are watched as the slots of `owner`
  /// that have their numbers. Throws lectern::sdk::Failure.
  Connection(zmq::context_t& context, Watcher& watcher, std::uint64_t owner, const std::filesystem::path& folder,
             const std::string& kernel_name);
  /// Closes and removes the file.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

  /// Connected when it is first asked for: most kernels are never told anything on the control line, and each open line
  /// costs tens of kilobytes here and a connection there. What has been said on a line is to be followed by
  /// Watcher::again: a send may take the signal of what came in meanwhile.
  zmq::socket_t& line(Line which);
  /// Null when nobody asked for it yet: then there is nothing to read.
  zmq::socket_t* opened(Line which);

  Wire wire;

 private:
  struct Open {
    zmq::socket_t socket;
    Watched watched;
  };

  zmq::context_t& context_;
  Watcher& watcher_;
  std::uint64_t owner_;
  std::array<int, line_count> ports_;  // of the lines, in their order
  std::array<std::optional<Open>, line_count> lines_;
  std::filesystem::path file_;
};

/// Where connection files go: `configured`, else $XDG_RUNTIME_DIR/lectern/kernels, else a private folder under the
/// temporary one. Made with mode 0700. Throws lectern::sdk::Failure when it belongs to somebody else.
std::filesystem::path connection_folder(const std::string& configured);

}  // namespace jupyter
