#include "net/links.hpp"

#include "net/socket_link.hpp"

namespace lectern::net {

void Links::add(SocketLink* link, std::weak_ptr<SocketLink> handle, Loop& loop) {
  const std::lock_guard lock(mutex_);
  entries_[link] = {std::move(handle), &loop};
}

void Links::remove(SocketLink* link) {
  const std::lock_guard lock(mutex_);
  entries_.erase(link);
  if (entries_.empty()) emptied_.notify_all();
}

std::size_t Links::count() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void Links::tell_all(How how) {
  const std::lock_guard lock(mutex_);
  for (const auto& [address, entry] : entries_) {
    entry.loop->post([handle = entry.link, how] {
      const auto link = handle.lock();
      if (!link) return;
      if (how == How::politely) {
        link->close(1000, "SHUTDOWN");
      } else {
        link->cut();
      }
    });
  }
}

bool Links::wait_empty(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  return emptied_.wait_for(lock, patience, [this] { return entries_.empty(); });
}

bool Links::close_all(std::chrono::milliseconds patience) {
  tell_all(How::politely);
  if (wait_empty(patience)) return true;
  tell_all(How::now);
  return wait_empty(std::chrono::seconds(2));
}

}  // namespace lectern::net
