#include "api/tickets.hpp"

#include <algorithm>

#include "base/crypto.hpp"

namespace lectern::api {

std::string Tickets::issue(std::string session_id, std::string client_key, std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (open_.size() >= max_open) {
    std::erase_if(open_, [&](const auto& entry) { return entry.second.until_ms <= now_ms; });
  }
  if (open_.size() >= max_open) {
    open_.erase(std::min_element(open_.begin(), open_.end(),
                                 [](const auto& a, const auto& b) { return a.second.until_ms < b.second.until_ms; }));
  }
  auto ticket = crypto::random_token(32);
  open_.emplace(ticket, Entry{std::move(session_id), std::move(client_key), now_ms + life_ms});
  return ticket;
}

std::optional<std::string> Tickets::redeem(std::string_view ticket, std::string_view session_id, std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  const auto it = open_.find(std::string(ticket));
  if (it == open_.end()) return std::nullopt;
  auto entry = std::move(it->second);
  open_.erase(it);
  if (entry.until_ms <= now_ms || entry.session_id != session_id) return std::nullopt;
  return std::move(entry.client_key);
}

}  // namespace lectern::api
