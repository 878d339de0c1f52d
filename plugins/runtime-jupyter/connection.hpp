// The lines to one kernel run, its connection file, and its key. Made anew for every start.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "watcher.hpp"
#include "wire.hpp"
#include "zmtp_peer.hpp"

namespace jupyter {

enum class Line : unsigned { iopub, shell, input, control, heartbeat };
inline constexpr unsigned line_count = 5;

struct KeptSession {
  std::string id;
};

class Connection {
 public:
  /// Chooses free ports, writes the connection file (mode 0600) into `folder`, and connects the lines on which a kernel
  /// speaks unasked; one that binds later is tried again and again. Lines are watched as the slots of `owner`
  /// that have their numbers. Throws lectern::sdk::Failure.
  Connection(Watcher& watcher, std::uint64_t owner, const std::filesystem::path& folder,
             const std::string& kernel_name);
  /// The lines to a kernel that runs: `file` as an earlier host wrote it, `session` as its messages named it, so that
  /// the kernel knows us as the one it spoke with. Throws lectern::sdk::Failure.
  Connection(Watcher& watcher, std::uint64_t owner, const std::filesystem::path& file, const KeptSession& session);
  /// Closes and removes the file, unless it was told to leave it.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] const std::filesystem::path& file() const { return file_; }
  void leave_file() { file_.clear(); }

  /// Connected when it is first asked for: most kernels are never told anything on the control line.
  zmtp::Peer& line(Line which);
  /// Null when nobody asked for it yet: then there is nothing to read.
  zmtp::Peer* opened(Line which) { return lines_.at(static_cast<std::size_t>(which)).get(); }
  /// Reads and writes what can be on the lines of these slots, and on those that are due. Answers with the slots of all
  /// of them.
  unsigned serve(unsigned slots, std::int64_t now_ms);
  /// When serve() is to be called even if nothing comes.
  [[nodiscard]] std::int64_t due_ms() const;

  Wire wire;

 private:
  void open_unasked();

  Watcher& watcher_;
  std::uint64_t owner_;
  std::array<int, line_count> ports_{};  // of the lines, in their order
  std::array<std::unique_ptr<zmtp::Peer>, line_count> lines_;
  std::filesystem::path file_;
};

/// Where connection files go: `configured`, else $XDG_RUNTIME_DIR/lectern/kernels, else a private folder under the
/// temporary one. Made with mode 0700. Throws lectern::sdk::Failure when it belongs to somebody else.
std::filesystem::path connection_folder(const std::string& configured);

}  // namespace jupyter
