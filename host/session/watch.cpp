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

}  // namespace

FileIdentity identity_of(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 ? identity_from(info) : FileIdentity{};
}

struct FileWatch::Inner {
  struct File {
    std::string path, folder, name;
    std::shared_ptr<Told> told;  // shared: it may be called while the guard goes
    FileIdentity last;
    Descriptor handle;  // knows where the file goes
    int folder_watch = -1;
    std::int64_t missing_since = 0;  // 0 = it is there
    bool named = false;              // an event of the folder named it
  };

  explicit Inner(FileWatch::Settings settings_) : settings(settings_) {}

  const FileWatch::Settings settings;
  std::mutex mutex;  // guards what follows but the thread; nobody is called while it is held
  std::map<std::uint64_t, File> files;
  std::map<int, std::size_t> folders;  // inotify watch -> files in it
  Descriptor notify, wake;
  std::uint64_t next = 1;
  bool stopped = false;
  std::thread thread;

  using Calls = std::vector<std::pair<std::shared_ptr<Told>, Event>>;

  void start_locked(const std::shared_ptr<Inner>& self) {
    if (thread.joinable() || stopped) return;
    wake = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (settings.notify) notify = Descriptor(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    thread = std::thread([raw = self.get()] { raw->run(); });
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
  static void hold(File& file) { file.handle = Descriptor(::open(file.path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)); }

  std::uint64_t add(const std::shared_ptr<Inner>& self, std::string path, Told told) {
    const std::scoped_lock lock(mutex);
    start_locked(self);
    const auto id = next++;
    auto& file = files[id];
    file.folder = document::folder_of(path);
    file.name = document::name_of(path);
    file.path = std::move(path);
    file.told = std::make_shared<Told>(std::move(told));
    watch_folder(file);
    file.last = identity_of(file.path);
    hold(file);
    if (!file.last.exists()) file.missing_since = -1;
    poke();
    return id;
  }
  void remove(std::uint64_t id) {
    const std::scoped_lock lock(mutex);
    const auto it = files.find(id);
    if (it == files.end()) return;
    unwatch_folder(it->second);
    files.erase(it);
  }
  void poke() const {
    const std::uint64_t one = 1;
    (void)!::write(wake.get(), &one, sizeof one);
  }

  void follow(File& file, const std::string& path, Calls& calls) {
    file.path = path;
    file.folder = document::folder_of(path);
    file.name = document::name_of(path);
    watch_folder(file);
    file.last = identity_of(path);
    file.missing_since = 0;
    calls.emplace_back(file.told, Event{Event::Kind::moved, path});
  }

  // -1 in missing_since: told already that it is gone, or never there.
  void look(File& file, std::int64_t now, Calls& calls) {
    const auto is = identity_of(file.path);
    const bool named = std::exchange(file.named, false);
    if (is.exists()) {
      const bool back = std::exchange(file.missing_since, 0) != 0;
      if (!back && !named && is == file.last) return;
      if (is.inode != file.last.inode || is.device != file.last.device || !file.handle) hold(file);
      file.last = is;
      if (back) watch_folder(file);  // its folder may be another one of the same name
      calls.emplace_back(file.told, Event{Event::Kind::touched, file.path});
      return;
    }
    if (file.missing_since == -1) return;
    if (file.missing_since == 0) file.missing_since = now;
    if (now - file.missing_since < settings.missing_ms) return;
    const auto place = file.handle ? place_of(file.handle.get()) : std::string();
    if (!place.empty() && place != file.path) return follow(file, place, calls);
    file.missing_since = -1;
    file.last = {};
    calls.emplace_back(file.told, Event{Event::Kind::gone, file.path});
  }

  void read_events() {
    alignas(inotify_event) std::array<char, 16u << 10> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    while (notify) {
      const auto size = ::read(notify.get(), buffer.data(), buffer.size());
      if (size <= 0) return;
      for (const char* at = buffer.data(); at < buffer.data() + size;) {
        const auto* event = reinterpret_cast<const inotify_event*>(at);
        at += sizeof(inotify_event) + event->len;
        const std::string_view name = event->len > 0 ? std::string_view(event->name) : std::string_view();
        for (auto& [id, file] : files) {
          const bool here = file.folder_watch == event->wd && name == file.name;
          if (here || (event->mask & IN_Q_OVERFLOW) != 0) file.named = true;
        }
        if ((event->mask & IN_IGNORED) != 0) forget_folder(event->wd);
      }
    }
  }
  // The folder is gone, and its watch with it; a poll sees whether there is a new one.
  void forget_folder(int watch) {
    folders.erase(watch);
    for (auto& [id, file] : files) {
      if (file.folder_watch == watch) file.folder_watch = -1;
    }
  }

  int patience_locked() const {
    const bool missing =
        std::any_of(files.begin(), files.end(), [](const auto& entry) { return entry.second.missing_since > 0; });
    return missing ? std::max(1, settings.missing_ms / 4) : files.empty() ? -1 : settings.poll_ms;
  }

  void run() {
    pthread_setname_np(pthread_self(), "file-watch");
    for (;;) {
      int patience = -1;
      {
        const std::scoped_lock lock(mutex);
        if (stopped) return;
        patience = patience_locked();
      }
      std::array<pollfd, 2> on{{{wake.get(), POLLIN, 0}, {notify.get(), POLLIN, 0}}};
      if (::poll(on.data(), on.size(), patience) < 0 && errno != EINTR) return;
      if (std::uint64_t many = 0; on[0].revents != 0) (void)!::read(wake.get(), &many, sizeof many);
      Calls calls;
      {
        const std::scoped_lock lock(mutex);
        if (stopped) return;
        read_events();
        const auto now = std::max<std::int64_t>(1, clock::now_ms());
        for (auto& [id, file] : files) look(file, now, calls);
      }
      for (auto& [told, event] : calls) (*told)(event);
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

FileWatch::FileWatch() : FileWatch(Settings{}) {}
FileWatch::FileWatch(Settings settings) : inner_(std::make_shared<Inner>(settings)) {}
FileWatch::~FileWatch() {
  stop();
}

void FileWatch::stop() {
  inner_->stop();
}

FileWatch::Guard FileWatch::watch(std::string path, Told told) {
  const auto id = inner_->add(inner_, std::move(path), std::move(told));
  return Guard([inner = inner_, id] { inner->remove(id); });
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
