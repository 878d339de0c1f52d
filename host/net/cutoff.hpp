// A blocking conversation that may take so long and no longer. A socket's own timeouts start anew with every byte: a
// peer that sends one now and then would hold its caller for hours.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace lectern::net {

/// Shuts a connected socket down when the time is over, so that what blocks on it returns. Ends with the object.
class Cutoff {
 public:
  /// [worker] `fd` stays the caller's; a duplicate is what is shut down, so a number used again is never hit.
  Cutoff(int fd, std::chrono::milliseconds after) : fd_(::fcntl(fd, F_DUPFD_CLOEXEC, 0)) {
    const auto until = std::chrono::steady_clock::now() + after;
    thread_ = std::thread([this, until] {
      std::unique_lock lock(mutex_);
      if (!changed_.wait_until(lock, until, [this] { return over_; })) ::shutdown(fd_, SHUT_RDWR);
    });
  }
  ~Cutoff() {
    {
      const std::scoped_lock lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    thread_.join();
    if (fd_ >= 0) ::close(fd_);
  }
  Cutoff(const Cutoff&) = delete;
  Cutoff& operator=(const Cutoff&) = delete;

 private:
  const int fd_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace lectern::net
