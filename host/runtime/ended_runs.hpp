// Which cell each of the last runs was of: what a kernel says of a run may come after its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

namespace lectern::runtime {

/// Everything [reactor].
class EndedRuns {
 public:
  static constexpr std::size_t remembered = 256;

  void add(std::uint64_t number, const std::string& cell_id) {
    const auto cell = cells_.try_emplace(cell_id, 0).first;
    ++cell->second;
    runs_.emplace_back(number, cell);
    if (runs_.size() <= remembered) return;
    const auto oldest = runs_.front().second;
    runs_.pop_front();
    if (--oldest->second == 0) cells_.erase(oldest);
  }

  /// Null when it is not among the last. Good until the next add().
  [[nodiscard]] const std::string* cell_of(std::uint64_t number) const {
    for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
      if (run->first == number) return &run->second->first;
    }
    return nullptr;
  }

 private:
  using Cells = std::map<std::string, std::size_t>;  // by id: how many of the runs are its
  Cells cells_;
  std::deque<std::pair<std::uint64_t, Cells::iterator>> runs_;
};

}  // namespace lectern::runtime
