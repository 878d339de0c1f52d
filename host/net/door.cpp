#include "net/door.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

namespace lectern::net {

StopSignal::StopSignal() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

StopSignal::~StopSignal() {
  if (fd_ >= 0) ::close(fd_);
}

void StopSignal::raise() {
  raised_ = true;
  const std::uint64_t one = 1;
  // Nobody reads the counter, so it cannot be full after one write.
  [[maybe_unused]] const auto written = ::write(fd_, &one, sizeof one);
}

bool Peers::enter(const void* socket, const std::string& address, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  auto& count = counts_[address];
  if (limit != 0 && count >= limit) return false;
  ++count;
  sockets_[socket] = address;
  return true;
}

void Peers::leave(const void* socket) {
  const std::lock_guard lock(mutex_);
  const auto address = sockets_.find(socket);
  if (address == sockets_.end()) return;
  const auto found = counts_.find(address->second);
  if (found != counts_.end() && --found->second == 0) counts_.erase(found);
  sockets_.erase(address);
}

std::size_t Peers::count() const {
  const std::lock_guard lock(mutex_);
  return sockets_.size();
}

}  // namespace lectern::net
