// How fast each peer may fail: so many at once, then one a second.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace lectern::api {

/// [any]
class Pace {
 public:
  explicit Pace(std::uint32_t at_once) : full_(at_once) {}
  /// True when `peer` has nothing left; else, with `take`, one less is left.
  bool exhausted(const std::string& peer, bool take);

 private:
  struct Left {
    double allowance = 0;
    std::int64_t at_ms = 0;
  };
  double full_;
  std::mutex mutex_;
  std::unordered_map<std::string, Left> left_;  // bounded: refilled entries are dropped
};

}  // namespace lectern::api
