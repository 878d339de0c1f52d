#include "runtime/blob_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/crypto.hpp"
#include "base/write_all.hpp"

namespace lectern::runtime {
namespace fs = std::filesystem;
namespace {

// A blob's file: this word, its media type, a newline, its bytes. One file, so that one rename publishes both.
constexpr std::string_view magic = "lectern-blob/1 ";

// Functions that say how they failed: an errno, 0 = done.

int sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int failure = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  return failure;
}

int put_in_place(const fs::path& file, const Blob& blob) {
  static std::atomic<std::uint64_t> counter{0};
  const auto temp = file.parent_path() / ("." + file.filename().string() + "." + std::to_string(::getpid()) + "." +
                                          std::to_string(++counter) + ".tmp");
  const int fd = ::open(temp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  int failure = write_all(fd, std::string(magic) + blob.media_type + "\n");
  if (failure == 0) failure = write_all(fd, *blob.bytes);
  if (failure == 0 && ::fsync(fd) != 0) failure = errno;
  ::close(fd);
  if (failure == 0 && ::rename(temp.c_str(), file.c_str()) != 0) failure = errno;
  if (failure != 0) ::unlink(temp.c_str());
  return failure;
}

int read_all(int fd, std::string& bytes) {
  struct stat about {};
  if (::fstat(fd, &about) != 0) return errno;
  if (about.st_size <= 0 || static_cast<std::uint64_t>(about.st_size) > BlobFiles::max_blob) return 0;
  bytes.resize(static_cast<std::size_t>(about.st_size));
  std::size_t at = 0;
  while (at < bytes.size()) {
    const auto count = ::read(fd, bytes.data() + at, bytes.size() - at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) break;
    at += static_cast<std::size_t>(count);
  }
  bytes.resize(at);
  return 0;
}

unsigned folder_number(std::string_view sha256) {
  const auto digit = [](char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); };
  return digit(sha256[0]) * 16 + digit(sha256[1]);
}

}  // namespace

fs::path BlobFiles::path_of(std::string_view sha256) const {
  return directory_ / std::string(sha256.substr(0, 2)) / std::string(sha256.substr(2));
}

/// One that is there may be of a host that was killed before it synced its name.
int BlobFiles::make_folder(const fs::path& folder) {
  std::error_code problem;
  const bool made = fs::create_directories(folder, problem);
  if (problem) return problem.value();
  ::chmod(directory_.c_str(), 0700);
  auto& named = named_[folder_number(folder.filename().string())];
  if (named && !made) return 0;
  int failure = sync_folder(directory_);
  if (failure == 0) failure = sync_folder(directory_.parent_path());
  named = failure == 0;
  return failure;
}

Status BlobFiles::write(std::string_view sha256, const Blob& blob) {
  const auto file = path_of(sha256);
  int failure = make_folder(file.parent_path());
  struct stat about {};
  if (failure == 0 && ::lstat(file.c_str(), &about) != 0) {
    failure = errno == ENOENT ? put_in_place(file, blob) : errno;
  } else if (failure == 0) {
    ::utimensat(AT_FDCWD, file.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
  }
  if (failure == 0) failure = sync_folder(file.parent_path());
  if (failure == 0) return {};
  return fail(500, "blob_unwritten", "cannot write " + file.string() + ": " + std::strerror(failure));
}

Result<Blob> BlobFiles::read(std::string_view sha256) const {
  const auto file = path_of(sha256);
  const auto unreadable = [&](int failure) {
    return fail(500, "blob_unreadable", "cannot read " + file.string() + ": " + std::strerror(failure),
                "it may be there all the same: try again, or see to its rights and to the disk");
  };
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno != ENOENT) return unreadable(errno);
  if (fd < 0) {
    return fail(404, "blob_not_found", "there is no output or buffer " + std::string(sha256),
                "it may belong to a session that ended long ago");
  }
  std::string bytes;
  const int failure = read_all(fd, bytes);
  ::futimens(fd, nullptr);  // BlobStore::collect goes by this time
  ::close(fd);
  if (failure != 0) return unreadable(failure);
  const auto newline = bytes.find('\n');
  if (!bytes.starts_with(magic) || newline == std::string::npos || newline > magic.size() + max_media_type) {
    return fail(500, "blob_damaged", file.string() + " is not a blob of ours");
  }
  Blob blob;
  blob.media_type = bytes.substr(magic.size(), newline - magic.size());
  bytes.erase(0, newline + 1);
  if (crypto::sha256_hex(bytes) != sha256) {
    return fail(500, "blob_damaged", file.string() + " does not hold what its name says", "check the disk");
  }
  blob.bytes = std::make_shared<const std::string>(std::move(bytes));
  return blob;
}

}  // namespace lectern::runtime
