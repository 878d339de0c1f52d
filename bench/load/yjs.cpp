#include "load/yjs.hpp"

#include <algorithm>

namespace load::yjs {
namespace {

constexpr std::string_view document = "room";
constexpr std::uint64_t sync_message = 0, auth_message = 2;           // of Hocuspocus
constexpr std::uint64_t step_one = 0, step_two = 1, update_step = 2;  // of y-protocols/sync
constexpr std::uint64_t token_follows = 0;
constexpr unsigned content_string = 4, content_kind = 0x1F, has_origin = 0x80, has_right_origin = 0x40;

void number(std::string& out, std::uint64_t value) {
  for (; value > 0x7F; value >>= 7) out += static_cast<char>(0x80 | (value & 0x7F));
  out += static_cast<char>(value);
}

void text(std::string& out, std::string_view value) {
  number(out, value.size());
  out += value;
}

std::uint64_t read_number(std::string_view& in) {
  std::uint64_t value = 0;
  for (int shift = 0; !in.empty() && shift < 63; shift += 7) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

/// Skips a text; its length, which is that of its characters when they are ASCII.
std::uint64_t skip_text(std::string_view& in) {
  const auto size = read_number(in);
  in.remove_prefix(std::min<std::size_t>(size, in.size()));
  return size;
}

std::string begin_message(std::uint64_t kind, std::uint64_t step) {
  std::string out;
  text(out, document);
  number(out, kind);
  number(out, step);
  return out;
}

/// The characters of one struct; 0 for one that no typing makes.
std::uint64_t read_struct(std::string_view& in) {
  if (in.empty()) return 0;
  const auto info = static_cast<unsigned char>(in.front());
  in.remove_prefix(1);
  if ((info & content_kind) != content_string) return 0;
  for (const unsigned origin : {has_origin, has_right_origin}) {
    if ((info & origin) == 0) continue;
    read_number(in);
    read_number(in);
  }
  if ((info & (has_origin | has_right_origin)) == 0) {
    read_number(in);  // the parent is a root type,
    skip_text(in);    // named
  }
  return skip_text(in);
}

}  // namespace

std::string auth() {
  auto out = begin_message(auth_message, token_follows);
  text(out, "token");
  return out;
}

std::string ask_for_all() {
  auto out = begin_message(sync_message, step_one);
  text(out, std::string_view("\0", 1));  // a state vector of nobody
  return out;
}

std::string typed(std::uint64_t client, std::uint64_t clock) {
  std::string update;
  number(update, 1);  // clients
  number(update, 1);  // structs
  number(update, client);
  number(update, clock);
  update += static_cast<char>(content_string | (clock > 0 ? has_origin : 0));
  if (clock > 0) {
    number(update, client);
    number(update, clock - 1);
  } else {
    number(update, 1);
    text(update, "c" + std::to_string(client));
  }
  text(update, "k");
  number(update, 0);  // deletions
  auto out = begin_message(sync_message, update_step);
  text(out, update);
  return out;
}

std::string key(std::uint64_t client, std::uint64_t clock) {
  return std::to_string(client) + ":" + std::to_string(clock);
}

void keys_of(std::string_view message, const std::function<void(std::string_view)>& tell) {
  skip_text(message);
  if (read_number(message) != sync_message) return;
  if (const auto step = read_number(message); step != update_step && step != step_two) return;
  read_number(message);  // its size
  for (auto clients = read_number(message); clients > 0 && !message.empty(); --clients) {
    auto structs = read_number(message);
    const auto client = read_number(message);
    for (auto clock = read_number(message); structs > 0; --structs) {
      const auto characters = read_struct(message);
      if (characters == 0) return;
      for (std::uint64_t i = 0; i < characters; ++i) tell(key(client, clock++));
    }
  }
}

}  // namespace load::yjs
