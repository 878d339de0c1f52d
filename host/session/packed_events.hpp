// Recorded events as few bytes. Those of one session are much alike (the same cell, the same run, another status), so
// of each only what differs from the one before of its kind is kept, and what is full of those is compressed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "session/message.hpp"

namespace lectern::session {

struct RecordedEvent {
  MessagePtr message;
  MessagePtr for_author;  // what its author gets in place of it; may be null
};

/// Everything [reactor].
class PackedEvents {
 public:
  /// Behind all others. `message` is an event and has a seq.
  void add(const Message& message, const Message* for_author);
  /// Lets go of the oldest and returns its Message::bytes(); there must be one. Its memory goes with that of its
  /// neighbours, some kilobytes at a time.
  std::size_t pop_front();
  [[nodiscard]] std::size_t size() const { return count_; }
  /// Of the oldest; there must be one.
  [[nodiscard]] std::uint64_t first_seq() const;
  /// Adds those after `seq` to `out`, in order, made anew.
  void after(std::uint64_t seq, std::vector<RecordedEvent>& out) const;
  /// Bytes of memory they are in.
  [[nodiscard]] std::size_t held() const;

 private:
  using Bases = std::map<Op, std::string>;  // what the next of each kind is told apart from
  struct Block {
    std::uint64_t first_seq = 0;
    std::string bytes;
    std::size_t deflated_from = 0;  // the size of the text that `bytes` was made of; 0 = it is that text
  };
  static std::string text_of(const Block& block);
  void seal_last();

  std::vector<Block> blocks_;  // each can be read by itself; the last is filled, the first being emptied
  Bases bases_;                // of the last block
  std::size_t front_ = 0;      // of the first block: where the oldest begins
  std::size_t count_ = 0;
};

}  // namespace lectern::session
