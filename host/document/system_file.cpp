#include "document/system_file.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/clock.hpp"
#include "base/large_buffer.hpp"

namespace lectern::document {

void Descriptor::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Error system_error(int code, std::string_view doing, std::string_view path, std::string_view safe) {
  Error error;
  error.message = "Cannot " + std::string(doing) + " " + std::string(path) + ": ";
  switch (code) {
    case ENOENT:
    case ENOTDIR:
      error.status = 404;
      error.code = "not_found";
      error.message += "it does not exist.";
      error.hint = "Check the path.";
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      error.status = 403;
      error.code = "permission_denied";
      error.message += code == EROFS ? "the file system is read-only." : "this process has no permission.";
      error.hint = "Give the host's user the right, or save under another path.";
      break;
    case ELOOP:
      error.status = 403;
      error.code = "outside_root";
      error.message += "a link was put in its way.";
      error.hint = "Open it again by its real path.";
      break;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      error.status = 507;
      error.code = "disk_full";
      error.message += code == EDQUOT  ? "the disk quota is used up."
                       : code == EFBIG ? "the file would pass the size limit of this process."
                                       : "the disk is full.";
      error.hint = "Free some space; nothing needs to be done again afterwards.";
      break;
    default:
      error.status = 500;
      error.code = "io_error";
      error.message += std::string(std::strerror(code)) + ".";
      error.hint = "Look at the disk and the system's log.";
  }
  if (!safe.empty()) error.message += " " + std::string(safe);
  return error;
}

namespace {

int open_beneath_walk(const std::string& path, int flags, unsigned mode) {
  Descriptor folder(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  std::size_t at = 1;
  while (folder) {
    const auto slash = path.find('/', at);
    const std::string name = path.substr(at, slash == std::string::npos ? std::string::npos : slash - at);
    const bool last = slash == std::string::npos;
    if (name == "..") return errno = ELOOP, -1;
    const int fd =
        last ? ::openat(folder.get(), name.empty() ? "." : name.c_str(), flags | O_NOFOLLOW, mode)
             : ::openat(folder.get(), name.empty() ? "." : name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (last) return fd;
    folder = Descriptor(fd);
    at = slash + 1;
  }
  return -1;
}

FileState state_of(const struct stat& info) {
  FileState state;
  state.size = static_cast<std::uint64_t>(info.st_size);
  state.mtime_ns = std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  state.ctime_ns = std::int64_t{info.st_ctim.tv_sec} * 1'000'000'000 + info.st_ctim.tv_nsec;
  state.device = info.st_dev;
  state.inode = info.st_ino;
  state.mode = info.st_mode;
  state.uid = info.st_uid;
  state.gid = info.st_gid;
  return state;
}

// FAT's clock ticks every 2 s, and what it and exFAT write are multiples of 10 ms. A time of change that is none comes
// from a file system that keeps what the kernel's clock says, which ticks every 10 ms at the slowest.
bool settled(const FileState& state) {
  constexpr std::int64_t coarsest_ns = 2'000'000'000, fine_ns = 100'000'000, coarse_unit_ns = 10'000'000;
  const auto tick = state.ctime_ns % coarse_unit_ns == 0 ? coarsest_ns : fine_ns;
  return clock::wall_ms() * 1'000'000 - std::max(state.ctime_ns, state.mtime_ns) > tick;
}

std::string megabytes(std::uint64_t bytes) {
  return bytes < (1u << 20) ? std::to_string(bytes) + " bytes" : std::to_string(bytes >> 20) + " MiB";
}

}  // namespace

std::optional<FileState> state_of(const Descriptor& file) {
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return std::nullopt;
  return state_of(info);
}

Result<Descriptor> open_no_links(const std::string& path, int flags, unsigned mode) {
  flags |= O_CLOEXEC;
  open_how how{};
  how.flags = static_cast<unsigned>(flags);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  int fd = static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how));
  // Old kernels do not have openat2, and some container sandboxes answer EPERM for what they do not know.
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) fd = open_beneath_walk(path, flags, mode);
  if (fd < 0) return fail(system_error(errno, "open", path));
  return Descriptor(fd);
}

int write_all(int fd, std::string_view bytes) {
  // For much at once the kernel caches in large stretches of memory, which a virtual machine often has to get back from
  // its host first: 24 MB took 50 ms of CPU as a whole and 7 in pieces (ext4, Linux 6.18).
  constexpr std::size_t piece = 128u << 10;
  while (!bytes.empty()) {
    const auto n = ::write(fd, bytes.data(), std::min(bytes.size(), piece));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return ENOSPC;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

int write_all_at(int fd, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const auto n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return ENOSPC;
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return 0;
}

namespace {

ssize_t read_some(int fd, char* to, std::size_t size) {
  for (;;) {
    const auto n = ::read(fd, to, size);
    if (n >= 0 || errno != EINTR) return n;
  }
}

// `read(fd, state)` gives the bytes it read, or -1 with errno. Again when the file changed meanwhile.
template <class Read>
Result<FileState> read_while_it_stays(const std::string& path, std::uint64_t max_bytes, Read read) {
  for (int attempt = 0;; ++attempt) {
    // Non-blocking, or opening a FIFO would wait for a writer.
    LECTERN_TRY(const Descriptor fd, open_no_links(path, O_RDONLY | O_NONBLOCK));
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return fail(system_error(errno, "read", path));
    if (!S_ISREG(info.st_mode)) {
      return fail(400, S_ISDIR(info.st_mode) ? "is_a_folder" : "not_a_file",
                  path + (S_ISDIR(info.st_mode) ? " is a folder, not a file." : " is not a regular file."),
                  "Name a notebook file.");
    }
    const FileState state = state_of(info);
    if (state.size > max_bytes) {
      return fail(413, "too_large",
                  path + " has " + megabytes(state.size) + "; files up to " + megabytes(max_bytes) + " are opened.",
                  "Raise the limit for the file size in the settings, or clear the notebook's outputs.",
                  R"({"limit":"max_bytes","bytes":)" + std::to_string(state.size) + R"(,"max_bytes":)" +
                      std::to_string(max_bytes) + "}");
    }
    const std::int64_t done = read(fd.get(), state);
    if (done < 0 || ::fstat(fd.get(), &info) != 0) return fail(system_error(errno, "read", path));
    if (static_cast<std::uint64_t>(done) == state.size && state_of(info) == state) return state;
    if (attempt == 4) {
      return fail(409, "conflict", path + " changes faster than it can be read.", "Wait until its writer is done.");
    }
  }
}

}  // namespace

namespace {
constexpr std::size_t large_piece = std::size_t{1} << 20;
}

Result<ReadFile> read_whole(const std::string& path, std::uint64_t max_bytes) {
  ReadFile file;
  const auto whole = [&file](int fd, const FileState& state) -> std::int64_t {
    file.settled = settled(state);
    const auto size = static_cast<std::size_t>(state.size);
    file.bytes.clear();
    reserve_large(file.bytes, size);
    // A string gives no room to read into that it has not filled with zeros, which costs more than this second copy,
    // from what the processor still has in its own memory.
    const auto buffer = std::make_unique_for_overwrite<char[]>(std::min(size, large_piece));
    while (file.bytes.size() < size) {
      const auto n = read_some(fd, buffer.get(), std::min(size - file.bytes.size(), large_piece));
      if (n < 0) return -1;
      if (n == 0) break;
      file.bytes.append(buffer.get(), static_cast<std::size_t>(n));
    }
    return static_cast<std::int64_t>(file.bytes.size());
  };
  LECTERN_TRY(file.state, read_while_it_stays(path, max_bytes, whole));
  return file;
}

Result<FileState> read_in_pieces(const std::string& path, const std::function<void()>& begin,
                                 const std::function<void(std::string_view)>& take) {
  constexpr std::size_t piece = 128u << 10;  // stays in the processor's own memory between reading and looking
  const auto buffer = std::make_unique_for_overwrite<char[]>(piece);
  return read_while_it_stays(path, UINT64_MAX, [&](int fd, const FileState& state) -> std::int64_t {
    begin();
    std::uint64_t done = 0;
    while (done <= state.size) {  // one that grows as it is read is not read on
      const auto n = read_some(fd, buffer.get(), piece);
      if (n < 0) return -1;
      if (n == 0) break;
      take({buffer.get(), static_cast<std::size_t>(n)});
      done += static_cast<std::uint64_t>(n);
    }
    return static_cast<std::int64_t>(done);
  });
}

bool is_in_state(const std::string& path, const FileState& state) {
  // Opening makes a network file system ask its server; a path alone is answered from what was cached.
  const auto fd = open_no_links(path, O_RDONLY | O_NONBLOCK);
  struct stat info {};
  return fd && ::fstat(fd->get(), &info) == 0 && state_of(info) == state;
}

bool may_write(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return false;
  if ((info.st_mode & 0222) == 0) return false;
  return ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0;
}

std::string folder_of(std::string_view path) {
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

std::string name_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

bool is_at_or_below(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace lectern::document
