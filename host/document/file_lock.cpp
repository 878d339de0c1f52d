#include "document/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstdint>
#include <utility>

namespace lectern::document {
namespace {

// Of linux/magic.h, which has the second since 5.15 only.
constexpr std::uint32_t cifs = 0xff534d42, smb2 = 0xfe534d42;

bool locks_keep_readers_out(int file) {
  struct statfs system {};
  if (::fstatfs(file, &system) != 0) return true;
  const auto type = static_cast<std::uint32_t>(system.f_type);
  return type == cifs || type == smb2;
}

}  // namespace

Result<Descriptor> lock_file(Descriptor file, const std::string& path) {
  if (locks_keep_readers_out(file.get())) return Descriptor();
  while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return Descriptor();
    return fail(423, "open_elsewhere",
                path + " is open in another host, of somebody else or started in another way (XDG_RUNTIME_DIR).",
                "Close it there first, or open it here to watch.", R"({"holder":null})");
  }
  return file;
}

Result<Descriptor> lock_file_at(const std::string& path, std::uint64_t device, std::uint64_t inode) {
  if (!may_write(path)) return Descriptor();
  Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0 || info.st_dev != device || info.st_ino != inode) return Descriptor();
  return lock_file(std::move(file), path);
}

}  // namespace lectern::document
