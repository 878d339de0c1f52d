#include "net/out_queue.hpp"

#include <algorithm>

namespace lectern::net {

void OutQueue::push(std::string_view head, session::FramePtr frame) {
  Chunk chunk;
  chunk.head_size = static_cast<std::uint8_t>(std::min(head.size(), chunk.head.size()));
  std::copy_n(head.data(), chunk.head_size, chunk.head.data());
  chunk.frame = std::move(frame);
  if (chunk.size() == 0) return;
  bytes_ += chunk.size();
  chunks_.push_back(std::move(chunk));
}

std::span<const iovec> OutQueue::gather(std::array<iovec, max_parts>& parts) const {
  std::size_t count = 0;
  std::size_t skip = taken_;
  auto add = [&](const char* data, std::size_t size) {
    const auto skipped = std::min(skip, size);
    skip -= skipped;
    if (size > skipped) parts[count++] = {const_cast<char*>(data + skipped), size - skipped};
  };
  for (auto at = first_; at < chunks_.size() && count + 2 <= max_parts; ++at) {
    const auto& chunk = chunks_[at];
    add(chunk.head.data(), chunk.head_size);
    if (chunk.frame) add(chunk.frame->bytes.data(), chunk.frame->bytes.size());
  }
  return {parts.data(), count};
}

void OutQueue::consume(std::size_t count) {
  bytes_ -= count;
  taken_ += count;
  while (first_ < chunks_.size() && taken_ >= chunks_[first_].size()) {
    taken_ -= chunks_[first_].size();
    chunks_[first_].frame.reset();
    ++first_;
  }
  if (empty()) {
    clear();
  } else if (first_ > 64 && first_ * 2 > chunks_.size()) {
    chunks_.erase(chunks_.begin(), chunks_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

void OutQueue::clear() {
  if (chunks_.capacity() > 16) {
    chunks_ = {};
  } else {
    chunks_.clear();
  }
  first_ = taken_ = bytes_ = 0;
}

}  // namespace lectern::net
