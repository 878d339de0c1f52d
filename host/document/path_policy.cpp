#include "document/path_policy.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <deque>
#include <optional>

#include "base/text.hpp"
#include "document/system_file.hpp"

namespace lectern::document {

struct PathPolicy::State {
  std::string root;   // canonical, without a slash at the end (empty for "/")
  std::string given;  // as the operator wrote it, absolute
  Descriptor fd;
};

namespace {

constexpr int max_links = 40;  // the kernel's own bound

std::string shown(std::string_view path) {
  return "\"" + text::label(path, 200) + "\"";
}

tl::unexpected<Error> outside(std::string_view path) {
  return fail(403, "outside_root", "The path " + shown(path) + " leads outside the folder this host serves.",
              "Use a path inside the served folder, or start the host on another one.");
}
tl::unexpected<Error> not_found(std::string_view path) {
  return fail(404, "not_found", "There is no " + shown(path) + ".", "Check the path, or list its folder.");
}

void push_front(std::deque<std::string>& names, std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const auto slash = path.find('/');
    const auto part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
  }
  names.insert(names.begin(), std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()));
}

// The part of `path` below `root`, or nothing when it is not below it. Lexical.
std::optional<std::string_view> below(std::string_view root, std::string_view path) {
  if (path.substr(0, root.size()) != root) return std::nullopt;
  path.remove_prefix(root.size());
  if (!path.empty() && path.front() != '/') return std::nullopt;
  return path;
}

std::string read_link(int fd) {
  std::string target(PATH_MAX, '\0');
  const auto n = ::readlinkat(fd, "", target.data(), target.size());
  target.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return target;
}

PathKind kind_of(mode_t mode) {
  return S_ISREG(mode) ? PathKind::file : S_ISDIR(mode) ? PathKind::folder : PathKind::other;
}

Status check_text(std::string_view path) {
  const auto bad = [&](const char* why) {
    return fail(400, "bad_path", "The path " + shown(path) + " is refused: " + why,
                "Use a path of UTF-8 text without control characters.");
  };
  if (path.size() >= PATH_MAX) return bad("it is too long.");
  if (!text::valid_utf8(path)) return bad("it is not valid UTF-8.");
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return bad("it holds a control character.");
  }
  return {};
}

// Names what is still to be walked of `path`, or refuses it. An absolute path may reach the root by another spelling
// (through a link above it): then its folder is resolved by the system first, and only the result counts.
Result<std::string> inside(std::string_view given, std::string_view root, std::string_view path) {
  if (path.empty() || path.front() != '/') return std::string(path);
  if (const auto rest = below(root, path)) return std::string(*rest);
  if (const auto rest = below(given, path)) return std::string(*rest);
  char real[PATH_MAX];
  if (::realpath(folder_of(path).c_str(), real) == nullptr) return outside(path);
  const auto rest = below(root, real);
  if (!rest) return outside(path);
  return std::string(*rest) + "/" + name_of(path);
}

struct Walk {
  std::vector<std::string> names;  // canonical so far
  std::vector<Descriptor> folders;
  PathKind kind = PathKind::folder;
};

}  // namespace

PathPolicy::PathPolicy(std::shared_ptr<const State> state) : state_(std::move(state)) {}
PathPolicy::PathPolicy(PathPolicy&&) noexcept = default;
PathPolicy& PathPolicy::operator=(PathPolicy&&) noexcept = default;
PathPolicy::~PathPolicy() = default;

Result<PathPolicy> PathPolicy::create(std::string_view root) {
  char real[PATH_MAX];
  const std::string wanted(root);
  if (::realpath(wanted.c_str(), real) == nullptr) return fail(system_error(errno, "serve", wanted));
  auto state = std::make_shared<State>();
  state->fd = Descriptor(::open(real, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!state->fd) {
    return fail(400, "bad_root", "The root " + shown(root) + " is not a folder.", "Name the folder to serve.");
  }
  state->root = real;
  state->given = wanted;
  while (!state->root.empty() && state->root.back() == '/') state->root.pop_back();
  while (!state->given.empty() && state->given.back() == '/') state->given.pop_back();
  if (state->given.empty() || state->given.front() != '/') state->given = state->root;
  return PathPolicy(std::move(state));
}

const std::string& PathPolicy::root() const {
  static const std::string slash = "/";
  return state_->root.empty() ? slash : state_->root;
}

Result<ResolvedPath> PathPolicy::resolve(std::string_view path) const {
  LECTERN_CHECK(check_text(path));
  LECTERN_TRY(const std::string rest, inside(state_->given, state_->root, path));
  std::deque<std::string> todo;
  push_front(todo, rest);
  Walk walk;
  int links = 0;
  while (!todo.empty()) {
    const std::string name = std::move(todo.front());
    todo.pop_front();
    if (name == "..") {
      if (walk.names.empty()) return outside(path);
      walk.names.pop_back();
      walk.folders.pop_back();
      walk.kind = PathKind::folder;
      continue;
    }
    if (walk.kind != PathKind::folder) return not_found(path);
    const int parent = walk.folders.empty() ? state_->fd.get() : walk.folders.back().get();
    Descriptor fd(::openat(parent, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) {
      if (errno == ENOENT && todo.empty()) {
        walk.names.push_back(name);
        walk.kind = PathKind::missing;
        break;
      }
      if (errno == ENAMETOOLONG) return fail(400, "bad_path", "A name in " + shown(path) + " is too long.");
      return errno == ENOENT || errno == ENOTDIR ? not_found(path) : fail(system_error(errno, "open", path));
    }
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return fail(system_error(errno, "open", path));
    if (S_ISLNK(info.st_mode)) {
      if (++links > max_links) return fail(400, "bad_path", "The links in " + shown(path) + " go in a circle.");
      std::string target = read_link(fd.get());
      if (target.empty()) return not_found(path);
      if (target.front() == '/') {
        const auto inner = below(state_->root, target);
        if (!inner) return outside(path);
        walk = Walk{};
        target = std::string(*inner);
      }
      push_front(todo, target);
      continue;
    }
    walk.kind = kind_of(info.st_mode);
    walk.names.push_back(name);
    walk.folders.push_back(std::move(fd));
  }
  ResolvedPath result;
  for (const auto& name : walk.names) result.relative += (result.relative.empty() ? "" : "/") + name;
  result.path = result.relative.empty() ? root() : state_->root + "/" + result.relative;
  result.kind = walk.kind;
  // Saving replaces the file, so the folder has to be writable as well.
  result.writable = walk.kind == PathKind::folder ? may_write(result.path)
                                                  : may_write(folder_of(result.path)) &&
                                                        (walk.kind == PathKind::missing || may_write(result.path));
  return result;
}

Result<ResolvedName> PathPolicy::resolve_name(std::string_view path) const {
  LECTERN_TRY(const ResolvedPath target, resolve(path));
  const ResolvedName as_resolved{target.path, target.relative, target.kind, false};
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  const auto slash = path.rfind('/');
  const std::string name(path.substr(slash == std::string_view::npos ? 0 : slash + 1));
  if (target.relative.empty() || name.empty() || name == "." || name == "..") return as_resolved;
  const auto above = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash + 1);
  LECTERN_TRY(const ResolvedPath folder, resolve(above));
  const auto relative = folder.relative.empty() ? name : folder.relative + "/" + name;
  if (relative == target.relative) return as_resolved;
  return ResolvedName{state_->root + "/" + relative, relative, target.kind, true};
}

Result<std::vector<FolderEntry>> PathPolicy::list(std::string_view path, std::size_t limit) const {
  LECTERN_TRY(const ResolvedPath folder, resolve(path));
  if (folder.kind == PathKind::missing) return not_found(path);
  if (folder.kind != PathKind::folder) {
    return fail(400, "not_a_folder", shown(path) + " is not a folder.", "Name a folder, or open the file.");
  }
  LECTERN_TRY(Descriptor fd, open_no_links(folder.path, O_RDONLY | O_DIRECTORY));
  DIR* raw = ::fdopendir(fd.get());
  if (raw == nullptr) return fail(system_error(errno, "list", folder.path));
  const int dir_fd = fd.release();
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(raw, ::closedir);
  std::vector<FolderEntry> entries;
  while (const dirent* item = ::readdir(dir.get())) {
    const std::string name = item->d_name;
    if (name.front() == '.' || !text::valid_utf8(name) || entries.size() >= limit) continue;
    FolderEntry entry;
    entry.name = name;
    entry.relative = folder.relative.empty() ? name : folder.relative + "/" + name;
    struct stat info {};
    if (::fstatat(dir_fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISLNK(info.st_mode)) {
      const auto target = resolve(entry.relative);
      if (!target || ::lstat(target->path.c_str(), &info) != 0) continue;
    }
    entry.kind = kind_of(info.st_mode);
    if (entry.kind == PathKind::other) continue;
    entry.size = entry.kind == PathKind::file ? static_cast<std::uint64_t>(info.st_size) : 0;
    entry.modified_ms = std::int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1'000'000;
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(), [](const FolderEntry& a, const FolderEntry& b) {
    if ((a.kind == PathKind::folder) != (b.kind == PathKind::folder)) return a.kind == PathKind::folder;
    return a.name < b.name;
  });
  return entries;
}

}  // namespace lectern::document
