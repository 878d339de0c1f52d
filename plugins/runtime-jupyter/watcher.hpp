// Which of all kernels' descriptors have something to be looked at: one epoll, whatever their number. Everything on the
// I/O thread but wake().
#pragma once

#include <cstdint>
#include <vector>

namespace jupyter {

class Watcher {
 public:
  static constexpr unsigned slots_each = 8;

  /// Throws lectern::sdk::Failure when the system has no descriptors left.
  Watcher();
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  /// Of one owner: a bit for each of its slots.
  struct Ready {
    std::uint64_t owner;
    unsigned slots;
  };
  /// Who has something to be looked at, each once. Waits `timeout_ms` at most, -1 = as long as it takes; returns early
  /// after wake(), and at once after again(). The list is good until the next call.
  const std::vector<Ready>& wait(int timeout_ms);
  /// The next wait names this slot whatever its descriptor says.
  void again(std::uint64_t owner, unsigned slot) { add(again_, owner, 1u << slot); }
  /// [any]
  void wake();

 private:
  friend class Watched;
  static void add(std::vector<Ready>& list, std::uint64_t owner, unsigned slots);

  int epoll_ = -1, wake_ = -1;
  std::vector<Ready> ready_, again_;
};

/// A descriptor that is watched for reading as long as this lives; `fd` and the watcher live longer.
class Watched {
 public:
  Watched() = default;
  Watched(Watcher& watcher, int fd, std::uint64_t owner, unsigned slot);
  Watched(Watched&& other) noexcept;
  Watched& operator=(Watched&& other) noexcept;
  ~Watched() { end(); }
  /// [any] Whether its slot is named when it can be written to, too. One call after the other.
  void also_writing(bool on);

 private:
  void end() noexcept;

  int epoll_ = -1, fd_ = -1;
  std::uint64_t data_ = 0;
  bool writing_ = false;
};

}  // namespace jupyter
