#include "watcher.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "lectern/sdk/failure.hpp"

namespace jupyter {
using lectern::sdk::Failure;
namespace {

constexpr std::uint64_t woken = ~std::uint64_t{0};

int watch(int epoll, int fd, std::uint64_t data, int operation = EPOLL_CTL_ADD, std::uint32_t events = EPOLLIN) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  return ::epoll_ctl(epoll, operation, fd, &event);
}

}  // namespace

Watcher::Watcher() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (epoll_ >= 0 && wake_ >= 0 && watch(epoll_, wake_, woken) == 0) return;
  const int problem = errno;
  if (epoll_ >= 0) ::close(epoll_);
  if (wake_ >= 0) ::close(wake_);
  throw Failure(LECTERN_UNAVAILABLE, std::string("no event descriptors: ") + std::strerror(problem));
}

Watcher::~Watcher() {
  ::close(wake_);
  ::close(epoll_);
}

void Watcher::wake() {
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);  // full means it is readable already
}

void Watcher::add(std::vector<Ready>& list, std::uint64_t owner, unsigned slots) {
  const auto it = std::find_if(list.rbegin(), list.rend(), [&](const Ready& one) { return one.owner == owner; });
  if (it != list.rend()) {
    it->slots |= slots;
  } else {
    list.push_back({owner, slots});
  }
}

const std::vector<Watcher::Ready>& Watcher::wait(int timeout_ms) {
  ready_.clear();
  ready_.swap(again_);
  std::array<epoll_event, 256> events{};
  const int count =
      ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), ready_.empty() ? timeout_ms : 0);
  for (int i = 0; i < count; ++i) {
    const auto data = events.at(static_cast<std::size_t>(i)).data.u64;
    if (data == woken) {
      std::uint64_t times = 0;
      (void)!::read(wake_, &times, sizeof times);
    } else {
      add(ready_, data / slots_each, 1u << (data % slots_each));
    }
  }
  return ready_;
}

Watched::Watched(Watcher& watcher, int fd, std::uint64_t owner, unsigned slot)
    : epoll_(watcher.epoll_), fd_(fd), data_(owner * Watcher::slots_each + slot) {
  if (watch(epoll_, fd_, data_) != 0) {
    throw Failure(LECTERN_UNAVAILABLE, std::string("a kernel cannot be watched: ") + std::strerror(errno));
  }
}

Watched::Watched(Watched&& other) noexcept
    : epoll_(other.epoll_), fd_(std::exchange(other.fd_, -1)), data_(other.data_), writing_(other.writing_) {}

Watched& Watched::operator=(Watched&& other) noexcept {
  if (this != &other) {
    end();
    epoll_ = other.epoll_;
    fd_ = std::exchange(other.fd_, -1);
    data_ = other.data_;
    writing_ = other.writing_;
  }
  return *this;
}

void Watched::also_writing(bool on) {
  if (fd_ < 0 || on == std::exchange(writing_, on)) return;
  (void)watch(epoll_, fd_, data_, EPOLL_CTL_MOD, on ? EPOLLIN | EPOLLOUT : EPOLLIN);  // needs no memory: cannot fail
}

void Watched::end() noexcept {
  if (fd_ >= 0) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, std::exchange(fd_, -1), nullptr);
}

}  // namespace jupyter
