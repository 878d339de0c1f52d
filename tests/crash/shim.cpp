#include "shim.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "disk_model.hpp"
#include "plan.hpp"

using lectern::crash::Death;
using lectern::crash::DiskModel;
using lectern::crash::Plan;
using lectern::crash::Sync;

namespace {

std::atomic<bool> armed{false};
// What the model itself calls passes through.
thread_local bool inside = false;

struct Shim {
  std::recursive_mutex mutex;
  std::string root, control;
  Plan plan;
  DiskModel disk;
  std::uint64_t calls = 0;
  std::atomic<std::uint64_t> failures{0};
  Shim(std::string root_, std::string attic, Plan plan_)
      : root(std::move(root_)), plan(plan_), disk(std::move(attic)) {}
};
Shim* shim = nullptr;  // made by arming, never freed: other threads may be in it when the program ends

template <class F>
F real(const char* name) {
  return reinterpret_cast<F>(::dlsym(RTLD_NEXT, name));
}
#define REAL(name) static const auto next = real<decltype(&::name)>(#name)

std::string path_of(int fd) {
  char link[64], path[PATH_MAX];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const auto n = ::readlink(link, path, sizeof path);
  return n <= 0 || path[0] != '/' ? std::string() : std::string(path, static_cast<std::size_t>(n));
}

bool in_root(const std::string& path) {
  const std::size_t size = shim->root.size();
  return path.compare(0, size, shim->root) == 0 && (path.size() == size || path[size] == '/');
}

std::string absolute(int folder, const char* path) {
  if (path == nullptr) return {};
  if (path[0] == '/') return path;
  if (folder != AT_FDCWD) return path_of(folder) + "/" + path;
  char here[PATH_MAX];
  return ::getcwd(here, sizeof here) == nullptr ? std::string() : std::string(here) + "/" + path;
}

bool is_file(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

[[noreturn]] void power_cut() {
  inside = true;
  shim->mutex.lock();
  shim->disk.lose(shim->plan.loss, shim->plan.seed);
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

enum class Needs { space, change, nothing };  // what a call asks of the disk

// The whole of one call: counts it, strikes, and holds the model still meanwhile.
class Call {
 public:
  Call(const char* name, const std::string& path, Needs needs) {
    inside = true;
    shim->mutex.lock();
    at_ = ++shim->calls;
    const Plan& plan = shim->plan;
    if (plan.trace) std::fprintf(stderr, "call %lu %s %s\n", static_cast<unsigned long>(at_), name, path.c_str());
    dies_ = plan.die != Death::never && at_ == plan.die_at;
    if (dies_ && plan.die == Death::before) power_cut();
    const bool failing = plan.fail_at != 0 && at_ >= plan.fail_at && at_ - plan.fail_at < plan.fail_for;
    if (failing) error_ = plan.fail_errno;
    short_ = plan.short_write && at_ == plan.fail_at;
    if (short_) error_ = 0;
    if (error_ != 0 || short_) ++shim->failures;
    if (!shim->control.empty() && error_ == 0) obey(needs);
  }
  ~Call() {
    const int kept = errno;
    if (dies_) power_cut();
    shim->mutex.unlock();
    inside = false;
    errno = kept;
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  [[nodiscard]] bool fails() const {
    if (error_ != 0) errno = error_;
    return error_ != 0;
  }
  /// How much of `size` is written.
  [[nodiscard]] std::size_t part(std::size_t size) const {
    return (short_ || (dies_ && shim->plan.die == Death::mid)) && size > 1 ? size / 2 : size;
  }

 private:
  void obey(Needs needs) {
    static const auto next_open = real<int (*)(const char*, int, ...)>("open");
    const int fd = next_open(shim->control.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    char text[16] = {};
    const auto n = ::read(fd, text, sizeof text - 1);
    ::close(fd);
    const std::string word(text, n > 0 ? static_cast<std::size_t>(n) : 0);
    if (word.compare(0, 5, "kill ") == 0 && shim->plan.die_at == 0) {
      if (shim->plan.die == Death::never) shim->plan.die = Death::before;
      shim->plan.die_at = at_ + std::strtoull(word.c_str() + 5, nullptr, 10);
    }
    if (word == "ENOSPC" && needs == Needs::space) error_ = ENOSPC;
    if (word == "EROFS" && needs != Needs::nothing) error_ = EROFS;
    if (word == "EIO" && needs != Needs::nothing) error_ = EIO;
  }
  std::uint64_t at_ = 0;
  bool dies_ = false, short_ = false;
  int error_ = 0;
};

bool watching() {
  return armed.load(std::memory_order_relaxed) && !inside;
}

// The path of `fd` when it is one of ours and a call about it counts.
std::string counted(int fd) {
  if (!watching()) return {};
  const int kept = errno;
  std::string path = path_of(fd);
  errno = kept;
  return in_root(path) ? path : std::string();
}

template <class Open>
int opening(const char* name, int folder, const char* given, int flags, Open open) {
  if (!watching()) return open();
  const std::string path = absolute(folder, given);
  if (!in_root(path)) return open();
  const bool writes = (flags & O_ACCMODE) != O_RDONLY;
  struct stat info {};
  const bool is_new = (flags & O_CREAT) != 0 && ::lstat(path.c_str(), &info) != 0;
  const Call call(name, path, is_new ? Needs::space : writes ? Needs::change : Needs::nothing);
  if (call.fails()) return -1;
  if (!is_new && (flags & O_TRUNC) != 0) {
    if (const int present = ::open(path.c_str(), O_RDWR | O_CLOEXEC); present >= 0) {
      shim->disk.before_change(present);
      ::close(present);
    }
  }
  const int fd = open();
  if (fd >= 0 && is_new && (flags & O_TMPFILE) != O_TMPFILE) shim->disk.made_file(path, fd);
  return fd;
}

template <class Write>
ssize_t writing(const char* name, int fd, std::uint64_t offset, std::size_t size, Write write) {
  const std::string path = counted(fd);
  if (path.empty() || !is_file(fd)) return write(size);
  const Call call(name, path, Needs::space);
  if (call.fails()) return -1;
  shim->disk.before_change(fd);
  if (offset == ULONG_MAX) offset = static_cast<std::uint64_t>(::lseek(fd, 0, SEEK_CUR));
  const auto n = write(call.part(size));
  if (n > 0) shim->disk.wrote(fd, offset, static_cast<std::uint64_t>(n));
  return n;
}

template <class Change>
int changing(const char* name, int fd, Needs needs, Change change) {
  const std::string path = counted(fd);
  if (path.empty() || !is_file(fd)) return change();
  const Call call(name, path, needs);
  if (call.fails()) return -1;
  shim->disk.before_change(fd);
  return change();
}

int syncing(const char* name, int fd, int (*sync)(int)) {
  const std::string path = counted(fd);
  if (path.empty()) return sync(fd);
  const Call call(name, path, Needs::change);
  const bool fails = call.fails();
  const int error = errno;
  Sync which = shim->plan.sync;
  if (which == Sync::all_but_log) which = path.find("/outputs.lj") == std::string::npos ? Sync::all : Sync::none;
  shim->disk.synced(fd, !fails, which);
  errno = error;
  return fails ? -1 : 0;  // what the real disk does is of no interest
}

template <class Rename>
int renaming(const char* name, int from_folder, const char* from, int to_folder, const char* to, Rename rename) {
  if (!watching()) return rename();
  const std::string source = absolute(from_folder, from), target = absolute(to_folder, to);
  if (!in_root(source) || !in_root(target)) return rename();
  const Call call(name, source, Needs::change);
  if (call.fails()) return -1;
  const std::string token = shim->disk.before_losing(target);
  const int result = rename();
  const int error = errno;
  if (result == 0) {
    shim->disk.renamed(source, target, token);
  } else {
    shim->disk.not_removed(token);
  }
  errno = error;
  return result;
}

template <class Unlink>
int unlinking(const char* name, int folder, const char* given, bool is_folder, Unlink unlink) {
  if (!watching()) return unlink();
  const std::string path = absolute(folder, given);
  if (!in_root(path)) return unlink();
  const Call call(name, path, Needs::change);
  if (call.fails()) return -1;
  const std::string token = is_folder ? std::string() : shim->disk.before_losing(path);
  const int result = unlink();
  const int error = errno;
  if (result != 0) {
    shim->disk.not_removed(token);
  } else if (is_folder) {
    shim->disk.removed_folder(path);
  } else {
    shim->disk.removed(path, token);
  }
  errno = error;
  return result;
}

enum class Made { folder, link };
template <class Make>
int making(const char* name, int folder, const char* given, Made what, Make make) {
  if (!watching()) return make();
  const std::string path = absolute(folder, given);
  if (!in_root(path)) return make();
  const Call call(name, path, Needs::space);
  if (call.fails()) return -1;
  const int result = make();
  if (result == 0) what == Made::folder ? shim->disk.made_folder(path) : shim->disk.made_link(path);
  return result;
}

mode_t mode_after(int flags, va_list list) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? static_cast<mode_t>(va_arg(list, int)) : 0;
}

int flags_of(const char* mode) {
  const bool both = std::strchr(mode, '+') != nullptr;
  if (mode[0] == 'r') return both ? O_RDWR : O_RDONLY;
  return (both ? O_RDWR : O_WRONLY) | O_CREAT | (mode[0] == 'w' ? O_TRUNC : O_APPEND);
}

template <class Open>
FILE* opening_stream(const char* name, const char* path, const char* mode, Open open) {
  FILE* file = nullptr;
  const int fd = opening(name, AT_FDCWD, path, flags_of(mode), [&] {
    file = open();
    return file == nullptr ? -1 : ::fileno(file);
  });
  return fd < 0 ? nullptr : file;
}

}  // namespace

extern "C" {

void lectern_disk_arm(const char* root, const char* attic, const char* plan) {
  shim = new Shim(root, attic, lectern::crash::parse_plan(plan));
  if (const char* control = std::getenv("LECTERN_DISK_CONTROL")) shim->control = control;
  armed = true;
}
std::uint64_t lectern_disk_calls() {
  return shim == nullptr ? 0 : shim->calls;
}
std::uint64_t lectern_disk_failures() {
  return shim == nullptr ? 0 : shim->failures.load();
}
void lectern_disk_power_cut() {
  power_cut();
}

// Programs that an armed one starts are not what is tested.
__attribute__((constructor)) static void arm_from_environment() {
  const char* program = std::getenv("LECTERN_DISK_PROGRAM");
  if (program == nullptr) return;
  char self[PATH_MAX];
  const auto n = ::readlink("/proc/self/exe", self, sizeof self);
  const std::string path(self, n > 0 ? static_cast<std::size_t>(n) : 0);
  if (path.substr(path.rfind('/') + 1) != program) return;
  ::unsetenv("LD_PRELOAD");
  const char* plan = std::getenv("LECTERN_DISK_PLAN");
  lectern_disk_arm(std::getenv("LECTERN_DISK_ROOT"), std::getenv("LECTERN_DISK_ATTIC"), plan == nullptr ? "" : plan);
}

#define OPEN_FUNCTION(name)                                                                \
  int name(const char* path, int flags, ...) {                                             \
    REAL(name);                                                                            \
    va_list list;                                                                          \
    va_start(list, flags);                                                                 \
    const mode_t mode = mode_after(flags, list);                                           \
    va_end(list);                                                                          \
    return opening(#name, AT_FDCWD, path, flags, [&] { return next(path, flags, mode); }); \
  }
OPEN_FUNCTION(open)
OPEN_FUNCTION(open64)
#define OPENAT_FUNCTION(name)                                                                    \
  int name(int folder, const char* path, int flags, ...) {                                       \
    REAL(name);                                                                                  \
    va_list list;                                                                                \
    va_start(list, flags);                                                                       \
    const mode_t mode = mode_after(flags, list);                                                 \
    va_end(list);                                                                                \
    return opening(#name, folder, path, flags, [&] { return next(folder, path, flags, mode); }); \
  }
OPENAT_FUNCTION(openat)
OPENAT_FUNCTION(openat64)

int creat(const char* path, mode_t mode) {
  return open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}
FILE* fopen(const char* path, const char* mode) {
  REAL(fopen);
  return opening_stream("fopen", path, mode, [&] { return next(path, mode); });
}
FILE* fopen64(const char* path, const char* mode) {
  REAL(fopen64);
  return opening_stream("fopen64", path, mode, [&] { return next(path, mode); });
}

// openat2 and renameat2 have no function of their own in every C library.
long syscall(long number, ...) noexcept {
  static const auto next = real<long (*)(long, ...)>("syscall");
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& one : a) one = va_arg(list, long);
  va_end(list);
  const auto pass = [&] { return next(number, a[0], a[1], a[2], a[3], a[4], a[5]); };
  if (number == SYS_openat2) {
    const auto* how = reinterpret_cast<const open_how*>(a[2]);
    return opening("openat2", static_cast<int>(a[0]), reinterpret_cast<const char*>(a[1]), static_cast<int>(how->flags),
                   [&] { return static_cast<int>(pass()); });
  }
  if (number == SYS_renameat2) {
    return renaming("renameat2", static_cast<int>(a[0]), reinterpret_cast<const char*>(a[1]), static_cast<int>(a[2]),
                    reinterpret_cast<const char*>(a[3]), [&] { return static_cast<int>(pass()); });
  }
  return pass();
}

ssize_t write(int fd, const void* data, size_t size) {
  REAL(write);
  return writing("write", fd, ULONG_MAX, size, [&](std::size_t n) { return next(fd, data, n); });
}
ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  REAL(pwrite);
  return writing("pwrite", fd, static_cast<std::uint64_t>(offset), size,
                 [&](std::size_t n) { return next(fd, data, n, offset); });
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  REAL(pwrite64);
  return writing("pwrite64", fd, static_cast<std::uint64_t>(offset), size,
                 [&](std::size_t n) { return next(fd, data, n, offset); });
}
ssize_t writev(int fd, const iovec* parts, int count) {
  REAL(writev);
  std::size_t size = 0;
  for (int i = 0; i < count; ++i) size += parts[i].iov_len;
  return writing("writev", fd, ULONG_MAX, size, [&](std::size_t n) -> ssize_t {
    if (n == size || count == 0) return next(fd, parts, count);
    const iovec part{parts[0].iov_base, std::min(parts[0].iov_len, n)};
    return next(fd, &part, 1);
  });
}
ssize_t sendfile(int out, int in, off_t* offset, size_t size) noexcept {
  REAL(sendfile);
  return writing("sendfile", out, ULONG_MAX, size, [&](std::size_t n) { return next(out, in, offset, n); });
}
ssize_t copy_file_range(int in, off64_t* from, int out, off64_t* to, size_t size, unsigned flags) {
  REAL(copy_file_range);
  return writing("copy_file_range", out, to == nullptr ? ULONG_MAX : static_cast<std::uint64_t>(*to), size,
                 [&](std::size_t n) { return next(in, from, out, to, n, flags); });
}

int ftruncate(int fd, off_t size) noexcept {
  REAL(ftruncate);
  return changing("ftruncate", fd, Needs::change, [&] { return next(fd, size); });
}
int ftruncate64(int fd, off64_t size) noexcept {
  REAL(ftruncate64);
  return changing("ftruncate64", fd, Needs::change, [&] { return next(fd, size); });
}
int fallocate(int fd, int mode, off_t offset, off_t size) {
  REAL(fallocate);
  return changing("fallocate", fd, Needs::space, [&] { return next(fd, mode, offset, size); });
}
int fchmod(int fd, mode_t mode) noexcept {
  REAL(fchmod);
  return changing("fchmod", fd, Needs::change, [&] { return next(fd, mode); });
}
int fchown(int fd, uid_t user, gid_t group) noexcept {
  REAL(fchown);
  return changing("fchown", fd, Needs::change, [&] { return next(fd, user, group); });
}

int fsync(int fd) {
  REAL(fsync);
  return syncing("fsync", fd, next);
}
int fdatasync(int fd) {
  REAL(fdatasync);
  return syncing("fdatasync", fd, next);
}
int close(int fd) {
  REAL(close);
  const std::string path = counted(fd);
  if (path.empty()) return next(fd);
  const Call call("close", path, Needs::nothing);
  const int result = next(fd);  // a close that reports an error has closed
  return call.fails() ? -1 : result;
}

int rename(const char* from, const char* to) noexcept {
  REAL(rename);
  return renaming("rename", AT_FDCWD, from, AT_FDCWD, to, [&] { return next(from, to); });
}
int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  REAL(renameat);
  return renaming("renameat", from_folder, from, to_folder, to, [&] { return next(from_folder, from, to_folder, to); });
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) noexcept {
  REAL(renameat2);
  return renaming("renameat2", from_folder, from, to_folder, to,
                  [&] { return next(from_folder, from, to_folder, to, flags); });
}
int unlink(const char* path) noexcept {
  REAL(unlink);
  return unlinking("unlink", AT_FDCWD, path, false, [&] { return next(path); });
}
int unlinkat(int folder, const char* path, int flags) noexcept {
  REAL(unlinkat);
  return unlinking("unlinkat", folder, path, (flags & AT_REMOVEDIR) != 0, [&] { return next(folder, path, flags); });
}
int remove(const char* path) noexcept {
  struct stat info {};
  const bool is_folder = ::lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
  return is_folder ? rmdir(path) : unlink(path);
}
int rmdir(const char* path) noexcept {
  REAL(rmdir);
  return unlinking("rmdir", AT_FDCWD, path, true, [&] { return next(path); });
}
int mkdir(const char* path, mode_t mode) noexcept {
  REAL(mkdir);
  return making("mkdir", AT_FDCWD, path, Made::folder, [&] { return next(path, mode); });
}
int mkdirat(int folder, const char* path, mode_t mode) noexcept {
  REAL(mkdirat);
  return making("mkdirat", folder, path, Made::folder, [&] { return next(folder, path, mode); });
}
int link(const char* from, const char* to) noexcept {
  REAL(link);
  return making("link", AT_FDCWD, to, Made::link, [&] { return next(from, to); });
}
int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) noexcept {
  REAL(linkat);
  return making("linkat", to_folder, to, Made::link, [&] { return next(from_folder, from, to_folder, to, flags); });
}
int symlink(const char* from, const char* to) noexcept {
  REAL(symlink);
  return making("symlink", AT_FDCWD, to, Made::link, [&] { return next(from, to); });
}

}  // extern "C"
