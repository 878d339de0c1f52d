// A strict JSON scanner that finds where values begin and end and builds nothing. It does not recurse, and every byte
// it passes has been checked, so that a slice it gives is valid JSON text in valid UTF-8. It passes each byte once: of
// a notebook with large outputs every further look at all of it costs as much as scanning.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ipynb {

/// What is wrong and where in the text; read() turns the offset into line and column.
struct Malformed {
  std::size_t offset;
  std::string message;
};

/// Of text that read() has checked for the real limit.
inline constexpr std::size_t any_depth = 4096;

class Scanner {
 public:
  Scanner(std::string_view text, std::size_t max_depth) : text_(text), max_depth_(max_depth) {}

  [[nodiscard]] std::size_t at() const { return at_; }
  void go_to(std::size_t offset) { at_ = offset; }
  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  /// The byte to come; NUL at the end.
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  [[nodiscard]] std::string_view slice(std::size_t begin) const { return text_.substr(begin, at_ - begin); }
  [[nodiscard]] std::string_view text() const { return text_; }

  void skip_space();
  /// The content of a string between its quotes, escapes as they are.
  std::string_view string();
  /// Any value, whole.
  std::string_view value();

  /// At an object: calls `member(raw_key)` at each value; it must consume the value.
  template <class F>
  void object(F&& member);
  /// At an array: calls `element()` at each value; it must consume the value.
  template <class F>
  void array(F&& element);

  [[noreturn]] void bad(std::size_t offset, std::string message) const { throw Malformed{offset, std::move(message)}; }
  [[noreturn]] void unexpected(const char* wanted) const;

  /// A string seen so far had a \u escape of what is not ASCII.
  [[nodiscard]] bool escapes_unicode() const { return escapes_unicode_; }
  /// Strings seen so far were ASCII, escapes aside. Outside of strings nothing else can be.
  [[nodiscard]] bool ascii() const { return ascii_; }

 private:
  void open(char closing);
  void close();
  void key();
  void literal(std::string_view word);
  void number();
  void escape();

  std::string_view text_;
  std::size_t max_depth_;
  std::size_t at_ = 0;
  std::vector<char> stack_;  // the brackets that close what is open
  bool escapes_unicode_ = false;
  bool ascii_ = true;
};

template <class F>
void Scanner::object(F&& member) {
  if (peek() != '{') unexpected("an object");
  open('}');
  for (skip_space(); peek() != '}'; skip_space()) {
    if (peek() != '"') unexpected("a key");
    const auto name = string();
    skip_space();
    if (peek() != ':') unexpected("':'");
    ++at_;
    skip_space();
    member(name);
    skip_space();
    if (peek() == '}') break;
    if (peek() != ',') unexpected("',' or '}'");
    ++at_;
    skip_space();
    if (peek() == '}') unexpected("a key");
  }
  close();
}

template <class F>
void Scanner::array(F&& element) {
  if (peek() != '[') unexpected("an array");
  open(']');
  for (skip_space(); peek() != ']'; skip_space()) {
    element();
    skip_space();
    if (peek() == ']') break;
    if (peek() != ',') unexpected("',' or ']'");
    ++at_;
    skip_space();
    if (peek() == ']') unexpected("a value");
  }
  close();
}

/// From `at` on, the first quote, backslash or control character, with `ascii` also DEL and what is not ASCII; the size
/// when there is none.
std::size_t find_special(std::string_view text, std::size_t at, bool ascii = false);

/// Offset of the first byte that is not part of valid UTF-8; the size when there is none.
std::size_t find_invalid_utf8(std::string_view text);

}  // namespace ipynb
