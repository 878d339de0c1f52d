// The recorded events of one session, bounded by bytes and number: what a reconnect gets instead of a snapshot. The
// latest are as they were sent, for they may still be on their way; the others are packed.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "session/message.hpp"
#include "session/packed_events.hpp"

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
    latest_.push_back({std::move(message), std::move(for_author)});
    if (latest_.size() > on_their_way) {
      packed_.add(*latest_.front().message, latest_.front().for_author.get());
      latest_.pop_front();
    }
    while (bytes_ > max_bytes_ || size() > max_events_) forget_first();
  }

  /// [reactor] True when every event after `seq` is still here.
  [[nodiscard]] bool reaches(std::uint64_t seq) const {
    if (seq > seq_) return false;
    return seq == seq_ || (size() > 0 && first_seq() <= seq + 1);
  }
  /// [reactor] The events after `seq`, the caller's own; reaches(seq) must hold.
  [[nodiscard]] std::vector<RecordedEvent> after(std::uint64_t seq) const {
    const auto copy = [](const MessagePtr& one) { return one ? std::make_shared<Message>(*one) : nullptr; };
    std::vector<RecordedEvent> found;
    if (latest_.empty() || *latest_.front().message->seq > seq + 1) packed_.after(seq, found);
    for (const auto& one : latest_) {
      if (*one.message->seq > seq) found.push_back({copy(one.message), copy(one.for_author)});
    }
    return found;
  }
  /// [reactor] What max_bytes is about: the events as they were, not what they take here.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t on_their_way = 8;

  [[nodiscard]] std::size_t size() const { return packed_.size() + latest_.size(); }
  [[nodiscard]] std::uint64_t first_seq() const {
    return packed_.size() > 0 ? packed_.first_seq() : *latest_.front().message->seq;
  }
  void forget_first() {
    if (packed_.size() > 0) {
      bytes_ -= packed_.pop_front();
      return;
    }
    bytes_ -= latest_.front().message->bytes();
    latest_.pop_front();
  }

  std::size_t max_bytes_, max_events_, bytes_ = 0;
  std::uint64_t seq_ = 0;
  PackedEvents packed_;
  std::deque<RecordedEvent> latest_;
};

/// A resume token "{stream}.{seq}".
struct ResumeToken {
  std::string stream;
  std::uint64_t seq = 0;
};

}  // namespace lectern::session
