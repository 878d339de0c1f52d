#include "plugin/staging.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>

#include "base/crypto.hpp"

namespace lectern::plugin {

namespace {

namespace fs = std::filesystem;
constexpr std::uintmax_t max_library_bytes = 256u << 20;

tl::unexpected<Error> failed(const fs::path& path, const std::string& what) {
  return fail(
      500, "staging_failed", path.string() + ": " + what + ": " + std::strerror(errno),
      "Plugins are copied there before they are loaded; give the host a state folder of its own (--state-dir).");
}

/// Makes `path` when needed; what others may write into is refused, for they could swap the code under us.
Status private_folder(const fs::path& path) {
  struct stat info {};
  // Looked at first: on a disk that takes nothing, what is there still serves.
  const bool missing = ::lstat(path.c_str(), &info) != 0;
  if (missing && ::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return failed(path, "the folder cannot be made");
  }
  if (::lstat(path.c_str(), &info) != 0) return failed(path, "the folder cannot be looked at");
  if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 0022) != 0) {
    return fail(500, "staging_failed", path.string() + " is not a folder that this user alone may write",
                "Remove it or mend its owner and mode (0700).");
  }
  return {};
}

std::optional<std::string> read_all(const fs::path& path, std::uintmax_t size) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string bytes(static_cast<std::size_t>(size), '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return bytes;
}

bool holds(const fs::path& path, const std::string& sha256) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error || size > max_library_bytes || fs::is_symlink(path, error)) return false;
  const auto bytes = read_all(path, size);
  return bytes && crypto::sha256_hex(*bytes) == sha256;
}

Status write_new(const fs::path& path, const std::string& bytes) {
  const fs::path temporary = path.string() + "." + std::to_string(::getpid()) + ".tmp";
  ::unlink(temporary.c_str());
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return failed(temporary, "cannot be made");
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  const bool whole = ::close(fd) == 0 && done == bytes.size();
  if (!whole || ::rename(temporary.c_str(), path.c_str()) != 0) {
    const auto error = failed(path, "cannot be written");
    ::unlink(temporary.c_str());
    return error;
  }
  return {};
}

/// An open folder with a lock on it: shared by who uses what is in it, exclusive by who removes it.
class FolderLock {
 public:
  FolderLock(const fs::path& folder, int operation)
      : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) {
    int got = -1;
    while (fd_ >= 0 && (got = ::flock(fd_, operation)) != 0 && errno == EINTR) {
    }
    locked_ = got == 0;
  }
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  [[nodiscard]] bool locked() const { return locked_; }
  /// False when the folder was removed, and perhaps made anew, while we waited.
  [[nodiscard]] bool is_still(const fs::path& folder) const {
    struct stat ours {
    }, there{};
    return ::fstat(fd_, &ours) == 0 && ::lstat(folder.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
           ours.st_dev == there.st_dev;
  }

 private:
  int fd_;
  bool locked_ = false;
};

/// Makes the folder and holds it, whoever prunes meanwhile.
Result<std::shared_ptr<const void>> held_folder(const fs::path& folder) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    LECTERN_CHECK(private_folder(folder));
    auto lock = std::make_shared<const FolderLock>(folder, LOCK_SH);
    if (lock->locked() && lock->is_still(folder)) return std::shared_ptr<const void>(std::move(lock));
  }
  return failed(folder, "the folder cannot be held");
}

}  // namespace

std::size_t prune_staged(const fs::path& root) {
  std::size_t removed = 0;
  std::error_code error;
  fs::directory_iterator entry(root / "plugins", error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code gone;
    if (!entry->is_directory(gone) || entry->is_symlink(gone)) continue;
    const FolderLock lock(entry->path(), LOCK_EX | LOCK_NB);
    if (!lock.locked() || !lock.is_still(entry->path())) continue;
    if (fs::remove_all(entry->path(), gone) > 0 && !gone) ++removed;
  }
  return removed;
}

Result<Staged> stage_library(const fs::path& library, const fs::path& root, const std::string& expected) {
  std::error_code error;
  const auto size = fs::file_size(library, error);
  if (error) return fail(404, "not_found", library.string() + ": " + error.message(), "Install the plugin again.");
  if (size > max_library_bytes) {
    return fail(413, "too_large", library.string() + " has " + std::to_string(size) + " bytes", "256 MiB is the most.");
  }
  const auto bytes = read_all(library, size);
  if (!bytes) return failed(library, "cannot be read");
  Staged staged{{}, crypto::sha256_hex(*bytes), nullptr};
  if (!expected.empty() && expected != staged.sha256) {
    return fail(409, "content_mismatch",
                library.string() + " has the hash " + staged.sha256 + ", its manifest says " + expected,
                "The file was changed after it was built: install the plugin again.");
  }
  fs::create_directories(root, error);
  LECTERN_CHECK(private_folder(root / "plugins"));
  const fs::path folder = root / "plugins" / staged.sha256;
  LECTERN_TRY(staged.held, held_folder(folder));
  staged.path = folder / library.filename();
  if (holds(staged.path, staged.sha256)) return staged;
  LECTERN_CHECK(write_new(staged.path, *bytes));
  if (!holds(staged.path, staged.sha256)) {
    return fail(500, "staging_failed", staged.path.string() + " does not hold what was written to it",
                "Check the disk.");
  }
  return staged;
}

}  // namespace lectern::plugin
