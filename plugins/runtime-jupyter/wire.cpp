#include "wire.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>

#include "lectern/sdk/json_slice.hpp"

namespace jupyter {
namespace json = lectern::sdk::json;
namespace {

constexpr std::string_view delimiter = "<IDS|MSG>";

std::string now() {
  const auto time = std::chrono::system_clock::now();
  const auto seconds = std::chrono::system_clock::to_time_t(time);
  const auto micros =
      std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count() % 1'000'000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 48> out{};
  std::snprintf(out.data(), out.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", parts.tm_year + 1900, parts.tm_mon + 1,
                parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, static_cast<int>(micros));
  return out.data();
}

}  // namespace

std::string random_hex(std::size_t count) {
  std::string bytes(count, '\0');
  for (std::size_t have = 0; have < count;) {
    const auto got = ::getrandom(bytes.data() + have, count - have, 0);
    if (got > 0) have += static_cast<std::size_t>(got);
    if (got < 0 && errno != EINTR) std::abort();  // no randomness: no key is safe
  }
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(count * 2);
  for (const char byte : bytes) {
    out += digits[static_cast<unsigned char>(byte) >> 4];
    out += digits[static_cast<unsigned char>(byte) & 15];
  }
  return out;
}

Wire::Wire(std::string_view key, std::string session) : signer_(key), session_(std::move(session)) {}

void Wire::send(zmtp::Peer& peer, std::string_view type, std::string_view id, std::string_view parent,
                std::string_view content, std::string_view metadata, const std::vector<std::string>& buffers) {
  std::string header = R"({"msg_id":)";
  json::quote(id, header);
  header += R"(,"session":")" + session_ + R"(","username":"lectern","date":")" + now() + R"(","msg_type":")";
  header.append(type).append(R"(","version":"5.3"})");
  if (parent.empty()) parent = "{}";
  if (metadata.empty()) metadata = "{}";
  const auto signature = signer_.sign({header, parent, metadata, content});
  const std::array<std::string_view, 6> parts{delimiter, {signature.data(), signature.size()}, header, parent, metadata,
                                              content};
  std::size_t size = 0;
  for (const auto part : parts) size += part.size() + zmtp::most_part_head;
  for (const auto& buffer : buffers) size += buffer.size() + zmtp::most_part_head;
  std::string message;
  message.reserve(size);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    zmtp::append_part(message, parts.at(i), i + 1 < parts.size() || !buffers.empty());
  }
  for (std::size_t i = 0; i < buffers.size(); ++i) zmtp::append_part(message, buffers[i], i + 1 < buffers.size());
  peer.send(std::move(message));
}

std::unique_ptr<Message> Wire::receive(zmtp::Peer& peer) {
  while (auto parts = peer.next()) {
    auto message = std::make_unique<Message>();
    message->parts = std::move(*parts);
    if (read(*message)) return message;
    ++dropped_;
  }
  return nullptr;
}

bool Wire::read(Message& message) const {
  std::size_t at = 0;
  while (at < message.parts.size() && message.parts.at(at) != delimiter) ++at;
  if (at + 6 > message.parts.size()) return false;
  const auto signature = message.parts.at(at + 1);
  message.header = message.parts.at(at + 2);
  message.parent = message.parts.at(at + 3);
  message.metadata = message.parts.at(at + 4);
  message.content = message.parts.at(at + 5);
  if (!signer_.agrees(signature, {message.header, message.parent, message.metadata, message.content})) return false;
  for (std::size_t i = at + 6; i < message.parts.size(); ++i) message.buffers.push_back(message.parts.at(i));
  message.type = json::text(json::member(message.header, "msg_type"));
  message.parent_id = json::text(json::member(message.parent, "msg_id"));
  return !message.type.empty();
}

}  // namespace jupyter
