#include "api/pace.hpp"

#include <algorithm>

#include "base/clock.hpp"

namespace lectern::api {
namespace {

constexpr std::size_t max_peers_remembered = 4096;

}  // namespace

bool Pace::exhausted(const std::string& peer, bool take) {
  const std::lock_guard lock(mutex_);
  const auto now = clock::now_ms();
  if (left_.size() >= max_peers_remembered) {
    std::erase_if(left_, [&](const auto& entry) {
      return entry.second.allowance + static_cast<double>(now - entry.second.at_ms) / 1000.0 >= full_;
    });
    if (left_.size() >= max_peers_remembered) left_.clear();
  }
  auto [it, added] = left_.try_emplace(peer, Left{full_, now});
  auto& entry = it->second;
  entry.allowance = std::min(full_, entry.allowance + static_cast<double>(now - entry.at_ms) / 1000.0);
  entry.at_ms = now;
  if (entry.allowance < 1) return true;
  if (take) {
    entry.allowance -= 1;
  } else if (added) {
    left_.erase(it);
  }
  return false;
}

}  // namespace lectern::api
