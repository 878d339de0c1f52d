#include "document/moves_since_crash.hpp"

#include <sys/stat.h>

#include <utility>

#include "document/system_file.hpp"

namespace lectern::document {

void MovesSinceCrash::add(const std::string& from, const std::string& to) {
  const std::scoped_lock lock(mutex_);
  std::vector<Move> known;
  for (auto& move : std::exchange(moves_, {})) {
    if (is_at_or_below(move.to, from)) {
      move.to = to + move.to.substr(from.size());
    } else if (is_at_or_below(from, move.to)) {  // out of what was moved before: ahead of that
      known.push_back({move.from + from.substr(move.to.size()), to});
    }
    known.push_back(std::move(move));
  }
  known.push_back({from, to});
  moves_ = std::move(known);
}

std::string MovesSinceCrash::place_of(std::string_view path) {
  const std::scoped_lock lock(mutex_);
  for (auto move = moves_.begin(); move != moves_.end(); ++move) {
    if (!is_at_or_below(path, move->from)) continue;
    struct stat info {};
    if (::lstat(move->from.c_str(), &info) != 0) return move->to + std::string(path.substr(move->from.size()));
    moves_.erase(move);
    return {};
  }
  return {};
}

void MovesSinceCrash::renamed(const std::string& from, const std::string& to) {
  const std::scoped_lock lock(mutex_);
  for (auto& move : moves_) {
    if (is_at_or_below(move.to, from)) move.to = to + move.to.substr(from.size());
  }
}

void MovesSinceCrash::removed(std::string_view path) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(moves_, [&](const Move& move) { return is_at_or_below(move.to, path); });
}

void MovesSinceCrash::taken(std::string_view path) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(moves_, [&](const Move& move) { return is_at_or_below(path, move.from); });
}

}  // namespace lectern::document
