// The room's counter: values only rise, over restarts too. A takeover must not wait for a disk, and a value must never
// be given twice, so the journal reserves a block of values ahead and the counter hands them out from memory (as
// databases allocate sequences). A restarted host goes on above the block: values may be skipped, none comes back.
#pragma once

#include <cstdint>
#include <optional>

#include "base/task.hpp"

namespace lectern::session {

class Epochs {
 public:
  /// Asks for `upto` to be journaled; confirm(upto) follows when it is on disk. Called on the reactor.
  using Reserve = UniqueFunction<void(std::uint64_t upto)>;

  /// `durable` = the end of the block that is on disk already; `last` = the last value that may have been given.
  Epochs(std::uint64_t last, std::uint64_t durable, std::uint64_t block, Reserve reserve)
      : last_(last), durable_(durable), asked_(durable), block_(block), reserve_(std::move(reserve)) {}

  /// [reactor] The last value given.
  [[nodiscard]] std::uint64_t last() const { return last_; }
  /// [reactor] How many can be given right now.
  [[nodiscard]] std::uint64_t available() const { return durable_ - last_; }

  /// [reactor] The next value; empty when the block is used up and the next one is not on disk yet.
  std::optional<std::uint64_t> next() {
    refill();
    if (available() == 0) return std::nullopt;
    return ++last_;
  }
  /// [reactor] A block is on disk.
  void confirm(std::uint64_t upto) {
    if (upto > durable_) durable_ = upto;
  }
  /// [reactor] The block could not be written: the next value asks again.
  void refuse() { asked_ = durable_; }

 private:
  void refill() {
    if (asked_ - last_ > block_ / 2) return;
    asked_ = last_ + block_;
    reserve_(asked_);
  }
  std::uint64_t last_, durable_, asked_, block_;
  Reserve reserve_;
};

}  // namespace lectern::session
