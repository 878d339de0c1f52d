#include "document/file_names.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include "document/system_file.hpp"

namespace lectern::document {
namespace {

constexpr int deepest = 100;  // a descriptor each

Result<Descriptor> open_folder(const std::string& path) {
  return open_no_links(path, O_RDONLY | O_DIRECTORY);
}

tl::unexpected<Error> name_is_taken(const std::string& path) {
  return fail(409, "path_exists", "There is something at " + path + " already. Nothing was changed.",
              "Choose another name.");
}

Status made_durable(const Descriptor& folder, const std::string& path) {
  if (::fsync(folder.get()) == 0) return {};
  return fail(system_error(errno, "make durable", path, "It is done, but a power cut may undo it."));
}

// Some file systems cannot rename without replacing. A second name of a file replaces nothing; a folder replaces no
// more than an empty one, and that was not there a moment ago.
int rename_in_two_steps(int from, const std::string& name, int to, const std::string& next) {
  struct stat info {};
  if (::fstatat(from, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return errno;
  if (S_ISDIR(info.st_mode)) {
    if (::fstatat(to, next.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) return EEXIST;
    return ::renameat(from, name.c_str(), to, next.c_str()) == 0 ? 0 : errno;
  }
  if (::linkat(from, name.c_str(), to, next.c_str(), 0) != 0) return errno;
  return ::unlinkat(from, name.c_str(), 0) == 0 ? 0 : errno;
}

// The names in a folder, and the folder itself to reach them by.
struct Names {
  std::unique_ptr<DIR, int (*)(DIR*)> dir{nullptr, ::closedir};
  [[nodiscard]] int fd() const { return ::dirfd(dir.get()); }
  /// nullptr at the end.
  const char* next() {
    while (const dirent* item = ::readdir(dir.get())) {
      const std::string_view name = item->d_name;
      if (name != "." && name != "..") return item->d_name;
    }
    return nullptr;
  }
};

Result<Names> names_in(Descriptor folder, const std::string& path) {
  Names names;
  names.dir.reset(::fdopendir(folder.get()));
  if (!names.dir) return fail(system_error(errno, "list", path));
  (void)folder.release();  // closed with the list
  return names;
}

Result<Names> names_below(const Names& above, const char* name, const std::string& path) {
  Descriptor fd(::openat(above.fd(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return fail(system_error(errno, "list", path));
  return names_in(std::move(fd), path);
}

tl::unexpected<Error> too_much(const std::string& path) {
  return fail(413, "too_large", "There is too much in " + path + " to be deleted in one go. Nothing was deleted.",
              "Delete the folders in it first.");
}

Status collect(Names names, const std::string& path, int depth, std::size_t limit, FolderContents& found) {
  if (depth > deepest) return too_much(path);
  while (const char* name = names.next()) {
    if (++found.entries > limit) return too_much(path);
    const auto here = path + "/" + name;
    if (name[0] == '.' && found.hidden.empty()) found.hidden = here;
    struct stat info {};
    if (::fstatat(names.fd(), name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;  // gone meanwhile
    if (S_ISREG(info.st_mode)) found.files.push_back({here, info.st_dev, info.st_ino});
    if (!S_ISDIR(info.st_mode)) continue;
    LECTERN_TRY(auto inner, names_below(names, name, here));
    LECTERN_CHECK(collect(std::move(inner), here, depth + 1, limit, found));
  }
  return {};
}

Status empty_out(Names names, const std::string& path, int depth) {
  if (depth > deepest) return too_much(path);
  while (const char* name = names.next()) {
    const auto here = path + "/" + name;
    struct stat info {};
    if (::fstatat(names.fd(), name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    const bool folder = S_ISDIR(info.st_mode);
    if (folder) {
      LECTERN_TRY(auto inner, names_below(names, name, here));
      LECTERN_CHECK(empty_out(std::move(inner), here, depth + 1));
    }
    if (::unlinkat(names.fd(), name, folder ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT) {
      return fail(system_error(errno, "delete", here, "What is still listed is untouched."));
    }
  }
  return {};
}

}  // namespace

Status make_folder(const std::string& path) {
  LECTERN_TRY(const auto folder, open_folder(folder_of(path)));
  if (::mkdirat(folder.get(), name_of(path).c_str(), 0777) != 0) {
    if (errno == EEXIST) return name_is_taken(path);
    return fail(system_error(errno, "make the folder", path));
  }
  return made_durable(folder, path);
}

Status rename_entry(const std::string& from, const std::string& to) {
  if (to.starts_with(from + "/")) {
    return fail(400, "bad_path", from + " cannot be moved into itself.", "Choose a place outside of it.");
  }
  LECTERN_TRY(const auto source, open_folder(folder_of(from)));
  LECTERN_TRY(const auto target, open_folder(folder_of(to)));
  const auto name = name_of(from), next = name_of(to);
  int problem = ::renameat2(source.get(), name.c_str(), target.get(), next.c_str(), RENAME_NOREPLACE) == 0 ? 0 : errno;
  if (problem == EINVAL || problem == ENOSYS) {
    problem = rename_in_two_steps(source.get(), name, target.get(), next);
  }
  if (problem == EEXIST) return name_is_taken(to);
  if (problem == EXDEV) {
    return fail(409, "other_file_system", to + " is on another file system than " + from + ". Nothing was changed.",
                "Copy it there and delete it here.");
  }
  if (problem == ENAMETOOLONG) return fail(400, "bad_path", "The name of " + to + " is too long.", "Shorten it.");
  if (problem != 0) return fail(system_error(problem, "rename", from, "Nothing was changed."));
  LECTERN_CHECK(made_durable(target, to));
  return made_durable(source, from);
}

Status remove_entry(const std::string& path) {
  LECTERN_TRY(const auto folder, open_folder(folder_of(path)));
  const auto name = name_of(path);
  if (::unlinkat(folder.get(), name.c_str(), 0) != 0) {
    // Of a folder Linux says EISDIR, POSIX EPERM.
    if (errno != EISDIR && errno != EPERM) return fail(system_error(errno, "delete", path, "Nothing was changed."));
    if (::unlinkat(folder.get(), name.c_str(), AT_REMOVEDIR) != 0) {
      if (errno == ENOTEMPTY || errno == EEXIST) {
        return fail(409, "folder_not_empty", path + " is not empty. Nothing was deleted.",
                    "Delete what is in it first, or say that all of it is to go: recursive=true.");
      }
      return fail(system_error(errno == ENOTDIR ? EPERM : errno, "delete", path, "Nothing was changed."));
    }
  }
  return made_durable(folder, path);
}

Result<FolderContents> contents_of(const std::string& path, std::size_t limit) {
  FolderContents found;
  LECTERN_TRY(auto folder, open_folder(path));
  LECTERN_TRY(auto names, names_in(std::move(folder), path));
  LECTERN_CHECK(collect(std::move(names), path, 1, limit, found));
  return found;
}

Status remove_folder(const std::string& path) {
  LECTERN_TRY(auto folder, open_folder(path));
  LECTERN_TRY(auto names, names_in(std::move(folder), path));
  LECTERN_CHECK(empty_out(std::move(names), path, 1));
  return remove_entry(path);
}

}  // namespace lectern::document
