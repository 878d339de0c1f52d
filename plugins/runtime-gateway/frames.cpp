#include "frames.hpp"

#include <openssl/rand.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "lectern/sdk/json_slice.hpp"

namespace gateway {
namespace json = lectern::sdk::json;
namespace {

constexpr std::size_t most_parts = 10'000;

template <class T>
void put_little(T value, std::string& out) {
  for (std::size_t i = 0; i < sizeof value; ++i) out += static_cast<char>((value >> (8 * i)) & 0xFF);
}
void put_big(std::uint32_t value, std::string& out) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xFF);
}
std::uint64_t little(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 8; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}
std::uint32_t big(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::string_view or_empty(std::string_view object) {
  return object.empty() ? std::string_view("{}") : object;
}

std::string as_json(const Outgoing& message) {
  std::string out = R"({"channel":)" + json::quoted(message.channel) + ",\"header\":" + message.header +
                    ",\"parent_header\":" + std::string(or_empty(message.parent)) +
                    ",\"metadata\":" + std::string(or_empty(message.metadata)) + ",\"content\":" + message.content;
  return out + R"(,"buffers":[]})";
}

std::string as_v1(const Outgoing& message) {
  std::vector<std::string_view> parts{message.channel, message.header, or_empty(message.parent),
                                      or_empty(message.metadata), message.content};
  parts.insert(parts.end(), message.buffers.begin(), message.buffers.end());
  std::string out;
  put_little<std::uint64_t>(parts.size() + 1, out);
  std::uint64_t at = 8 * (parts.size() + 2);
  put_little(at, out);
  for (const auto part : parts) put_little(at += part.size(), out);
  for (const auto part : parts) out += part;
  return out;
}

std::string as_binary(const Outgoing& message) {
  const auto text = as_json(message);
  std::vector<std::string_view> parts{text};
  parts.insert(parts.end(), message.buffers.begin(), message.buffers.end());
  std::string out;
  put_big(static_cast<std::uint32_t>(parts.size()), out);
  std::size_t at = 4 * (parts.size() + 1);
  for (const auto part : parts) {
    put_big(static_cast<std::uint32_t>(at), out);
    at += part.size();
  }
  for (const auto part : parts) out += part;
  return out;
}

/// The parts between consecutive offsets; nothing when one goes back or past the end.
template <class Offset>
std::optional<std::vector<std::string_view>> cut(std::string_view bytes, std::size_t count, const Offset& offset) {
  std::vector<std::string_view> parts;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t from = offset(i), to = offset(i + 1);
    if (from > to || to > bytes.size()) return std::nullopt;
    parts.push_back(bytes.substr(from, to - from));
  }
  return parts;
}

std::optional<std::vector<std::string_view>> v1_parts(std::string_view bytes) {
  if (bytes.size() < 8) return std::nullopt;
  const auto offsets = little(bytes);
  if (offsets < 6 || offsets > most_parts || bytes.size() < 8 * (offsets + 1)) return std::nullopt;
  return cut(bytes, offsets - 1, [&](std::size_t i) { return little(bytes.substr(8 * (i + 1), 8)); });
}

std::optional<std::vector<std::string_view>> binary_parts(std::string_view bytes) {
  if (bytes.size() < 4) return std::nullopt;
  const auto count = big(bytes);
  if (count < 1 || count > most_parts || bytes.size() < 4 * (std::size_t{count} + 1)) return std::nullopt;
  return cut(bytes, count, [&](std::size_t i) -> std::uint64_t {
    return i == count ? bytes.size() : big(bytes.substr(4 * (i + 1), 4));
  });
}

/// What is needed of the header and the parent, and that all four are objects.
bool complete(jupyter::KernelMessage& message) {
  if (!json::is_object(message.header) || !json::is_object(message.content)) return false;
  message.type = json::text(json::member(message.header, "msg_type"));
  message.parent_id = json::text(json::member(message.parent, "msg_id"));
  return !message.type.empty();
}

std::optional<Incoming> from_v1(std::string_view bytes) {
  const auto parts = v1_parts(bytes);
  if (!parts) return std::nullopt;
  Incoming out;
  out.channel = std::string(parts->at(0));
  auto& message = out.message;
  message.header = parts->at(1);
  message.parent = parts->at(2);
  message.metadata = parts->at(3);
  message.content = parts->at(4);
  message.buffers.assign(parts->begin() + 5, parts->end());
  for (const auto part : {message.header, message.parent, message.metadata, message.content}) {
    if (!json::valid(part)) return std::nullopt;
  }
  if (!complete(message)) return std::nullopt;
  return out;
}

std::optional<Incoming> from_json(std::string_view text) {
  if (!json::valid(text)) return std::nullopt;
  Incoming out;
  auto& message = out.message;
  json::each_member(text, [&](std::string_view key, std::string_view value) {
    if (key == "\"channel\"") out.channel = json::text(value);
    if (key == "\"header\"") message.header = value;
    if (key == "\"parent_header\"") message.parent = value;
    if (key == "\"metadata\"") message.metadata = value;
    if (key == "\"content\"") message.content = value;
    return true;
  });
  if (!complete(message)) return std::nullopt;
  return out;
}

}  // namespace

Frame encode(const Outgoing& message, bool v1) {
  if (v1) return {as_v1(message), false};
  if (message.buffers.empty()) return {as_json(message), true};
  return {as_binary(message), false};
}

std::optional<Incoming> decode(std::string_view bytes, bool text, bool v1) {
  if (text) return from_json(bytes);
  if (v1) return from_v1(bytes);
  const auto parts = binary_parts(bytes);
  if (!parts) return std::nullopt;
  auto out = from_json(parts->front());
  if (out) out->message.buffers.assign(parts->begin() + 1, parts->end());
  return out;
}

std::string header(std::string_view type, std::string_view id, std::string_view session) {
  const auto now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> date{};
  std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return "{\"msg_id\":" + json::quoted(id) + ",\"session\":" + json::quoted(session) +
         R"(,"username":"lectern","date":")" + date.data() + R"(","msg_type":")" + std::string(type) +
         R"(","version":"5.3"})";
}

std::string new_session() {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) std::abort();  // no randomness: ids would collide
  std::string out;
  for (const auto byte : bytes) {
    constexpr char digits[] = "0123456789abcdef";
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

}  // namespace gateway
