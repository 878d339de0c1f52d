#include "scan.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ipynb {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace

std::size_t find_special(std::string_view text, std::size_t at, bool ascii) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1F),
                del = _mm_set1_epi8(0x7F);
  for (; at + 16 <= text.size(); at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    const __m128i found = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash)),
                                       _mm_cmpeq_epi8(_mm_max_epu8(bytes, control), control));
    int mask = _mm_movemask_epi8(found);
    if (ascii) mask |= _mm_movemask_epi8(bytes) | _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, del));
    if (mask != 0) return at + static_cast<std::size_t>(std::countr_zero(static_cast<unsigned>(mask)));
  }
#endif
  for (; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c == '"' || c == '\\' || c < 0x20 || (ascii && c >= 0x7F)) return at;
  }
  return at;
}

namespace {

/// As find_special(); what it passes that is not ASCII clears `ascii`.
std::size_t find_end(std::string_view text, std::size_t at, bool& ascii) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1F);
  for (; at + 16 <= text.size(); at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    const __m128i found = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash)),
                                       _mm_cmpeq_epi8(_mm_max_epu8(bytes, control), control));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(found));
    const auto high = static_cast<unsigned>(_mm_movemask_epi8(bytes));
    if (mask != 0) {
      const auto end = static_cast<unsigned>(std::countr_zero(mask));
      if ((high & ((1U << end) - 1)) != 0) ascii = false;
      return at + end;
    }
    if (high != 0) ascii = false;
  }
#endif
  for (; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c == '"' || c == '\\' || c < 0x20) return at;
    if (c >= 0x80) ascii = false;
  }
  return at;
}

}  // namespace

void Scanner::unexpected(const char* wanted) const {
  if (at_end()) bad(at_, std::string("the text ends where ") + wanted + " should be");
  if (find_invalid_utf8(text_.substr(at_, 4)) == 0) bad(at_, "the text is not UTF-8");
  const auto c = static_cast<unsigned char>(peek());
  std::string seen = c >= 0x20 && c < 0x7F ? std::string("'") + peek() + "'" : "a byte that cannot be there";
  bad(at_, seen + " where " + wanted + " should be");
}

void Scanner::skip_space() {
  while (at_ < text_.size() && is_space(text_[at_])) ++at_;
}

void Scanner::open(char closing) {
  if (stack_.size() >= max_depth_) bad(at_, "nested deeper than " + std::to_string(max_depth_) + " levels (max_depth)");
  stack_.push_back(closing);
  ++at_;
}

void Scanner::close() {
  stack_.pop_back();
  ++at_;
}

std::string_view Scanner::string() {
  const std::size_t begin = ++at_;
  bool ascii = true;
  for (;;) {
    at_ = find_end(text_, at_, ascii);
    if (at_end()) bad(begin - 1, "a string that does not end");
    if (peek() == '"') break;
    if (peek() != '\\') bad(at_, "a control character inside a string");
    escape();
  }
  ++at_;
  const auto content = text_.substr(begin, at_ - 1 - begin);
  if (!ascii) {
    ascii_ = false;
    if (const auto wrong = find_invalid_utf8(content); wrong != content.size()) {
      bad(begin + wrong, "the text is not UTF-8");
    }
  }
  return content;
}

void Scanner::escape() {
  const std::size_t begin = at_++;
  const char c = peek();
  if (c == '\0' || std::strchr("\"\\/bfnrtu", c) == nullptr) bad(begin, "an escape that JSON does not have");
  ++at_;
  if (c != 'u') return;
  for (int i = 0; i < 4; ++i, ++at_) {
    if (!is_hex(peek())) bad(begin, "\\u without four hex digits");
  }
  const auto digits = text_.substr(begin + 2, 4);
  if (digits.substr(0, 2) != "00" || digits[2] >= '8') escapes_unicode_ = true;
}

void Scanner::key() {
  if (peek() != '"') unexpected("a key");
  string();
  skip_space();
  if (peek() != ':') unexpected("':'");
  ++at_;
}

void Scanner::literal(std::string_view word) {
  if (text_.substr(at_, word.size()) != word) unexpected("a value");
  at_ += word.size();
}

void Scanner::number() {
  if (peek() == '-') ++at_;
  if (!is_digit(peek())) unexpected("a digit");
  if (peek() == '0') {
    ++at_;
    if (is_digit(peek())) bad(at_, "a number that begins with 0");
  }
  while (is_digit(peek())) ++at_;
  if (peek() == '.') {
    ++at_;
    if (!is_digit(peek())) unexpected("a digit");
    while (is_digit(peek())) ++at_;
  }
  if (peek() == 'e' || peek() == 'E') {
    ++at_;
    if (peek() == '+' || peek() == '-') ++at_;
    if (!is_digit(peek())) unexpected("a digit");
    while (is_digit(peek())) ++at_;
  }
}

std::string_view Scanner::value() {
  const std::size_t begin = at_;
  const std::size_t base = stack_.size();
  for (bool wants_value = true;;) {
    skip_space();
    if (!wants_value) {
      if (peek() == stack_.back()) {
        close();
      } else if (peek() == ',') {
        ++at_;
        skip_space();
        if (stack_.back() == '}') key();
        wants_value = true;
        continue;
      } else {
        unexpected(stack_.back() == '}' ? "',' or '}'" : "',' or ']'");
      }
    } else if (peek() == '"') {
      string();
    } else if (peek() == '{' || peek() == '[') {
      const char closing = peek() == '{' ? '}' : ']';
      open(closing);
      skip_space();
      if (peek() != closing) {
        if (closing == '}') key();
        continue;
      }
      close();
    } else if (peek() == 't') {
      literal("true");
    } else if (peek() == 'f') {
      literal("false");
    } else if (peek() == 'n') {
      literal("null");
    } else if (peek() == '-' || is_digit(peek())) {
      number();
    } else {
      unexpected("a value");
    }
    if (stack_.size() == base) return slice(begin);
    wants_value = false;
  }
}

std::size_t find_invalid_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    while (i + 16 <= text.size()) {
      std::uint64_t a = 0, b = 0;
      std::memcpy(&a, text.data() + i, 8);
      std::memcpy(&b, text.data() + i + 8, 8);
      if (((a | b) & 0x8080808080808080U) != 0) break;
      i += 16;
    }
    if (i >= text.size()) break;
    const auto byte = [&](std::size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0U; };
    const unsigned lead = byte(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const std::size_t more = lead >= 0xC2 && lead <= 0xDF   ? 1
                             : (lead & 0xF0) == 0xE0        ? 2
                             : lead >= 0xF0 && lead <= 0xF4 ? 3
                                                            : 0;
    if (more == 0) return i;
    for (std::size_t k = 1; k <= more; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return i;
    }
    const unsigned second = byte(i + 1);
    // Overlong forms, surrogates, past U+10FFFF.
    if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) || (lead == 0xF0 && second < 0x90) ||
        (lead == 0xF4 && second > 0x8F)) {
      return i;
    }
    i += more + 1;
  }
  return text.size();
}

}  // namespace ipynb
