// Names content: no two files have one sum by accident. It is XXH3's of 128 bits, which takes a sixth of the time of
// SHA-256, and no proof against people who look for two contents with one sum: they could write the file anyway.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace lectern::document {

/// [any] One thread at a time.
class ContentSum {
 public:
  ContentSum();
  ~ContentSum();
  ContentSum(const ContentSum&) = delete;
  ContentSum& operator=(const ContentSum&) = delete;
  /// Back to no content.
  void begin();
  /// The sum is that of all pieces in a row, however they are cut.
  void update(std::string_view piece);
  /// 32 hex digits.
  [[nodiscard]] std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// [any] The sum of content that is all here.
std::string sum_of(std::string_view content);

}  // namespace lectern::document
