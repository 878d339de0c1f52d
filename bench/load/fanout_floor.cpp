#include "load/fanout_floor.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>

#include "load/host.hpp"
#include "load/stats.hpp"

namespace load {
namespace {
constexpr std::size_t record_size = 256;
}

FanoutFloor::FanoutFloor(const std::string& folder, int peers) : path_(folder + "/fanout-floor") {
  file_ = ::open(path_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (file_ < 0 || ::posix_fallocate(file_, 0, 1 << 20) != 0 || ::fdatasync(file_) != 0)
    give_up("cannot write " + path_);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 128) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    give_up("cannot listen");
  }
  for (int i = 0; i <= peers; ++i) {
    near_.push_back(dial(ntohs(address.sin_port)));
    far_.push_back(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    const int on = 1;
    ::setsockopt(far_.back(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ::close(listener);
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  for (std::size_t i = 1; i < near_.size(); ++i) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = near_[i];
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, near_[i], &event) != 0) give_up("cannot watch a socket");
  }
  server_ = std::thread([this] { serve(); });
}

FanoutFloor::~FanoutFloor() {
  for (const int fd : near_) ::close(fd);
  ::close(epoll_);
  server_.join();
  for (const int fd : far_) ::close(fd);
  ::close(file_);
  ::unlink(path_.c_str());
}

void FanoutFloor::serve() {
  const std::string record(record_size, 'r');
  char byte = 0;
  while (::recv(far_.front(), &byte, 1, 0) == 1) {
    if (::write(file_, record.data(), record.size()) < 0 || ::fdatasync(file_) != 0) give_up("cannot sync " + path_);
    for (std::size_t i = 1; i < far_.size(); ++i) write_all(far_[i], record);
  }
}

double FanoutFloor::cpu_ms() {
  clockid_t clock{};
  timespec used{};
  if (::pthread_getcpuclockid(server_.native_handle(), &clock) != 0 || ::clock_gettime(clock, &used) != 0)
    give_up("no CPU time of the floor's thread");
  return static_cast<double>(used.tv_sec) * 1e3 + static_cast<double>(used.tv_nsec) / 1e6;
}

std::int64_t FanoutFloor::once() {
  const auto from = now_us();
  write_all(near_.front(), "k");
  std::array<epoll_event, 256> ready;
  char buffer[record_size];
  for (std::size_t missing = near_.size() - 1; missing > 0;) {
    const int count = ::epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), 10'000);
    if (count <= 0) give_up("the floor fell silent");
    for (int at = 0; at < count; ++at) {
      const int fd = ready[static_cast<std::size_t>(at)].data.fd;
      if (::recv(fd, buffer, sizeof buffer, MSG_WAITALL) == static_cast<ssize_t>(record_size)) --missing;
    }
  }
  return now_us() - from;
}

}  // namespace load
