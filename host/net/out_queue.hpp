// What waits to leave on one socket: shared frames with their own small heads, in order. Gathers many into one write.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "session/link.hpp"

namespace lectern::net {

class OutQueue {
 public:
  static constexpr std::size_t max_parts = 128;

  /// At most 14 bytes of `head`, then the frame (which may be null).
  void push(std::string_view head, session::FramePtr frame);
  [[nodiscard]] bool empty() const { return first_ == chunks_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// The front of the queue as buffers; valid until push, consume or clear.
  std::span<const iovec> gather(std::array<iovec, max_parts>& parts) const;
  void consume(std::size_t count);
  void clear();

 private:
  struct Chunk {
    session::FramePtr frame;
    std::array<char, 14> head{};
    std::uint8_t head_size = 0;
    [[nodiscard]] std::size_t size() const { return head_size + (frame ? frame->bytes.size() : 0); }
  };
  std::vector<Chunk> chunks_;  // a vector and a start: an idle queue holds no memory, a deque always does
  std::size_t first_ = 0;
  std::size_t taken_ = 0;  // of the first chunk
  std::size_t bytes_ = 0;
};

}  // namespace lectern::net
