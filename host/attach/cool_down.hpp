// Endpoints that failed are left alone for a while: longer with each failure in a row, and then one try decides. Pure:
// time comes with every call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace lectern::attach {

class CoolDown {
 public:
  struct Times {
    std::int64_t first_ms = 1'000, longest_ms = 30'000;  // doubles in between
    std::int64_t try_ms = 10'000;                        // a try that said nothing for so long has failed
    std::size_t max_endpoints = 4'096;                   // remembered; beyond it, those that cooled longest ago go
  };
  CoolDown() = default;
  explicit CoolDown(Times times) : times_(times) {}

  /// Whether `endpoint` may be tried now. Of one that failed before, true is given once: nobody else tries until
  /// that try has ended.
  bool may_try(const std::string& endpoint, std::int64_t now_ms);
  void failed(const std::string& endpoint, std::int64_t now_ms);
  void succeeded(const std::string& endpoint) { entries_.erase(endpoint); }
  /// A try ended without saying anything of the endpoint: another one was faster.
  void withdrawn(const std::string& endpoint);
  /// How long `endpoint` is still left alone; 0 = not at all.
  [[nodiscard]] std::int64_t left_ms(const std::string& endpoint, std::int64_t now_ms) const;

 private:
  struct Entry {
    std::int64_t until_ms = 0, length_ms = 0;
    std::int64_t tried_ms = -1;  // a try is under way since then
  };
  void make_room();
  Times times_{};
  std::unordered_map<std::string, Entry> entries_;
};

/// Pauses between attempts: the first at once, then doubling to the longest. Pure.
class BackOff {
 public:
  BackOff(std::int64_t first_ms, std::int64_t longest_ms) : first_ms_(first_ms), longest_ms_(longest_ms) {}
  /// The pause before the next attempt, spread by `random` in [0, 1): half of it is certain.
  std::int64_t next_ms(double random);
  void reset() { at_ms_ = -1; }

 private:
  std::int64_t first_ms_, longest_ms_;
  std::int64_t at_ms_ = -1;  // -1: no attempt was made
};

}  // namespace lectern::attach
