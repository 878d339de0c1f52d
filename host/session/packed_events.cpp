#include "session/packed_events.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/deflate.hpp"

namespace lectern::session {
namespace {

constexpr std::size_t block_bytes = 8u << 10;
constexpr std::size_t largest_deflated = 64u << 10;  // a block with a large event in it would hold up the reactor
constexpr std::size_t largest_base = 4u << 10;       // a longer text is not kept twice to save a part of the next

void put(std::string& out, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) out += static_cast<char>(number | 0x80);
  out += static_cast<char>(number);
}

std::uint64_t take(std::string_view& from) {
  std::uint64_t number = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(from.front());
    from.remove_prefix(1);
    number |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return number;
  }
}

std::string_view take_text(std::string_view& from, std::size_t size) {
  const auto text = from.substr(0, size);
  from.remove_prefix(size);
  return text;
}

/// An event as it lies in a block: these numbers, then the texts that they give the sizes of.
struct Packed {
  std::uint64_t seq = 0, op = 0, prefix = 0, suffix = 0;  // bytes at both ends that are the base's
  std::uint64_t author = 0;                               // 0 = there is none; else one more than its size
  std::string_view middle, origin, author_data, payload, sizes;

  [[nodiscard]] std::size_t data_size() const { return prefix + middle.size() + suffix; }
};

void put(std::string& out, const Packed& packed) {
  for (const auto number : {packed.seq, packed.op, packed.prefix, packed.suffix, packed.author}) put(out, number);
  for (const auto text : {packed.middle, packed.origin, packed.payload, packed.sizes}) put(out, text.size());
  for (const auto text : {packed.middle, packed.origin, packed.author_data, packed.payload, packed.sizes}) out += text;
}

Packed take_packed(std::string_view& from) {
  Packed packed;
  for (auto* const number : {&packed.seq, &packed.op, &packed.prefix, &packed.suffix, &packed.author}) {
    *number = take(from);
  }
  const auto middle = take(from), origin = take(from), payload = take(from), sizes = take(from);
  packed.middle = take_text(from, middle);
  packed.origin = take_text(from, origin);
  packed.author_data = take_text(from, packed.author == 0 ? 0 : packed.author - 1);
  packed.payload = take_text(from, payload);
  packed.sizes = take_text(from, sizes);
  return packed;
}

Packed first_of(std::string_view bytes) {
  return take_packed(bytes);
}

std::string data_of(const Packed& packed, const std::string& base) {
  std::string data;
  data.reserve(packed.data_size());
  data.append(base, 0, packed.prefix).append(packed.middle);
  return data.append(base, base.size() - packed.suffix, packed.suffix);
}

/// What adding and reading do alike.
void becomes_base(std::string& base, const std::string& data) {
  if (data.size() <= largest_base) base = data;
}

RecordedEvent made_anew(const Packed& packed, std::string data) {
  const auto make = [&](std::string text) {
    auto message = event_message(static_cast<Op>(packed.op), std::move(text));
    message->seq = packed.seq;
    message->origin = packed.origin;
    return message;
  };
  RecordedEvent event{make(std::move(data)), nullptr};
  if (packed.author != 0) event.for_author = make(std::string(packed.author_data));
  event.message->payload = packed.payload;
  for (auto sizes = packed.sizes; !sizes.empty();) event.message->sizes.push_back(take(sizes));
  return event;
}

}  // namespace

std::string PackedEvents::text_of(const Block& block) {
  return block.deflated_from == 0 ? block.bytes : inflated(block.bytes, block.deflated_from);
}

void PackedEvents::seal_last() {
  auto& block = blocks_.back();
  const bool being_emptied = blocks_.size() == 1 && front_ > 0;
  if (being_emptied || block.bytes.size() > largest_deflated) return block.bytes.shrink_to_fit();
  block.deflated_from = block.bytes.size();
  block.bytes = deflated(block.bytes);
}

void PackedEvents::add(const Message& message, const Message* for_author) {
  if (blocks_.empty() || blocks_.back().bytes.size() >= block_bytes) {
    if (!blocks_.empty()) seal_last();
    blocks_.push_back({*message.seq, {}, 0});
    bases_.clear();
  }
  auto& base = bases_[message.op];
  const std::string_view data = message.data;
  const auto shorter = std::min(base.size(), data.size());
  Packed packed;
  packed.seq = *message.seq;
  packed.op = static_cast<std::uint64_t>(message.op);
  while (packed.prefix < shorter && base[packed.prefix] == data[packed.prefix]) ++packed.prefix;
  while (packed.prefix + packed.suffix < shorter &&
         base[base.size() - packed.suffix - 1] == data[data.size() - packed.suffix - 1]) {
    ++packed.suffix;
  }
  packed.middle = data.substr(packed.prefix, data.size() - packed.prefix - packed.suffix);
  packed.origin = message.origin;
  if (for_author != nullptr) {
    packed.author = for_author->data.size() + 1;
    packed.author_data = for_author->data;
  }
  packed.payload = message.payload;
  std::string sizes;
  for (const auto size : message.sizes) put(sizes, size);
  packed.sizes = sizes;
  put(blocks_.back().bytes, packed);
  becomes_base(base, message.data);
  ++count_;
}

std::size_t PackedEvents::pop_front() {
  auto& block = blocks_.front();
  if (block.deflated_from != 0) {
    block.bytes = text_of(block);
    block.deflated_from = 0;
  }
  auto rest = std::string_view(block.bytes).substr(front_);
  const auto packed = take_packed(rest);
  const auto bytes = Message::bytes_of(packed.data_size(), packed.payload.size());
  --count_;
  front_ = block.bytes.size() - rest.size();
  if (rest.empty()) {
    front_ = 0;
    blocks_.erase(blocks_.begin());
  }
  return bytes;
}

std::uint64_t PackedEvents::first_seq() const {
  const auto& block = blocks_.front();
  return front_ == 0 ? block.first_seq : first_of(std::string_view(block.bytes).substr(front_)).seq;
}

void PackedEvents::after(std::uint64_t seq, std::vector<RecordedEvent>& out) const {
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (i + 1 < blocks_.size() && blocks_[i + 1].first_seq <= seq + 1) continue;
    Bases bases;
    const auto text = text_of(blocks_[i]);
    std::string_view rest = text;
    while (!rest.empty()) {
      const bool let_go = i == 0 && text.size() - rest.size() < front_;
      const auto packed = take_packed(rest);
      auto& base = bases[static_cast<Op>(packed.op)];
      auto data = data_of(packed, base);
      becomes_base(base, data);
      if (!let_go && packed.seq > seq) out.push_back(made_anew(packed, std::move(data)));
    }
  }
}

std::size_t PackedEvents::held() const {
  std::size_t bytes = 0;
  for (const auto& block : blocks_) bytes += block.bytes.capacity();
  for (const auto& [op, base] : bases_) bytes += base.capacity();
  return bytes;
}

}  // namespace lectern::session
