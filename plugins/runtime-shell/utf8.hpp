// Bytes that programs write become text: what is no UTF-8 becomes U+FFFD, and a character cut in two waits for its
// rest.
#pragma once

#include <string>
#include <string_view>

namespace shell {

class Utf8 {
 public:
  std::string take(std::string_view bytes);
  /// What still waits will never be completed.
  std::string finish();

 private:
  std::string pending_;  // the beginning of one character
};

}  // namespace shell
