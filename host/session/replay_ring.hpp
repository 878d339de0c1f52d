// The recorded events of one session, bounded by bytes and number: what a reconnect gets instead of a snapshot.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "session/message.hpp"

namespace lectern::session {

class ReplayRing {
 public:
  ReplayRing(std::size_t max_bytes, std::size_t max_events) : max_bytes_(max_bytes), max_events_(max_events) {}

  /// [reactor] The seq of the next recorded event.
  std::uint64_t next_seq() { return ++seq_; }
  /// [reactor] The last seq given.
  [[nodiscard]] std::uint64_t seq() const { return seq_; }

  /// [reactor] `message->seq` is the last one given. `for_author`: what its author gets in place of it; may be null.
  void add(MessagePtr message, MessagePtr for_author) {
    bytes_ += message->bytes();
    events_.push_back({std::move(message), std::move(for_author)});
    forget_frames();
    while (!events_.empty() && (bytes_ > max_bytes_ || events_.size() > max_events_)) {
      bytes_ -= events_.front().message->bytes();
      events_.pop_front();
    }
  }

  struct Entry {
    MessagePtr message, for_author;
  };
  /// [reactor] True when every event after `seq` is still here.
  [[nodiscard]] bool reaches(std::uint64_t seq) const {
    if (seq > seq_) return false;
    return seq == seq_ || (!events_.empty() && *events_.front().message->seq <= seq + 1);
  }
  /// [reactor] The events after `seq`; reaches(seq) must hold.
  [[nodiscard]] std::vector<Entry> after(std::uint64_t seq) const {
    std::vector<Entry> found;
    for (const auto& entry : events_) {
      if (*entry.message->seq > seq) found.push_back(entry);
    }
    return found;
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  /// Frames are half of what an event takes, and only a reconnect needs those of what everybody has: it has them
  /// encoded anew. The latest events may still be on their way.
  void forget_frames() {
    constexpr std::size_t on_their_way = 32;
    if (events_.size() <= on_their_way) return;
    auto& entry = events_[events_.size() - 1 - on_their_way];
    for (auto* const message : {&entry.message, &entry.for_author}) {
      if (message->use_count() == 1) (*message)->forget_frames();
    }
  }

  std::size_t max_bytes_, max_events_, bytes_ = 0;
  std::uint64_t seq_ = 0;
  std::deque<Entry> events_;
};

/// A resume token "{stream}.{seq}".
struct ResumeToken {
  std::string stream;
  std::uint64_t seq = 0;
};

}  // namespace lectern::session
