#include "document/move_order.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "document/system_file.hpp"

namespace lectern::document {

// By the clock, for intents of hosts that died are in this order too (rename_intent.hpp).
std::uint64_t MoveOrder::next() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  const auto now = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(since).count());
  auto last = last_.load();
  auto move = std::max(last + 1, now);
  while (!last_.compare_exchange_weak(last, move)) move = std::max(last + 1, now);
  return move;
}

std::optional<std::string> MoveOrder::told(const std::string& notebook_id, std::string path, std::uint64_t move) {
  auto& last = told_[notebook_id];
  if (move < last) return std::nullopt;
  last = move;
  if (told_.size() > most) forget_the_oldest();
  for (const auto& folder : folders_) {
    if (folder.move < move || !is_at_or_below(path, folder.from)) continue;
    path = folder.to + path.substr(folder.from.size());
  }
  return path;
}

void MoveOrder::folder_told(const std::string& from, const std::string& to, std::uint64_t move) {
  const auto later =
      std::find_if(folders_.begin(), folders_.end(), [move](const FolderMove& one) { return one.move > move; });
  folders_.insert(later, {move, from, to});
  if (folders_.size() > most) folders_.pop_front();
}

bool MoveOrder::moved_since(const std::string& notebook_id, std::uint64_t move) const {
  const auto told = told_.find(notebook_id);
  return told != told_.end() && told->second > move;
}

// Half of them, so that it costs little a move.
void MoveOrder::forget_the_oldest() {
  std::vector<std::uint64_t> moves;
  moves.reserve(told_.size());
  for (const auto& [id, move] : told_) moves.push_back(move);
  const auto middle = moves.begin() + static_cast<std::ptrdiff_t>(moves.size() / 2);
  std::nth_element(moves.begin(), middle, moves.end());
  std::erase_if(told_, [oldest = *middle](const auto& one) { return one.second < oldest; });
}

}  // namespace lectern::document
