// The operating system's files behind Results: descriptors that close themselves, opening without links, whole reads
// and writes, and errors that name the path.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"

namespace lectern::document {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { reset(); }
  void reset();
  /// Gives the descriptor away.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// [any] The Error for `code` (an errno) of `doing` ("read", "write", "replace") at `path`: 404 `not_found`, 403
/// `permission_denied`, 403 `outside_root` (a link where none may be), 507 `disk_full`, 500 `io_error`. `safe` says
/// what state things are in now.
Error system_error(int code, std::string_view doing, std::string_view path, std::string_view safe = {});

/// [worker] Opens an absolute path in which no component may be a link. O_CLOEXEC is added.
Result<Descriptor> open_no_links(const std::string& path, int flags, unsigned mode = 0);

/// [worker] Writes all of `bytes` at the descriptor's position. The failure is an errno, 0 = ok.
int write_all(int fd, std::string_view bytes);
/// [worker] As above, at `offset`.
int write_all_at(int fd, std::string_view bytes, std::uint64_t offset);

struct FileState {
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0, ctime_ns = 0;
  std::uint64_t device = 0, inode = 0;
  unsigned mode = 0, uid = 0, gid = 0;
  bool operator==(const FileState&) const = default;
};
/// [worker] Of an open file; nullopt when the system does not say.
std::optional<FileState> state_of(const Descriptor& file);
struct ReadFile {
  std::string bytes;
  FileState state;
  /// Its last change was longer ago than a tick of its file system's clock when it was read (two changes in one tick
  /// have one time; FAT's lasts 2 s): as long as the state is this one, so is the content.
  bool settled = false;
};
/// [worker] The whole regular file at `path`, read again when it changed meanwhile. 413 `too_large` past `max_bytes`,
/// before anything is read.
Result<ReadFile> read_whole(const std::string& path, std::uint64_t max_bytes);
/// [worker] The same file, of any size, in pieces: `begin`, then `take` for each, all anew when it changed meanwhile.
Result<FileState> read_in_pieces(const std::string& path, const std::function<void()>& begin,
                                 const std::function<void(std::string_view)>& take);
/// [worker] The file at `path` is in this state.
bool is_in_state(const std::string& path, const FileState& state);

/// [worker] False when nobody has, or this process lacks, the right to write `path`. Root may write everything, but a
/// file without any write bit was meant to stay as it is.
bool may_write(const std::string& path);

/// The folder part of an absolute path ("/" for "/a") and the name.
std::string folder_of(std::string_view path);
std::string name_of(std::string_view path);
/// [any] `path` is `folder`, or is in it or in one of its folders; both absolute and canonical. Pure.
bool is_at_or_below(std::string_view path, std::string_view folder);

}  // namespace lectern::document
