#include "load/fanout_floor.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

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
  server_ = std::thread([this] { serve(); });
}

FanoutFloor::~FanoutFloor() {
  for (const int fd : near_) ::close(fd);
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

std::int64_t FanoutFloor::once() {
  const auto from = now_us();
  write_all(near_.front(), "k");
  std::vector<pollfd> waiting;
  for (std::size_t i = 1; i < near_.size(); ++i) waiting.push_back({near_[i], POLLIN, 0});
  char buffer[record_size];
  while (!waiting.empty()) {
    ::poll(waiting.data(), waiting.size(), 10'000);
    std::erase_if(waiting, [&](const pollfd& one) {
      return one.revents != 0 &&
             ::recv(one.fd, buffer, sizeof buffer, MSG_WAITALL) == static_cast<ssize_t>(record_size);
    });
  }
  return now_us() - from;
}

}  // namespace load
