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

Crowd::Crowd(std::vector<Socket>& sockets) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  for (auto& socket : sockets) add(socket);
}

Crowd::Crowd(const std::vector<WebSocket*>& sockets) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  for (auto* socket : sockets) add(*socket);
}

Crowd::~Crowd() {
  ::close(epoll_);
}

void Crowd::add(WebSocket& socket) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = sockets_.size();
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket.fd(), &event) != 0) give_up("cannot watch a socket");
  sockets_.push_back(&socket);
}

void Crowd::wait_for(int fd) {
  std::array<epoll_event, 256> ready;
  for (;;) {
    std::array<pollfd, 2> either{{{fd, POLLIN, 0}, {epoll_, POLLIN, 0}}};
    if (::poll(either.data(), either.size(), patience_ms) <= 0) give_up("the host fell silent");
    // The others first: who joins a room of a thousand is told last.
    const int count =
        either[1].revents == 0 ? 0 : ::epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), 0);
    for (int at = 0; at < count; ++at) {
      auto& socket = *sockets_[ready[static_cast<std::size_t>(at)].data.u64];
      if (socket.fd() == fd) continue;
      socket.fill();
      socket.skip_past({});
    }
    if (either[0].revents != 0) return;
  }
}

std::int64_t Crowd::until(std::string_view needle, const std::function<void(std::int64_t)>& each) {
  std::vector<bool> has(sockets_.size());
  std::size_t missing = sockets_.size();
  const auto look = [&](std::size_t i) {
    if (has[i] || !sockets_[i]->skip_past(needle)) return;
    has[i] = true;
    --missing;
    if (each) each(now_us());
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
  Message message;
  for (auto heard_us = now_us();;) {
    const auto left_ms = ms - static_cast<int>((now_us() - heard_us) / 1000);
    const int count = ::epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), std::max(left_ms, 0));
    bool heard = false;
    for (int at = 0; at < count; ++at) {
      auto& socket = *sockets_[ready[static_cast<std::size_t>(at)].data.u64];
      socket.fill();
      while (socket.next(message)) heard = true;
    }
    // Pings are none: among a thousand sockets there is always one.
    if (heard) heard_us = now_us();
    if (count <= 0 || (!heard && left_ms <= 0)) return;
  }
}

}  // namespace load
