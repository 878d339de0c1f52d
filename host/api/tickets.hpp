// Single-use tickets that stand for a client key where headers cannot be set (EventSource). Protocol 1.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace lectern::api {

class Tickets {
 public:
  static constexpr std::int64_t life_ms = 30'000;
  static constexpr std::size_t max_open = 10'000;

  /// [any] A new ticket for `client_key` ("id.secret") in that session. When too many are open the oldest ones go.
  std::string issue(std::string session_id, std::string client_key, std::int64_t now_ms);
  /// [any] The client key, once; empty when unknown, spent, too old, or for another session.
  std::optional<std::string> redeem(std::string_view ticket, std::string_view session_id, std::int64_t now_ms);

 private:
  struct Entry {
    std::string session_id, client_key;
    std::int64_t until_ms = 0;
  };
  std::mutex mutex_;
  std::unordered_map<std::string, Entry> open_;
};

}  // namespace lectern::api
