// Ways to take a process along, by name.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace crash {

inline volatile int sink = 0;  // keeps the compiler from proving that nothing happens

/// Talks to the host past the child's own code: a frame of isolation/wire.hpp, of the type `records`.
inline void frame(std::uint32_t announced, std::string_view payload) {
  std::string bytes(sizeof announced, '\0');
  std::memcpy(bytes.data(), &announced, sizeof announced);
  bytes += '\7';
  bytes += payload;
  if (::write(3, bytes.data(), bytes.size()) < 0) std::_Exit(8);
}
inline void take_ack() {
  char bytes[9];
  if (::read(3, bytes, sizeof bytes) <= 0) std::_Exit(9);
}

/// True when `how` was a way and the process lived; the answer is in `said`.
inline bool try_it(std::string_view how, std::string& said) {
  if (how == "segv") {
    volatile int* nowhere = reinterpret_cast<volatile int*>(static_cast<std::uintptr_t>(sink) + 8);
    *nowhere = 1;
  } else if (how == "abort") {
    std::abort();
  } else if (how == "exit") {
    std::_Exit(7);
  } else if (how == "loop") {
    for (;;) sink = sink + 1;
  } else if (how == "bomb") {
    std::vector<std::unique_ptr<char[]>> all;
    for (;;) {
      all.push_back(std::make_unique<char[]>(64u << 20));
      std::memset(all.back().get(), 1, 64u << 20);
    }
  } else if (how == "drip") {
    for (;;) {
      frame(0, {});
      take_ack();
    }
  } else if (how == "deaf") {
    for (;;) {
      frame(1, "\xff");
      take_ack();
    }
  } else if (how == "boast") {
    frame(5u << 20, {});
    for (;;) ::pause();
  } else if (how == "wait") {
    for (;;) ::poll(nullptr, 0, -1);
  } else if (how == "pid") {
    said = std::to_string(::getpid());
    return true;
  } else if (how == "throw") {
    throw std::runtime_error("thrown on purpose");
  } else if (how == "exec") {
    ::execl("/bin/true", "true", nullptr);
  } else if (how == "fork") {
    said = "fork: " + std::to_string(::fork());
    return true;
  } else if (how == "socket") {
    said = "socket: " + std::to_string(::socket(AF_INET, SOCK_STREAM, 0));
    return true;
  } else if (how == "write-file") {
    const int fd = ::open("/tmp/lectern-crash-was-here", O_WRONLY | O_CREAT, 0600);
    said = fd < 0 ? "refused" : "written";
    return true;
  } else if (how == "read-file") {
    said = ::open("/etc/passwd", O_RDONLY) < 0 ? "refused" : "read";
    return true;
  } else if (how == "environment") {
    said = std::getenv("LECTERN_TEST_SECRET") == nullptr ? "clean" : "leaked";
    return true;
  }
  return false;
}

}  // namespace crash
