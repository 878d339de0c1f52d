// A store of records that does what the file `how` in its folder says: dies, hangs, or tries what it must not. What
// came of it is told as a rejected record. Its id is that of the shipped backend, because a host starts no other.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <asm/ioctls.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "crash.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/presence.hpp"
#include "lectern/sdk/settings.hpp"

namespace {

namespace fs = std::filesystem;
using namespace lectern::sdk;

std::string read_file(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Crashing final : public Presence {
 public:
  static constexpr std::uint64_t lag_ms = 100, min_period_ms = 50;

  explicit Crashing(std::string_view config) {
    Settings settings(config);
    root_ = settings.text("folder", "");
    settings.done();
    said_ = do_as_told();
  }
  void publish(std::string_view device_id, std::string_view instance_id, std::string_view record) override {
    (void)do_as_told();
    const auto path = root_ / (std::string(device_id) + "." + std::string(instance_id) + ".json");
    if (!(std::ofstream(path) << record)) throw Failure(LECTERN_UNAVAILABLE, "cannot write " + path.string());
  }
  void remove(std::string_view device_id, std::string_view instance_id) override {
    ::unlink((root_ / (std::string(device_id) + "." + std::string(instance_id) + ".json")).c_str());
  }
  void snapshot(const PresenceSink& out) override {
    said_ = do_as_told();
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root_, error)) {
      if (entry.path().extension() == ".json") out.record(entry.path().filename().string(), read_file(entry.path()));
    }
    if (error) throw Failure(LECTERN_UNAVAILABLE, "cannot read " + root_.string() + ": " + error.message());
    if (!said_.empty()) out.rejected("said", said_);
  }

 private:
  std::string do_as_told() const {
    const std::string how = read_file(root_ / "how");
    std::string said;
    if (crash::try_it(how, said)) return said;
    const auto outside = root_.parent_path() / "outside";
    if (how == "make-outside") {
      const int fd = ::open(outside.c_str(), O_WRONLY | O_CREAT, 0600);
      return fd < 0 ? "refused" : "written";
    }
    if (how == "read-outside") return read_file(outside).empty() ? "refused" : "read";
    if (how == "remove-outside") return ::unlink(outside.c_str()) != 0 ? "refused" : "removed";
    if (how == "move-outside") return ::rename((root_ / "how").c_str(), outside.c_str()) != 0 ? "refused" : "moved";
    if (how == "link-outside") return ::symlink(outside.c_str(), (root_ / "link").c_str()) != 0 ? "refused" : "linked";
    if (how == "through-link") return read_file(root_ / "planted").empty() ? "refused" : "read";
    if (how == "truncate-outside") return ::truncate(outside.c_str(), 0) != 0 ? "refused" : "truncated";
    // Landlock's first two versions take this for reading, so it must be refused in its own folder too.
    if (how == "truncate-reading")
      return ::open((root_ / "how").c_str(), O_RDONLY | O_TRUNC) < 0 ? "refused" : "truncated";
    if (how == "old-open") return ::syscall(SYS_open, (root_ / "how").c_str(), O_RDONLY) < 0 ? "refused" : "opened";
    if (how == "new-open") {
      const std::uint64_t of_reading[3] = {O_RDONLY, 0, 0};
      const auto fd = ::syscall(SYS_openat2, AT_FDCWD, (root_ / "how").c_str(), of_reading, sizeof of_reading);
      return fd < 0 ? "refused" : "opened";
    }
    if (how == "permissions") return ::chmod(root_.c_str(), 0777) != 0 ? "refused" : "changed";
    if (how.starts_with("socket-")) return at_the_socket(how);
    if (how == "locks") return can_lock() ? "locked" : "refused";
    return {};
  }
  // What makes the kernel signal somebody when the socket to the host becomes readable. The somebody here is itself.
  static std::string at_the_socket(const std::string& how) {
    constexpr int socket = 3;
    const int flags = ::fcntl(socket, F_GETFL);
    int yes = 1, self = ::getpid();
    f_owner_ex owner{F_OWNER_PID, ::getpid()};
    int result = -1;
    if (how == "socket-owner") result = ::fcntl(socket, F_SETOWN, self);
    if (how == "socket-owner-ex") result = ::fcntl(socket, F_SETOWN_EX, &owner);
    if (how == "socket-signal") result = ::fcntl(socket, F_SETSIG, SIGURG);
    if (how == "socket-async") result = ::fcntl(socket, F_SETFL, flags | O_ASYNC);
    if (how == "socket-ioctl-async") result = ::ioctl(socket, FIOASYNC, &yes);
    if (how == "socket-ioctl-owner") result = ::ioctl(socket, FIOSETOWN, &self);
    return flags < 0 ? "its flags cannot be read" : result < 0 ? "refused" : "done";
  }
  bool can_lock() const {
    const int fd = ::open((root_ / "how").c_str(), O_RDWR);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    const bool can = fd >= 0 && copy >= 0 && ::fcntl(fd, F_GETFD) >= 0 && ::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
                     ::fcntl(fd, F_SETLK, &lock) == 0 && ::fcntl(fd, F_GETLK, &lock) == 0;
    ::close(copy);
    ::close(fd);
    return can;
  }
  fs::path root_;
  std::string said_;
};

}  // namespace

LECTERN_PLUGIN(PresenceOf<Crashing>);
