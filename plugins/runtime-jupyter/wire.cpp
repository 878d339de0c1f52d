#include "wire.hpp"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <ctime>

#include "lectern/sdk/json_slice.hpp"

namespace jupyter {
namespace json = lectern::sdk::json;
namespace {

constexpr std::string_view delimiter = "<IDS|MSG>";

std::string hex(const unsigned char* bytes, std::size_t count) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(count * 2);
  for (std::size_t i = 0; i < count; ++i) {
    out += digits[bytes[i] >> 4];
    out += digits[bytes[i] & 15];
  }
  return out;
}

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
  std::vector<unsigned char> bytes(count);
  if (RAND_bytes(bytes.data(), static_cast<int>(count)) != 1) std::abort();  // no randomness: no key is safe
  return hex(bytes.data(), bytes.size());
}

Wire::Wire(std::string key, std::string session) : key_(std::move(key)), session_(std::move(session)) {}

std::string Wire::sign(std::string_view header, std::string_view parent, std::string_view metadata,
                       std::string_view content) const {
  std::string all;
  all.reserve(header.size() + parent.size() + metadata.size() + content.size());
  all.append(header).append(parent).append(metadata).append(content);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), reinterpret_cast<const unsigned char*>(all.data()),
       all.size(), digest.data(), &size);
  return hex(digest.data(), size);
}

void Wire::send(zmtp::Peer& peer, std::string_view type, std::string_view id, std::string_view parent,
                std::string_view content, std::string_view metadata, const std::vector<std::string>& buffers) {
  std::string header = R"({"msg_id":)";
  json::quote(id, header);
  header += R"(,"session":")" + session_ + R"(","username":"lectern","date":")" + now() + R"(","msg_type":")";
  header.append(type).append(R"(","version":"5.3"})");
  if (parent.empty()) parent = "{}";
  if (metadata.empty()) metadata = "{}";
  const auto signature = sign(header, parent, metadata, content);
  const std::array<std::string_view, 6> parts{delimiter, signature, header, parent, metadata, content};
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
  const auto expected = sign(message.header, message.parent, message.metadata, message.content);
  if (signature.size() != expected.size() || CRYPTO_memcmp(signature.data(), expected.data(), expected.size()) != 0) {
    return false;
  }
  for (std::size_t i = at + 6; i < message.parts.size(); ++i) message.buffers.push_back(message.parts.at(i));
  message.type = json::text(json::member(message.header, "msg_type"));
  message.parent_id = json::text(json::member(message.parent, "msg_id"));
  return !message.type.empty();
}

}  // namespace jupyter
