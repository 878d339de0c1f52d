// The child's end: the socket to the host, and what a plugin writes during one call, on its way there.
#pragma once

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "isolation/wire.hpp"
#include "lectern/abi/draft/format.h"
#include "lectern/abi/draft/policy.h"
#include "lectern/abi/draft/presence.h"

namespace lectern::isolation {

/// The host is gone, or talks nonsense: nothing is left to do for this process.
[[noreturn]] inline void leave() {
  ::_exit(0);
}

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}

  void send(FrameType type, std::string_view payload) const {
    std::array<char, frame_head> head{};
    const auto length = static_cast<std::uint32_t>(payload.size());
    std::memcpy(head.data(), &length, sizeof length);
    head[4] = static_cast<char>(type);
    std::string frame;
    const std::scoped_lock lock(mutex_);
    if (payload.size() < (64u << 10)) {
      frame.append(head.data(), head.size()).append(payload);
      put(frame);
    } else {
      put({head.data(), head.size()});
      put(payload);
    }
  }
  std::pair<FrameType, std::string> receive() const {
    std::array<char, frame_head> head{};
    get(head.data(), head.size());
    std::uint32_t length = 0;
    std::memcpy(&length, head.data(), sizeof length);
    std::string payload(length, '\0');
    get(payload.data(), payload.size());
    return {static_cast<FrameType>(head[4]), std::move(payload)};
  }

 private:
  void put(std::string_view bytes) const {
    while (!bytes.empty()) {
      const auto n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) leave();
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void get(char* to, std::size_t size) const {
    while (size != 0) {
      const auto n = ::read(fd_, to, size);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) leave();
      to += n;
      size -= static_cast<std::size_t>(n);
    }
  }
  int fd_;
  mutable std::mutex mutex_;  // one frame after the other: a runtime's threads tell events
};

/// What a plugin writes during one call, on its way to the host.
struct Outbox {
  const Socket& socket;
  Packer records;
  std::string_view shared;
  lectern_status said = LECTERN_OK;

  lectern_status next() {
    if (said != LECTERN_OK || records.size() < batch_bytes) return said;
    socket.send(FrameType::records, records.bytes());
    records.bytes().clear();
    const auto [type, payload] = socket.receive();
    if (type != FrameType::ack || payload.size() != sizeof said) leave();
    std::memcpy(&said, payload.data(), sizeof said);
    return said;
  }
};

/// The sinks of each kind, to be lent (plugin::Loan) for one call with an Outbox as their target.
extern const lectern_notebook_builder builder_to_host;
extern const lectern_sink bytes_to_host;
extern const lectern_presence_sink records_to_host;
lectern_policy_out effects_to_host(lectern_error& error);

}  // namespace lectern::isolation
