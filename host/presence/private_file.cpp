#include "presence/private_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "base/write_all.hpp"

namespace lectern::presence {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t most_private_bytes = 16u << 20;

tl::unexpected<Error> cannot_write(const fs::path& file, int code) {
  return fail(500, "state_dir_unwritable", "cannot write " + file.string() + ": " + std::strerror(code),
              "give a folder of your own with --state-dir");
}

/// A new file beside `file`, synced to disk. Its name is random: threads and processes make theirs at once.
Result<fs::path> written_beside(const fs::path& file, std::string_view bytes) {
  std::error_code ignored;
  fs::create_directories(file.parent_path(), ignored);
  auto temp =
      file.parent_path() / ("." + file.filename().string() + "." + text::to_hex(crypto::random_bytes(6)) + ".tmp");
  const int fd = ::open(temp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return cannot_write(file, errno);
  int code = write_all(fd, bytes);
  if (code == 0 && ::fsync(fd) != 0) code = errno;
  ::close(fd);
  if (code == 0) return temp;
  ::unlink(temp.c_str());
  return cannot_write(file, code);
}

void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

Status replace_private(const fs::path& file, std::string_view bytes) {
  LECTERN_TRY(const auto temp, written_beside(file, bytes));
  if (::rename(temp.c_str(), file.c_str()) != 0) {
    const int code = errno;
    ::unlink(temp.c_str());
    return cannot_write(file, code);
  }
  sync_folder(file.parent_path());
  return {};
}

Status make_private(const fs::path& file, std::string_view bytes) {
  LECTERN_TRY(const auto temp, written_beside(file, bytes));
  const int code = ::link(temp.c_str(), file.c_str()) == 0 || errno == EEXIST ? 0 : errno;
  ::unlink(temp.c_str());
  if (code != 0) return cannot_write(file, code);
  sync_folder(file.parent_path());
  return {};
}

std::string read_private(const fs::path& file) {
  std::string bytes;
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return bytes;
  struct stat facts {};
  if (::fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode)) {
    char part[4096];
    while (bytes.size() < most_private_bytes) {
      const auto count = ::read(fd, part, sizeof part);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      bytes.append(part, static_cast<std::size_t>(count));
    }
  }
  ::close(fd);
  return bytes;
}

}  // namespace lectern::presence
