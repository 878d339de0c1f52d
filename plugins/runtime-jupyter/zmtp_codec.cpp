#include "zmtp_codec.hpp"

#include <algorithm>
#include <utility>

namespace jupyter::zmtp {
namespace {

constexpr std::size_t signature_size = 10, greeting_size = 64, mechanism_size = 20;
constexpr std::size_t mechanism_at = 12;
constexpr std::size_t most_answer_bytes = 64u << 10u;  // a peer that pings and never reads
constexpr std::size_t reserved_at_once = 64u << 20u;   // of what a length promises
constexpr unsigned flag_more = 1, flag_long = 2, flag_command = 4;
constexpr std::size_t ttl_size = 2, most_context = 16;  // of a PING

char byte(std::uint64_t value) {
  return static_cast<char>(value & 0xffu);
}
std::uint64_t number(char c) {
  return static_cast<unsigned char>(c);
}

void append_frame(std::string& out, std::string_view bytes, unsigned flags) {
  if (bytes.size() < 256) {
    out += byte(flags);
    out += byte(bytes.size());
  } else {
    out += byte(flags | flag_long);
    for (int shift = 56; shift >= 0; shift -= 8) out += byte(static_cast<std::uint64_t>(bytes.size()) >> shift);
  }
  out += bytes;
}

void append_property(std::string& out, std::string_view name, std::string_view value) {
  out += byte(name.size());
  out += name;
  for (int shift = 24; shift >= 0; shift -= 8) out += byte(static_cast<std::uint64_t>(value.size()) >> shift);
  out += value;
}

/// "" when this is the greeting of a peer that can be spoken with.
std::string fault_of(std::string_view greeting) {
  if (greeting.front() != '\xff' || (number(greeting[signature_size - 1]) & 1u) == 0) return "it does not speak ZMTP";
  const auto version = number(greeting[signature_size]);
  if (version < 3) return "it speaks ZMTP " + std::to_string(version) + ", older than 3.0";
  const auto mechanism = greeting.substr(mechanism_at, mechanism_size);
  if (mechanism.substr(0, 5) != std::string_view("NULL\0", 5)) return "it wants a security mechanism";
  return {};
}

/// A peer that is no ZMTP at all, or an old one, shows it before its greeting could be whole.
bool may_begin_greeting(std::string_view head) {
  if (head.front() != '\xff') return false;
  if (head.size() >= signature_size && (number(head[signature_size - 1]) & 1u) == 0) return false;
  return head.size() <= signature_size || number(head[signature_size]) >= 3;
}

}  // namespace

std::string greeting() {
  std::string out = "\xff";
  out.append(8, '\0').append("\x7f\x03").append(1, '\0').append("NULL");
  out.resize(greeting_size, '\0');
  return out;
}

std::string ready(SocketType type, std::string_view identity) {
  std::string command = "\x05READY", out;
  append_property(command, "Socket-Type", type == SocketType::sub ? "SUB" : "DEALER");
  if (type == SocketType::dealer) append_property(command, "Identity", identity);
  append_frame(out, command, flag_command);
  return out;
}

std::string subscribe_to_all() {
  std::string out;
  append_part(out, "\x01", false);
  return out;
}

void append_part(std::string& out, std::string_view bytes, bool more) {
  append_frame(out, bytes, more ? flag_more : 0);
}

void Message::make_room(std::size_t bytes) {
  constexpr std::size_t usual_bytes = 512, usual_parts = 8;
  if (ends_.empty()) ends_.reserve(usual_parts);
  const auto size = bytes_.size() + bytes;
  if (size > bytes_.capacity()) bytes_.reserve(std::max({size, 2 * bytes_.capacity(), usual_bytes}));
}

void Decoder::broken(std::string why) {
  state_ = State::broken;
  problem_ = std::move(why);
}

bool Decoder::take(std::string_view bytes) {
  while (!bytes.empty() && state_ != State::broken) {
    switch (state_) {
      case State::greeting:
        take_greeting(bytes);
        break;
      case State::flags:
        take_flags(bytes);
        break;
      case State::length:
        take_length(bytes);
        break;
      case State::body:
        take_body(bytes);
        break;
      case State::broken:
        break;
    }
  }
  return state_ != State::broken;
}

std::optional<Message> Decoder::next() {
  if (messages_.empty()) return std::nullopt;
  std::optional<Message> first(std::move(messages_.front()));
  messages_.pop_front();
  return first;
}

std::string Decoder::take_answers() {
  return std::exchange(answers_, {});
}

void Decoder::take_greeting(std::string_view& bytes) {
  const auto count = std::min(bytes.size(), greeting_size - head_.size());
  head_ += bytes.substr(0, count);
  bytes.remove_prefix(count);
  if (head_.size() == greeting_size || !may_begin_greeting(head_)) {
    head_.resize(greeting_size, '\0');
    if (auto fault = fault_of(head_); !fault.empty()) return broken(std::move(fault));
    std::string().swap(head_);
    state_ = State::flags;
  }
}

void Decoder::take_flags(std::string_view& bytes) {
  const auto flags = static_cast<unsigned>(number(bytes.front()));
  bytes.remove_prefix(1);
  if (flags > (flag_more | flag_long | flag_command)) return broken("a frame has flags that mean nothing");
  more_ = (flags & flag_more) != 0;
  command_ = (flags & flag_command) != 0;
  if (command_ && more_) return broken("a command is in parts");
  if (!command_ && !ready_) return broken("a message comes before READY");
  length_bytes_ = (flags & flag_long) != 0 ? 8 : 1;
  left_ = 0;
  state_ = State::length;
}

void Decoder::take_length(std::string_view& bytes) {
  for (; length_bytes_ > 0 && !bytes.empty(); --length_bytes_) {
    left_ = left_ << 8u | number(bytes.front());
    bytes.remove_prefix(1);
  }
  if (length_bytes_ == 0) begin_body();
}

void Decoder::begin_body() {
  if (left_ >> 63u != 0) return broken("a frame is longer than there can be");
  state_ = State::body;
  if (command_) {
    if (left_ > most_command_bytes) return broken("a command is too long");
  } else {
    kept_ = whole_ && message_.size() < most_parts;
    if (kept_ && left_ > most_message_bytes - message_.bytes_.size()) {
      kept_ = whole_ = false;
      message_ = {};
    }
    if (kept_ && left_ <= reserved_at_once) message_.make_room(static_cast<std::size_t>(left_));
  }
  if (left_ == 0) end_body();
}

void Decoder::take_body(std::string_view& bytes) {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_));
  if (command_) {
    head_ += bytes.substr(0, count);
  } else if (kept_) {
    message_.bytes_ += bytes.substr(0, count);
  }
  bytes.remove_prefix(count);
  left_ -= count;
  if (left_ == 0) end_body();
}

void Decoder::end_body() {
  state_ = State::flags;
  if (command_) return on_command(std::exchange(head_, {}));
  if (kept_) message_.ends_.push_back(message_.bytes_.size());
  if (!more_) end_message();
}

void Decoder::end_message() {
  if (whole_) {
    messages_.push_back(std::exchange(message_, {}));
  } else {
    ++dropped_;
  }
  message_ = {};
  whole_ = true;
}

void Decoder::on_command(std::string_view command) {
  const auto name_size = command.empty() ? 0 : static_cast<std::size_t>(number(command.front()));
  if (name_size == 0 || command.size() < 1 + name_size) return broken("a command has no name");
  const auto name = command.substr(1, name_size), data = command.substr(1 + name_size);
  if (name == "ERROR") {
    // Only what can be shown: these are the peer's words.
    std::string reason(data.empty() ? data : data.substr(1, number(data.front())));
    for (auto& c : reason) c = c < ' ' || c > '~' ? '?' : c;
    return broken("it refuses: " + reason);
  }
  if (!ready_) return name == "READY" ? on_ready(data) : broken("it does not begin with READY");
  if (name != "PING" || data.size() < ttl_size) return;  // of those that are unknown, none wants an answer
  if (data.size() > ttl_size + most_context) return broken("a PING is too long");
  if (answers_.size() > most_answer_bytes) return broken("it pings and takes no answers");
  append_frame(answers_, "\x04PONG" + std::string(data.substr(ttl_size)), flag_command);
}

/// Properties may be anything; what they say of the peer changes nothing here.
void Decoder::on_ready(std::string_view properties) {
  while (!properties.empty()) {
    const auto name = static_cast<std::size_t>(number(properties.front())) + 1;
    if (properties.size() < name + 4) return broken("READY has half a property");
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8u | number(properties[name + i]);
    if (name == 1 || properties.size() - name - 4 < value) return broken("READY has half a property");
    properties.remove_prefix(name + 4 + static_cast<std::size_t>(value));
  }
  ready_ = true;
}

}  // namespace jupyter::zmtp
