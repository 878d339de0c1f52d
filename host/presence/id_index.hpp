// Where in an array something with a text as its id is. Open addressing without a node for each entry: thousands are
// entered anew with every change of the rows.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace lectern::presence {

class IdIndex {
 public:
  static constexpr std::uint32_t none = 0xffff'ffff;

  /// Forgets all and makes room for that many.
  void reset(std::size_t entries) {
    slots_.assign(std::bit_ceil(entries * 2 + 2), Slot());
    mask_ = slots_.size() - 1;
  }

  using Hash = std::uint32_t;
  static Hash hash_of(std::string_view id) { return static_cast<Hash>(std::hash<std::string_view>{}(id)); }

  /// The place of `id`, which is entered as `place` when there is none yet; then true. `id_at(place)` is the id of an
  /// entry. No more may be entered than there is room for.
  template <class IdAt>
  std::pair<std::uint32_t, bool> add(std::string_view id, Hash hash, std::uint32_t place, IdAt&& id_at) {
    for (auto at = hash & mask_;; at = (at + 1) & mask_) {
      auto& slot = slots_[at];
      if (slot.place == none) {
        slot = {hash, place};
        return {place, true};
      }
      if (slot.hash == hash && id_at(slot.place) == id) return {slot.place, false};
    }
  }

  template <class IdAt>
  [[nodiscard]] std::uint32_t find(std::string_view id, Hash hash, IdAt&& id_at) const {
    if (slots_.empty()) return none;
    for (auto at = hash & mask_; slots_[at].place != none; at = (at + 1) & mask_) {
      if (slots_[at].hash == hash && id_at(slots_[at].place) == id) return slots_[at].place;
    }
    return none;
  }

 private:
  struct Slot {
    Hash hash = 0;
    std::uint32_t place = none;
  };
  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
};

}  // namespace lectern::presence
