#include "utf8.hpp"

#include <cstddef>

namespace shell {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

struct Character {
  std::size_t length = 1;
  bool valid = false, cut = false;
};

Character look(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {1, true, false};
  const std::size_t length = first >= 0xC2 && first <= 0xDF   ? 2
                             : first >= 0xE0 && first <= 0xEF ? 3
                             : first >= 0xF0 && first <= 0xF4 ? 4
                                                              : 0;
  if (length == 0) return {};
  for (std::size_t i = 1; i < length; ++i) {
    if (i == text.size()) return {i, false, true};
    unsigned char low = 0x80, high = 0xBF;
    if (i == 1) {  // overlong forms, surrogates, and what lies past U+10FFFF
      if (first == 0xE0) low = 0xA0;
      if (first == 0xED) high = 0x9F;
      if (first == 0xF0) low = 0x90;
      if (first == 0xF4) high = 0x8F;
    }
    if (byte(i) < low || byte(i) > high) return {i, false, false};
  }
  return {length, true, false};
}

}  // namespace

std::string Utf8::take(std::string_view bytes) {
  std::string joined;
  if (!pending_.empty()) {
    joined = pending_ + std::string(bytes);
    pending_.clear();
    bytes = joined;
  }
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const auto character = look(bytes.substr(at));
    if (character.cut) {
      pending_ = std::string(bytes.substr(at));
      break;
    }
    out += character.valid ? bytes.substr(at, character.length) : replacement;
    at += character.length;
  }
  return out;
}

std::string Utf8::finish() {
  if (pending_.empty()) return {};
  pending_.clear();
  return std::string(replacement);
}

}  // namespace shell
