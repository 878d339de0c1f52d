// What presence backends have in common, wherever they keep records: which ids they take, what a record must say, and
// what they tell of their health. Compiled into each of them.
#pragma once

#include <cstddef>
#include <exception>
#include <mutex>
#include <string>
#include <string_view>

#include "lectern/sdk/health.hpp"

namespace presence_common {

inline constexpr std::size_t max_record_bytes = 256u << 10;

/// What went wrong with the last publish; empty = nothing. Of the plugin, not of an object: health is asked of that.
class Trouble {
 public:
  /// [any]
  lectern::sdk::Health health() const;
  /// [worker] Runs `publish`, and keeps the words of the Failure it throws.
  template <class Publish>
  void watch(Publish&& publish) {
    try {
      publish();
      set({});
    } catch (const std::exception& failure) {
      set(failure.what());
      throw;
    }
  }

 private:
  void set(std::string text);
  mutable std::mutex mutex_;
  std::string text_;
};

/// [any] Ids become names of files and keys: 1 to 64 of a-z 0-9 - _.
bool is_id(std::string_view id);
/// Throws LECTERN_INVALID `bad_id`.
void check_ids(std::string_view device_id, std::string_view instance_id);
/// Throws LECTERN_TOO_LARGE.
void check_size(std::string_view record);
/// Why `record` does not speak for that device and instance; empty when it does.
std::string misplaced(std::string_view record, std::string_view device_id, std::string_view instance_id);

}  // namespace presence_common
