#include "attach/cool_down.hpp"

#include <algorithm>

namespace lectern::attach {

bool CoolDown::may_try(const std::string& endpoint, std::int64_t now_ms) {
  const auto found = entries_.find(endpoint);
  if (found == entries_.end()) return true;
  auto& entry = found->second;
  if (now_ms < entry.until_ms) return false;
  if (entry.tried_ms >= 0 && now_ms - entry.tried_ms < times_.try_ms) return false;
  entry.tried_ms = now_ms;
  return true;
}

void CoolDown::failed(const std::string& endpoint, std::int64_t now_ms) {
  if (entries_.size() >= times_.max_endpoints && !entries_.contains(endpoint)) make_room();
  auto& entry = entries_[endpoint];
  // Two that tried side by side before the first failure are one failure.
  if (now_ms < entry.until_ms) return;
  entry.length_ms = entry.length_ms == 0 ? times_.first_ms : std::min(entry.length_ms * 2, times_.longest_ms);
  entry.until_ms = now_ms + entry.length_ms;
  entry.tried_ms = -1;
}

void CoolDown::withdrawn(const std::string& endpoint) {
  const auto found = entries_.find(endpoint);
  if (found != entries_.end()) found->second.tried_ms = -1;
}

std::int64_t CoolDown::left_ms(const std::string& endpoint, std::int64_t now_ms) const {
  const auto found = entries_.find(endpoint);
  return found == entries_.end() ? 0 : std::max<std::int64_t>(0, found->second.until_ms - now_ms);
}

void CoolDown::make_room() {
  const auto oldest = std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
    return a.second.until_ms < b.second.until_ms;
  });
  if (oldest != entries_.end()) entries_.erase(oldest);
}

std::int64_t BackOff::next_ms(double random) {
  if (at_ms_ < 0) {
    at_ms_ = first_ms_;
    return 0;
  }
  const auto pause = at_ms_;
  at_ms_ = std::min(at_ms_ * 2, longest_ms_);
  const auto certain = pause / 2, spread = pause - certain;
  return certain + static_cast<std::int64_t>(static_cast<double>(spread) * random);
}

}  // namespace lectern::attach
