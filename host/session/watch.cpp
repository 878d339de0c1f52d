#include "session/watch.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "document/system_file.hpp"

namespace lectern::session {
namespace {

using document::Descriptor;

constexpr std::size_t most_mounts = 16;  // past them the others share one thread

constexpr std::uint32_t of_interest = IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE |
                                      IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR;

FileIdentity identity_from(const struct stat& info) {
  if (!S_ISREG(info.st_mode)) return {};
  const auto ns = [](const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; };
  return {info.st_dev, info.st_ino, static_cast<std::uint64_t>(info.st_size), ns(info.st_mtim), ns(info.st_ctim)};
}

/// Where the file behind a descriptor is now; empty when it was deleted or nobody can say.
std::string place_of(int fd) {
  std::array<char, PATH_MAX + 1> place{};
  const auto link = "/proc/self/fd/" + std::to_string(fd);
  const auto size = ::readlink(link.c_str(), place.data(), PATH_MAX);
  struct stat info {};
  if (size <= 0 || place[0] != '/' || ::fstat(fd, &info) != 0 || info.st_nlink == 0) return {};
  std::string path(place.data(), static_cast<std::size_t>(size));
  struct stat there {};
  const bool same = ::lstat(path.c_str(), &there) == 0 && there.st_ino == info.st_ino && there.st_dev == info.st_dev;
  return same ? path : std::string();
}

Descriptor open_to_follow(const std::string& path) {
  return Descriptor(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

}  // namespace

FileIdentity identity_of(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 ? identity_from(info) : FileIdentity{};
}

HeldFile hold_file(const std::string& path) {
  HeldFile held;
  held.handle = open_to_follow(path);
  held.identity = identity_of(path);
  held.device = held.identity.device;
  struct stat folder {};
  if (held.device == 0 && ::stat(document::folder_of(path).c_str(), &folder) == 0) held.device = folder.st_dev;
  return held;
}

// The files of one file system. The lock is held for moments only: a hung mount may stop the thread, but nobody who
// begins or ends a watch. So every file system call is the thread's.
struct FileWatch::Inner {
  struct File {
    File(std::string path_, Told told_, HeldFile held)
        : told(std::move(told_)),
          path(std::move(path_)),
          folder(document::folder_of(path)),
          name(document::name_of(path)),
          last(held.identity),
          handle(std::move(held.handle)),
          missing_since(last.exists() ? 0 : -1) {}

    const Told told;
    // What follows is the thread's.
    std::string path, folder, name;
    FileIdentity last;
    Descriptor handle;  // knows where the file goes
    int folder_watch = -1;
    std::int64_t missing_since;  // 0 = it is there, -1 = told already that it is gone, or never seen
    bool named = true;           // an event of the folder named it, or it is to be told for the first time
  };
  using Files = std::map<std::uint64_t, std::shared_ptr<File>>;
  using Calls = std::vector<std::pair<std::uint64_t, Event>>;

  explicit Inner(FileWatch::Settings settings_) : settings(settings_) {}

  const FileWatch::Settings settings;
  std::mutex mutex;  // guards files, next, stopped and the start; nobody is called while it is held
  Files files;       // those that have a guard
  std::uint64_t next = 1;
  bool stopped = false;
  Descriptor notify, wake;  // made before the thread is
  std::thread thread;
  std::map<int, std::size_t> folders;  // the thread's: inotify watch -> files in it

  void start_locked() {
    if (thread.joinable() || stopped) return;
    wake = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (settings.notify) notify = Descriptor(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    thread = std::thread([this] { run(); });
  }

  std::uint64_t add(std::string path, Told told, HeldFile held) {
    auto file = std::make_shared<File>(std::move(path), std::move(told), std::move(held));
    const std::scoped_lock lock(mutex);
    start_locked();
    const auto id = next++;
    files.emplace(id, std::move(file));
    poke();
    return id;
  }
  void remove(std::uint64_t id) {
    const std::scoped_lock lock(mutex);
    files.erase(id);
    poke();
  }
  void poke() const {
    const std::uint64_t one = 1;
    (void)!::write(wake.get(), &one, sizeof one);
  }

  void watch_folder(File& file) {
    if (!notify) return;
    const int made = ::inotify_add_watch(notify.get(), file.folder.c_str(), of_interest);
    if (made == file.folder_watch) return;
    unwatch_folder(file);
    file.folder_watch = made;
    if (made >= 0) ++folders[made];
  }
  void unwatch_folder(File& file) {
    const auto it = folders.find(std::exchange(file.folder_watch, -1));
    if (it == folders.end() || --it->second > 0) return;
    ::inotify_rm_watch(notify.get(), it->first);
    folders.erase(it);
  }

  // False when it is over. A new file's folder is watched before the file is looked at for the first time, so nothing
  // falls between; that look tells that the file is there.
  bool take_over(Files& watched) {
    Files now;
    {
      const std::scoped_lock lock(mutex);
      if (stopped) return false;
      now = files;
    }
    for (auto& [id, file] : now) {
      if (!watched.contains(id)) watch_folder(*file);
    }
    for (auto& [id, file] : watched) {
      if (!now.contains(id)) unwatch_folder(*file);
    }
    watched = std::move(now);
    return true;
  }

  void follow(std::uint64_t id, File& file, const std::string& path, Calls& calls) {
    file.path = path;
    file.folder = document::folder_of(path);
    file.name = document::name_of(path);
    watch_folder(file);
    file.last = identity_of(path);
    file.missing_since = 0;
    calls.emplace_back(id, Event{Event::Kind::moved, path});
  }

  void look(std::uint64_t id, File& file, std::int64_t now, Calls& calls) {
    const auto is = identity_of(file.path);
    const bool named = std::exchange(file.named, false);
    if (is.exists()) {
      const bool back = std::exchange(file.missing_since, 0) != 0;
      if (!back && !named && is == file.last) return;
      if (is.inode != file.last.inode || is.device != file.last.device || !file.handle)
        file.handle = open_to_follow(file.path);
      file.last = is;
      if (back) watch_folder(file);  // its folder may be another one of the same name
      calls.emplace_back(id, Event{Event::Kind::touched, file.path});
      return;
    }
    if (file.missing_since == -1) return;
    if (file.missing_since == 0) file.missing_since = now;
    if (now - file.missing_since < settings.missing_ms) return;
    const auto place = file.handle ? place_of(file.handle.get()) : std::string();
    if (!place.empty() && place != file.path) return follow(id, file, place, calls);
    file.missing_since = -1;
    file.last = {};
    calls.emplace_back(id, Event{Event::Kind::gone, file.path});
  }

  void read_events(const Files& watched) {
    alignas(inotify_event) std::array<char, 16u << 10> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    while (notify) {
      const auto size = ::read(notify.get(), buffer.data(), buffer.size());
      if (size <= 0) return;
      for (const char* at = buffer.data(); at < buffer.data() + size;) {
        const auto* event = reinterpret_cast<const inotify_event*>(at);
        at += sizeof(inotify_event) + event->len;
        const std::string_view name = event->len > 0 ? std::string_view(event->name) : std::string_view();
        for (const auto& [id, file] : watched) {
          const bool here = file->folder_watch == event->wd && name == file->name;
          if (here || (event->mask & IN_Q_OVERFLOW) != 0) file->named = true;
        }
        if ((event->mask & IN_IGNORED) != 0) forget_folder(watched, event->wd);
      }
    }
  }
  // The folder is gone, and its watch with it; a poll sees whether there is a new one.
  void forget_folder(const Files& watched, int watch) {
    folders.erase(watch);
    for (const auto& [id, file] : watched) {
      if (file->folder_watch == watch) file->folder_watch = -1;
    }
  }

  [[nodiscard]] int patience(const Files& watched) const {
    const bool missing =
        std::any_of(watched.begin(), watched.end(), [](const auto& one) { return one.second->missing_since > 0; });
    if (missing) return std::clamp(settings.missing_ms / 4, 1, std::max(1, settings.poll_ms));
    return watched.empty() ? -1 : settings.poll_ms;
  }

  void tell(const Calls& calls) {
    for (const auto& [id, event] : calls) {
      std::shared_ptr<File> file;  // it may be called while the guard goes
      {
        const std::scoped_lock lock(mutex);
        if (stopped) return;
        const auto it = files.find(id);
        if (it == files.end()) continue;
        file = it->second;
      }
      file->told(event);
    }
  }

  void run() {
    pthread_setname_np(pthread_self(), "file-watch");
    for (Files watched;;) {
      std::array<pollfd, 2> on{{{wake.get(), POLLIN, 0}, {notify.get(), POLLIN, 0}}};
      if (::poll(on.data(), on.size(), patience(watched)) < 0 && errno != EINTR) return;
      if (std::uint64_t many = 0; on[0].revents != 0) (void)!::read(wake.get(), &many, sizeof many);
      if (!take_over(watched)) return;
      read_events(watched);
      Calls calls;
      const auto now = std::max<std::int64_t>(1, clock::now_ms());
      for (auto& [id, file] : watched) look(id, *file, now, calls);
      tell(calls);
    }
  }

  void stop() {
    {
      const std::scoped_lock lock(mutex);
      stopped = true;
      if (!thread.joinable()) return;
      poke();
    }
    thread.join();  // nobody else joins: only the owner stops
  }
};

struct FileWatch::Mounts {
  explicit Mounts(FileWatch::Settings settings_) : settings(settings_) {}

  const FileWatch::Settings settings;
  std::mutex mutex;                                           // guards what follows
  std::map<std::uint64_t, std::shared_ptr<Inner>> by_device;  // shared with the guards, which may outlive the watch
  bool stopped = false;

  std::shared_ptr<Inner> of(std::uint64_t device) {
    const std::scoped_lock lock(mutex);
    auto& inner = by_device[by_device.size() < most_mounts || by_device.contains(device) ? device : 0];
    if (!inner) {
      inner = std::make_shared<Inner>(settings);
      if (stopped) inner->stop();
    }
    return inner;
  }
  void stop() {
    std::vector<std::shared_ptr<Inner>> all;
    {
      const std::scoped_lock lock(mutex);
      stopped = true;
      for (const auto& [device, inner] : by_device) all.push_back(inner);
    }
    for (const auto& inner : all) inner->stop();
  }
};

FileWatch::FileWatch() : FileWatch(Settings{}) {}
FileWatch::FileWatch(Settings settings) : mounts_(std::make_unique<Mounts>(settings)) {}
FileWatch::~FileWatch() {
  stop();
}

void FileWatch::stop() {
  mounts_->stop();
}

FileWatch::Guard FileWatch::watch(std::string path, Told told, HeldFile held) {
  auto inner = mounts_->of(held.device);
  const auto id = inner->add(std::move(path), std::move(told), std::move(held));
  return Guard([inner = std::move(inner), id] { inner->remove(id); });
}

FileWatch::Guard::Guard(Guard&& other) noexcept : end_(std::exchange(other.end_, nullptr)) {}
FileWatch::Guard& FileWatch::Guard::operator=(Guard&& other) noexcept {
  std::swap(end_, other.end_);
  return *this;
}
FileWatch::Guard::~Guard() {
  if (end_) end_();
}

}  // namespace lectern::session
