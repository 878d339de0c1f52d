#include "load/crowd.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "load/stats.hpp"

namespace load {
namespace {
constexpr int patience_ms = 30'000;
}

Crowd::Crowd(std::vector<Socket>& sockets) {
  for (auto& socket : sockets) sockets_.push_back(&socket);
  watch();
}

Crowd::Crowd(std::vector<WebSocket*> sockets) : sockets_(std::move(sockets)) {
  watch();
}

Crowd::~Crowd() {
  ::close(epoll_);
}

void Crowd::watch() {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, sockets_[i]->fd(), &event) != 0) give_up("cannot watch a socket");
  }
}

std::int64_t Crowd::until(std::string_view needle) {
  std::vector<bool> has(sockets_.size());
  std::size_t missing = sockets_.size();
  const auto look = [&](std::size_t i) {
    if (has[i] || !sockets_[i]->skip_past(needle)) return;
    has[i] = true;
    --missing;
  };
  for (std::size_t i = 0; i < sockets_.size(); ++i) look(i);
  std::array<epoll_event, 256> ready;
  while (missing > 0) {
    const int count = ::epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), patience_ms);
    if (count <= 0) give_up("the host fell silent");
    for (int at = 0; at < count; ++at) {
      const auto i = ready[static_cast<std::size_t>(at)].data.u64;
      sockets_[i]->fill();
      look(i);
    }
  }
  return now_us();
}

void Crowd::read(std::int64_t due, const std::function<void(std::size_t, const Message&)>& take) {
  // ppoll on the epoll's own descriptor: epoll_wait counts in milliseconds.
  const auto left = std::max<std::int64_t>(due - now_us(), 0);
  const timespec wait{left / 1'000'000, (left % 1'000'000) * 1000};
  pollfd one{epoll_, POLLIN, 0};
  if (::ppoll(&one, 1, &wait, nullptr) <= 0) return;
  std::array<epoll_event, 256> ready;
  const int count = ::epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), 0);
  Message message;
  for (int at = 0; at < count; ++at) {
    const auto i = ready[static_cast<std::size_t>(at)].data.u64;
    sockets_[i]->fill();
    while (sockets_[i]->next(message)) take(i, message);
  }
}

void Crowd::until_quiet(int ms) {
  std::array<epoll_event, 256> ready;
  for (;;) {
    const int count = ::epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), ms);
    if (count <= 0) return;
    for (int at = 0; at < count; ++at) {
      auto& socket = *sockets_[ready[static_cast<std::size_t>(at)].data.u64];
      socket.fill();
      socket.skip_past({});
    }
  }
}

}  // namespace load
