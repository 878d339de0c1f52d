// Every open link, so that the front door can count them, close them all and know when the last one is gone.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/loop.hpp"

namespace lectern::net {

class SocketLink;

class Links {
 public:
  /// [any] From the moment a socket leaves its worker until its link is destroyed.
  void add(SocketLink* link, std::weak_ptr<SocketLink> handle, Loop& loop);
  void remove(SocketLink* link);
  [[nodiscard]] std::size_t count() const;

  /// [control] Closes every link with 1000 SHUTDOWN and waits for them; cuts what is left after `patience`. The loops
  /// must still run. True when none is left.
  bool close_all(std::chrono::milliseconds patience);

 private:
  enum class How { politely, now };
  void tell_all(How how);
  bool wait_empty(std::chrono::milliseconds patience);

  struct Entry {
    std::weak_ptr<SocketLink> link;
    Loop* loop = nullptr;
  };
  mutable std::mutex mutex_;
  std::condition_variable emptied_;
  std::unordered_map<SocketLink*, Entry> entries_;
};

}  // namespace lectern::net
