#include "local.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>

#include "lectern/sdk/settings.hpp"

namespace presence_local {
using namespace presence_common;
using lectern::sdk::Failure;
namespace {

constexpr std::size_t max_homes = 1'000;
constexpr std::size_t max_files = 2'000;  // of one home
constexpr const char* lock_name = "lock";
constexpr std::int64_t unborn_s = 60;  // making a home takes milliseconds

Trouble& last_trouble() {
  static Trouble trouble;
  return trouble;
}

std::string default_folder() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && *runtime == '/') return std::string(runtime) + "/lectern/presence";
  const char* temporary = std::getenv("TMPDIR");
  return (temporary != nullptr && *temporary == '/' ? std::string(temporary) : std::string("/tmp")) + "/lectern-" +
         std::to_string(::geteuid()) + "/presence";
}

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// A folder that somebody else made, or may write to, would let him speak for our hosts.
bool is_ours(const struct stat& about) {
  return S_ISDIR(about.st_mode) && about.st_uid == ::geteuid() && (about.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/// A lock on the whole file that belongs to the open file, not to the process: it goes with the last descriptor of it,
/// and two backends in one process are two.
struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

bool take_lock(int file) {
  auto lock = whole_file();
  return ::fcntl(file, F_OFD_SETLK, &lock) == 0;
}

/// Asks only: a reader that took the lock to see whether it is free would look like a host for that moment.
bool is_locked(int file) {
  auto lock = whole_file();
  return ::fcntl(file, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

Fd open_folder(int parent, const std::string& name) {
  return Fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

/// The name that make_home() gives.
bool is_home(std::string_view name) {
  return name.size() == 16 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Of a home whose host has gone, or of our own at the end. The lock comes first and goes last, so that of two readers
/// that clear away one does, and a half-cleared home is still nobody's. Hidden files are what a host that was killed
/// was about to put in place.
void clear_away(int root, const std::string& home, const Fd& folder, const Fd& lock) {
  struct stat held {
  }, named{};
  if (!take_lock(lock.get()) || ::fstat(lock.get(), &held) != 0 ||
      ::fstatat(folder.get(), lock_name, &named, AT_SYMLINK_NOFOLLOW) != 0 || !same_file(held, named)) {
    return;
  }
  const auto names = entries(folder.get(), max_files, Hidden::listed);
  for (const auto& name : names) {
    if (name != lock_name) ::unlinkat(folder.get(), name.c_str(), 0);
  }
  if (names.size() == max_files) return;  // the next look goes on
  ::unlinkat(folder.get(), lock_name, 0);
  ::unlinkat(root, home.c_str(), AT_REMOVEDIR);
}

struct Key {
  std::string_view device_id, instance_id;
};

/// Of "<device_id>.<instance_id>.json"; ids have no dots, so there is one way to read it.
bool read_name(std::string_view name, Key& key) {
  if (!name.ends_with(".json")) return false;
  name.remove_suffix(5);
  const auto dot = name.find('.');
  if (dot == std::string_view::npos) return false;
  key = {name.substr(0, dot), name.substr(dot + 1)};
  return is_id(key.device_id) && is_id(key.instance_id);
}

std::string name_of(std::string_view device_id, std::string_view instance_id) {
  return std::string(device_id) + "." + std::string(instance_id) + ".json";
}

/// Of a home that lost its lock: its host makes another, and it only goes. Nothing is touched that no host wrote.
/// False, with errno, when it stays.
bool clear_lockless(int root, const std::string& home, const Fd& folder) {
  if (is_home(home)) {
    for (const auto& name : entries(folder.get(), max_files, Hidden::listed)) {
      Key key;
      const bool temporary = name.front() == '.' && name.ends_with(".tmp");
      if (temporary || read_name(name, key)) ::unlinkat(folder.get(), name.c_str(), 0);
    }
  }
  return ::unlinkat(root, home.c_str(), AT_REMOVEDIR) == 0;
}

/// Of a home whose host was killed before it had its name. One that is being made is young, or locked.
void clear_unborn(int root, const std::string& name) {
  if (!is_home(std::string_view(name).substr(1))) return;
  const Fd folder = open_folder(root, name);
  struct stat about {};
  if (!folder || ::fstat(folder.get(), &about) != 0 || ::time(nullptr) - about.st_mtim.tv_sec < unborn_s) return;
  const Fd lock(::openat(folder.get(), lock_name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!lock) {
    ::unlinkat(root, name.c_str(), AT_REMOVEDIR);
  } else if (!is_locked(lock.get())) {
    clear_away(root, name, folder, lock);
  }
}

}  // namespace

lectern::sdk::Health Local::health() {
  return last_trouble().health();
}

Local::Local(std::string_view config) {
  lectern::sdk::Settings settings(config);
  const auto given = settings.text("folder", "");
  settings.done();
  const auto folder = given.empty() ? default_folder() : given;
  if (folder.front() != '/') {
    throw Failure(LECTERN_INVALID, "the setting \"folder\" must be an absolute path").code("bad_config");
  }
  root_ = folder + "/v1";
  make_root();
}

/// All that is missing of it, and that it is ours alone.
void Local::make_root() const {
  for (std::size_t slash = root_.find('/', 1); slash != std::string::npos; slash = root_.find('/', slash + 1)) {
    ::mkdir(root_.substr(0, slash).c_str(), 0700);  // what follows says what is wrong
  }
  make_folder(root_);
  (void)open_root();
}

Fd Local::open_root() const {
  const auto folder = root_.substr(0, root_.rfind('/'));
  for (const auto& path : {folder, root_}) {
    struct stat about {};
    if (::lstat(path.c_str(), &about) != 0) fail("cannot look at " + path);
    if (!is_ours(about)) {
      throw Failure(LECTERN_INVALID, path + " is not a folder of yours that nobody else may write to",
                    "remove it or chmod 700 it, or set XDG_RUNTIME_DIR to a folder you own")
          .code("folder_unsafe");
    }
  }
  Fd root(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!root) fail("cannot open " + root_);
  return root;
}

Local::~Local() {
  if (home_.empty()) return;
  const Fd root(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  try {
    if (root && at_home(root.get())) clear_away(root.get(), home_, folder_, lock_);
  } catch (const Failure&) {
    // The next reader clears it away: nobody locks it any more.
  }
}

bool Local::at_home(int root) const {
  struct stat held {
  }, named{};
  return lock_ && ::fstat(lock_.get(), &held) == 0 &&
         ::fstatat(root, (home_ + "/" + lock_name).c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 && same_file(held, named);
}

/// Made under a name that readers leave alone, and renamed when it is locked: no reader ever sees a home without a
/// host.
void Local::make_home(int root) {
  const auto name = random_name(), unseen = "." + name;
  if (::mkdirat(root, unseen.c_str(), 0700) != 0) fail("cannot make a folder in " + root_);
  Fd folder = open_folder(root, unseen), lock;
  if (folder) {
    lock = Fd(::openat(folder.get(), lock_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  }
  if (!lock || !take_lock(lock.get()) || ::renameat(root, unseen.c_str(), root, name.c_str()) != 0) {
    const int problem = errno;
    if (folder) ::unlinkat(folder.get(), lock_name, 0);
    ::unlinkat(root, unseen.c_str(), AT_REMOVEDIR);
    errno = problem;
    fail("cannot make a folder in " + root_);
  }
  home_ = name;
  folder_ = std::move(folder);
  lock_ = std::move(lock);
}

void Local::publish(std::string_view device_id, std::string_view instance_id, std::string_view record) {
  last_trouble().watch([&] {
    check_ids(device_id, instance_id);
    check_size(record);
    make_root();
    const auto root = open_root();
    const std::scoped_lock lock(mutex_);
    if (!at_home(root.get())) make_home(root.get());  // a cleaner of temporary files may have taken it
    put_file(folder_.get(), root_ + "/" + home_, name_of(device_id, instance_id), record, Lasting::no);
  });
}

void Local::remove(std::string_view device_id, std::string_view instance_id) {
  check_ids(device_id, instance_id);
  const auto root = open_root();
  for (const auto& home : entries(root.get(), max_homes)) {
    const Fd folder = open_folder(root.get(), home);
    if (!folder) continue;
    const auto name = name_of(device_id, instance_id);
    if (::unlinkat(folder.get(), name.c_str(), 0) != 0 && errno != ENOENT) fail("cannot remove " + root_ + "/" + home);
  }
}

void Local::snapshot(const lectern::sdk::PresenceSink& out) {
  const auto root = open_root();
  KnownNames::Places found;
  for (const auto& home : entries(root.get(), max_homes, Hidden::listed)) {
    if (home.front() == '.') {
      clear_unborn(root.get(), home);
      continue;
    }
    const Fd folder = open_folder(root.get(), home);
    if (!folder) {
      if (errno != ENOENT) out.rejected(home, "it is not a folder");
      continue;
    }
    const Fd lock(::openat(folder.get(), lock_name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!lock && errno == ENOENT) {
      if (!clear_lockless(root.get(), home, folder) && errno != ENOENT) {
        out.rejected(home, "it has no lock: no host made it");
      }
      continue;
    }
    struct stat about {};
    if (!lock || ::fstat(lock.get(), &about) != 0 || !S_ISREG(about.st_mode)) {
      out.rejected(home, "it has no lock that can be used: no host made it");
      continue;
    }
    if (!is_locked(lock.get())) {
      clear_away(root.get(), home, folder, lock);
      continue;
    }
    for (const auto& name : known_.with_known(home, entries(folder.get(), max_files), found)) {
      if (name == lock_name) continue;
      auto origin = home;
      origin.append("/").append(name);
      std::string reason;
      Key key;
      if (!read_name(name, key)) {
        out.rejected(origin, "its name is not that of a record");
        continue;
      }
      const auto record = read_file(folder.get(), name, reason);
      if (reason == gone) continue;
      if (reason.empty()) reason = misplaced(record, key.device_id, key.instance_id);
      if (reason.empty()) {
        out.record(origin, record);
      } else {
        out.rejected(origin, reason);
      }
    }
  }
  known_.keep(std::move(found));
}

}  // namespace presence_local
