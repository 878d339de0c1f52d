// What is kept for each record of one store's last snapshot, found again by its origin in the next. Stores list in the
// same order, mostly: what stands where it stood, or after some that have left, costs a comparison. A table of ten
// thousand, asked with every look for each of them, costs more than all the rest of the look.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace lectern::presence {

/// `Entry` has a `std::string origin`, by which it is found.
template <class Entry>
class ByOrigin {
 public:
  /// The entry as it was left in the last snapshot; a new one when there was none, or when this snapshot has had it.
  /// Good until the next call.
  Entry& next(const std::string& origin) {
    const auto at = find_ahead(origin);
    if (at == now_.size()) {
      if (kept_ == read_) set_aside(at);  // else there is room for it before what is still to come
      return keep(taken_from_aside(origin));
    }
    set_aside(at);
    ++read_;
    return kept_ == at ? now_[kept_++] : keep(std::move(now_[at]));
  }
  /// After the last of a snapshot: what was not asked for is gone.
  void end() {
    now_.resize(kept_);
    aside_.clear();
    kept_ = read_ = 0;
    searches_ = now_.size();
  }

 private:
  /// Its place among those that are still to come, or the end. All that is searched in a snapshot comes to no more than
  /// a look at each entry.
  std::size_t find_ahead(const std::string& origin) {
    for (auto at = read_; at < now_.size(); ++at) {
      if (now_[at].origin == origin) return at;
      if (searches_-- > 0) continue;
      searches_ = 0;
      set_aside(now_.size());
    }
    return now_.size();
  }
  /// Those before `to` do not come next.
  void set_aside(std::size_t to) {
    for (; read_ < to; ++read_) {
      auto origin = now_[read_].origin;
      aside_.emplace(std::move(origin), std::move(now_[read_]));
    }
  }
  Entry taken_from_aside(const std::string& origin) {
    if (auto found = aside_.extract(origin)) return std::move(found.mapped());
    Entry made;
    made.origin = origin;
    return made;
  }
  Entry& keep(Entry entry) {
    if (kept_ < read_) {
      now_[kept_] = std::move(entry);
    } else {
      now_.push_back(std::move(entry));
      ++read_;
    }
    return now_[kept_++];
  }

  std::vector<Entry> now_;  // [0, kept_): as listed this time; [read_, end): as listed last, still to come
  std::size_t kept_ = 0, read_ = 0, searches_ = 0;
  std::unordered_map<std::string, Entry> aside_;  // of the last time, by origin; they may come yet
};

}  // namespace lectern::presence
