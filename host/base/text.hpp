// Small truths about text: UTF-8, places, hex, base64.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace lectern::text {

/// [any] True for well-formed UTF-8: no overlongs, no surrogates, nothing past U+10FFFF.
bool valid_utf8(std::string_view bytes);
/// [any] Number of code points of valid UTF-8.
std::size_t code_points(std::string_view utf8);
/// [any] Byte offset of code point `index` of valid UTF-8; the size when past the end.
std::size_t byte_offset(std::string_view utf8, std::size_t index);
/// [any] Line and column (both from 1, column in bytes) of a byte offset.
std::pair<std::size_t, std::size_t> line_and_column(std::string_view text, std::size_t offset);
/// [any] `text` made safe to show: at most `limit` code points, control and bidi characters removed.
std::string label(std::string_view text, std::size_t limit);

std::string to_hex(std::string_view bytes);
/// Empty optional for odd length or a wrong digit.
std::optional<std::string> from_hex(std::string_view hex);
/// Standard alphabet, padded.
std::string to_base64(std::string_view bytes);
/// Strict: padded, no line breaks, no stray bits; MIME line breaks are the caller's to remove.
std::optional<std::string> from_base64(std::string_view base64);

/// The nearest of `known` to `word` by edit distance, for "did you mean"; empty when nothing is near.
template <class Range>
std::string nearest(std::string_view word, const Range& known);
std::size_t edit_distance(std::string_view a, std::string_view b);

template <class Range>
std::string nearest(std::string_view word, const Range& known) {
  std::string best;
  std::size_t best_distance = word.size() / 3 + 2;
  for (const auto& candidate : known) {
    const auto distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace lectern::text
