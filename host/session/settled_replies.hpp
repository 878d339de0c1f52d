// The replies to one client's last commands, as few bytes: each client has some hundreds of them at all times, and
// hardly one is ever asked for again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "session/session.hpp"

namespace lectern::session {

/// Everything [reactor].
class SettledReplies {
 public:
  [[nodiscard]] std::size_t size() const { return sums_.size(); }
  /// Behind all others. `id` must not be here yet.
  void add(std::string_view id, const Result<CommandReply>& reply);
  /// Lets go of the oldest; there must be one. Its memory goes with that of its neighbours.
  void pop_front();
  [[nodiscard]] std::optional<Result<CommandReply>> find(std::string_view id) const;

 private:
  /// Records one behind the other; compressed as soon as the next block is begun.
  struct Block {
    std::string bytes;
    std::size_t deflated_from = 0;  // the size of the records; 0 = `bytes` is the records
    std::size_t count = 0;
  };
  void begin_block();
  [[nodiscard]] std::optional<Result<CommandReply>> read(std::size_t number, std::string_view id) const;

  std::vector<std::size_t> sums_;  // of the ids, in order: a new id is told from all of them without reading a block
  std::vector<Block> blocks_;
  std::size_t gone_ = 0;  // records of the first block that pop_front() let go of
};

}  // namespace lectern::session
