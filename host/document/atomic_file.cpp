#include "document/atomic_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <memory>

#include "base/crypto.hpp"
#include "base/text.hpp"

namespace lectern::document {
namespace {

constexpr std::string_view marker = ".lectern-";

// Hidden, so that listings leave it out, and never longer than a name may be.
std::string temporary_prefix(const std::string& name) {
  return "." + name.substr(0, 200) + std::string(marker);
}

enum class Over { what_is_there, nothing };

// Gives the temporary file its name; the failure is an errno, 0 = done.
int put_in_place(int folder, const std::string& temporary, const std::string& name, Over over) {
  if (over == Over::what_is_there) return ::renameat(folder, temporary.c_str(), folder, name.c_str()) == 0 ? 0 : errno;
  if (::renameat2(folder, temporary.c_str(), folder, name.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // Some file systems cannot rename without replacing; a second name never replaces anything.
  if (::linkat(folder, temporary.c_str(), folder, name.c_str(), 0) != 0) return errno;
  ::unlinkat(folder, temporary.c_str(), 0);
  return 0;
}

Result<Descriptor> put_file(const std::string& path, std::string_view bytes, unsigned mode,
                            const std::optional<Ownership>& owner,
                            const std::function<Status(int file)>& before_replacing, Over over) {
  const std::string safe = over == Over::nothing ? "Nothing was written." : "The file is as it was before.";
  const std::string folder_path = folder_of(path);
  const std::string name = name_of(path);
  LECTERN_TRY(const Descriptor folder, open_no_links(folder_path, O_RDONLY | O_DIRECTORY));
  const std::string temporary = temporary_prefix(name) + text::to_hex(crypto::random_bytes(6));
  Descriptor fd(::openat(folder.get(), temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) return fail(system_error(errno, "write", path, safe));
  const auto give_up = [&](int error, std::string_view doing) {
    ::unlinkat(folder.get(), temporary.c_str(), 0);
    return fail(system_error(error, doing, path, safe));
  };
  if (owner) {
    // The owner first: changing it may clear mode bits. Not being allowed to is no reason not to save.
    struct stat info {};
    if (::fstat(fd.get(), &info) == 0 && (info.st_uid != owner->uid || info.st_gid != owner->gid)) {
      [[maybe_unused]] const int ignored = ::fchown(fd.get(), owner->uid, owner->gid);
    }
    if (::fchmod(fd.get(), owner->mode & 07777) != 0) return give_up(errno, "write");
  }
  if (const int error = write_all(fd.get(), bytes); error != 0) return give_up(error, "write");
  if (::fsync(fd.get()) != 0) return give_up(errno, "write");
  if (before_replacing) {
    if (auto allowed = before_replacing(fd.get()); !allowed) {
      ::unlinkat(folder.get(), temporary.c_str(), 0);
      return fail(std::move(allowed).error());
    }
  }
  if (const int error = put_in_place(folder.get(), temporary, name, over); error != 0) {
    if (error != EEXIST || over == Over::what_is_there) return give_up(error, "replace");
    ::unlinkat(folder.get(), temporary.c_str(), 0);
    return fail(409, "path_exists", "There is something at " + path + " already. " + safe,
                "Choose another name, or say that it is to be replaced.");
  }
  if (::fsync(folder.get()) != 0) {
    return fail(system_error(errno, "make durable", path, "The new content is there, but a power cut may undo it."));
  }
  return fd;
}

}  // namespace

Result<Descriptor> replace_file(const std::string& path, std::string_view bytes, unsigned mode,
                                const std::optional<Ownership>& owner,
                                const std::function<Status(int file)>& before_replacing) {
  return put_file(path, bytes, mode, owner, before_replacing, Over::what_is_there);
}

Result<Descriptor> create_file(const std::string& path, std::string_view bytes, unsigned mode) {
  return put_file(path, bytes, mode, std::nullopt, {}, Over::nothing);
}

namespace {

// Calls `remove_it(name, age in seconds)` for each entry of the folder.
template <class Decide>
void remove_where(const std::string& path, Decide remove_it) {
  auto folder = open_no_links(path, O_RDONLY | O_DIRECTORY);
  if (!folder) return;
  DIR* raw = ::fdopendir(folder->get());
  if (raw == nullptr) return;
  const int fd = folder->release();
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(raw, ::closedir);
  while (const dirent* item = ::readdir(dir.get())) {
    struct stat info {};
    if (::fstatat(fd, item->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode)) continue;
    if (remove_it(std::string_view(item->d_name), std::time(nullptr) - info.st_mtim.tv_sec)) {
      ::unlinkat(fd, item->d_name, 0);
    }
  }
}

}  // namespace

void remove_leftovers(const std::string& path) {
  const std::string prefix = temporary_prefix(name_of(path));
  remove_where(folder_of(path), [&](std::string_view name, std::time_t age) {
    // Another process may be in the middle of a save; a minute is longer than any.
    return name.substr(0, prefix.size()) == prefix && age > 60;
  });
}

void remove_all_leftovers(const std::string& folder) {
  remove_where(folder, [](std::string_view name, std::time_t) {
    return name.front() == '.' && name.find(marker) != std::string_view::npos;
  });
}

Status make_folders(const std::string& path) {
  for (std::size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at);
    const std::string part = path.substr(0, at);
    if (at != std::string::npos) ++at;
    if (::mkdir(part.c_str(), 0700) == 0) {
      // What is put into it is only as durable as its own name is.
      const Descriptor above(::open(folder_of(part).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (!above || ::fsync(above.get()) != 0) {
        const int error = errno;
        ::rmdir(part.c_str());
        return fail(system_error(error, "make the folder", part));
      }
    } else if (errno != EEXIST) {
      return fail(system_error(errno, "make the folder", part));
    }
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return fail(system_error(ENOTDIR, "use", path));
  return {};
}

}  // namespace lectern::document
