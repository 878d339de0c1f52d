// What this program syncs, and syncs that fail, as on a disk that breaks. It puts a function of the C library's name in
// its place.
#pragma once

#include <dlfcn.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

namespace lectern::test {

/// As long as it lives: asked about each fsync before it is made, by the path of what is synced; false: it fails.
class Syncing {
 public:
  using Asked = std::function<bool(const std::string& path)>;
  explicit Syncing(Asked asked) {
    const std::scoped_lock lock(mutex());
    current() = std::move(asked);
  }
  ~Syncing() {
    const std::scoped_lock lock(mutex());
    current() = {};
  }
  Syncing(const Syncing&) = delete;
  Syncing& operator=(const Syncing&) = delete;

  static bool allows(int fd) {
    const std::scoped_lock lock(mutex());
    if (!current()) return true;
    char link[64], path[PATH_MAX];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const auto size = ::readlink(link, path, sizeof path);
    return size <= 0 || current()(std::string(path, static_cast<std::size_t>(size)));
  }

 private:
  static std::mutex& mutex() {
    static std::mutex made;
    return made;
  }
  static Asked& current() {
    static Asked made;
    return made;
  }
};

}  // namespace lectern::test

extern "C" __attribute__((weak)) int fsync(int fd) {
  static const auto next = reinterpret_cast<int (*)(int)>(::dlsym(RTLD_NEXT, "fsync"));
  if (lectern::test::Syncing::allows(fd)) return next(fd);
  errno = EIO;
  return -1;
}
