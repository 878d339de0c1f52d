// What leaves on a relay's connection at the end of this turn: one message for a frame, however many channels it goes
// to.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "relay/frames.hpp"
#include "session/link.hpp"

namespace lectern::relay {

/// All functions [reactor]. Order is kept within each channel; a frame joins the message that has it already unless
/// something later goes to that channel.
class Outbox {
 public:
  struct Entry {
    Header header;
    session::FramePtr frame;  // null: the header is all
  };
  /// Where a channel stands in the outbox; kept by the channel.
  struct Place {
    std::uint64_t turn = 0;
    std::size_t last = 0, bytes = 0;  // of that turn: entry of its latest message, bytes of its frames
  };

  /// True when it opened a message of its own.
  bool add(Channel channel, Place& place, session::FramePtr frame) {
    begin(place);
    place.bytes += frame->bytes.size();
    const auto known = entry_of_.find(frame.get());
    if (known != entry_of_.end() && place.last < known->second) {
      entries_[known->second - 1].header.channels.push_back(channel);
      place.last = known->second;
      return false;
    }
    Header header;
    header.op = Op::frame;
    header.text = !frame->binary;
    header.channels = {channel};
    entries_.push_back({std::move(header), frame});
    place.last = entry_of_[frame.get()] = entries_.size();
    return true;
  }
  void add(Place& place, Header header) {
    begin(place);
    entries_.push_back({std::move(header), nullptr});
    place.last = entries_.size();
  }
  [[nodiscard]] std::size_t bytes(const Place& place) const { return place.turn == turn_ ? place.bytes : 0; }
  [[nodiscard]] std::vector<Entry> take() {
    ++turn_;
    entry_of_.clear();
    return std::exchange(entries_, {});
  }

 private:
  void begin(Place& place) const {
    if (place.turn != turn_) place = {turn_, 0, 0};
  }
  std::uint64_t turn_ = 1;
  std::vector<Entry> entries_;
  std::unordered_map<const session::Frame*, std::size_t> entry_of_;  // number, from 1, of the latest with that frame
};

}  // namespace lectern::relay
