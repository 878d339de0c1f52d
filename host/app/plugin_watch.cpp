#include "app/plugin_watch.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "base/log.hpp"

namespace lectern::app {
namespace fs = std::filesystem;
namespace {

constexpr int quiet_ms = 300;
constexpr std::uint32_t of_interest =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR | IN_DONT_FOLLOW;

}  // namespace

struct PluginWatch::Inner {
  std::vector<fs::path> folders;
  std::function<void()> changed;
  int notify = -1, stop = -1;
  std::thread thread;

  ~Inner() {
    if (thread.joinable()) {
      const std::uint64_t one = 1;
      (void)!::write(stop, &one, sizeof one);
      thread.join();
    }
    if (notify >= 0) ::close(notify);
    if (stop >= 0) ::close(stop);
  }

  /// A folder that is watched already stays so; new ones inside are found with each change.
  void look() const {
    std::error_code error;
    for (const auto& folder : folders) {
      ::inotify_add_watch(notify, folder.c_str(), of_interest & ~std::uint32_t{IN_DONT_FOLLOW});
      for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
        std::error_code unknown;
        if (entry->is_directory(unknown)) ::inotify_add_watch(notify, entry->path().c_str(), of_interest);
      }
    }
  }

  /// True when something happened, and nothing more for a while; false when it is to stop.
  [[nodiscard]] bool wait() const {
    alignas(inotify_event) std::array<char, 16u << 10> events;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    for (bool pending = false;;) {
      std::array<pollfd, 2> on{{{notify, POLLIN, 0}, {stop, POLLIN, 0}}};
      const int n = ::poll(on.data(), on.size(), pending ? quiet_ms : -1);
      if (n < 0 && errno != EINTR) return false;
      if (on[1].revents != 0) return false;
      if (n == 0) return true;
      if (on[0].revents != 0 && ::read(notify, events.data(), events.size()) > 0) pending = true;
    }
  }

  void run() const {
    pthread_setname_np(pthread_self(), "plugin-watch");
    while (wait()) {
      look();
      changed();
    }
  }
};

PluginWatch::PluginWatch(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}
PluginWatch::~PluginWatch() = default;

Result<std::unique_ptr<PluginWatch>> PluginWatch::start(std::vector<fs::path> folders, std::function<void()> changed) {
  auto inner = std::make_unique<Inner>();
  inner->folders = std::move(folders);
  inner->changed = std::move(changed);
  inner->notify = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  inner->stop = ::eventfd(0, EFD_CLOEXEC);
  if (inner->notify < 0 || inner->stop < 0) {
    return fail(500, "watch_failed", std::string("the plugin folders cannot be watched: ") + std::strerror(errno),
                "raise fs.inotify.max_user_instances, or leave out --watch-plugins");
  }
  inner->look();
  auto* raw = inner.get();
  inner->thread = std::thread([raw] { raw->run(); });
  return std::unique_ptr<PluginWatch>(new PluginWatch(std::move(inner)));
}

}  // namespace lectern::app
