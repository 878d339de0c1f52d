// A small JSON reader for settings and for a policy's own state, so that a plugin need not bring a library for that.
// It is no parser for notebooks: it keeps everything, and recursion ends at depth 32.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lectern/sdk/failure.hpp"

namespace lectern::sdk {

/// [any] `text` as a JSON string, quotes included.
inline std::string quote(std::string_view text) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (u < 0x20) {
      out += "\\u00";
      out += hex[u >> 4];
      out += hex[u & 15];
    } else {
      out += c;
    }
  }
  return out += '"';
}

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;

  Json() = default;
  /// [any] One whole JSON text; throws a Failure with the byte where it is wrong.
  static Json parse(std::string_view text) {
    Parser parser{text};
    Json value = parser.value(0);
    parser.space();
    if (parser.at != text.size()) parser.fail("more text after the value");
    return value;
  }

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::nullptr_t>(data_); }
  /// Null when the type differs.
  [[nodiscard]] const bool* as_bool() const { return std::get_if<bool>(&data_); }
  [[nodiscard]] const double* as_number() const { return std::get_if<double>(&data_); }
  [[nodiscard]] const std::string* as_string() const { return std::get_if<std::string>(&data_); }
  [[nodiscard]] const Array* as_array() const { return std::get_if<Array>(&data_); }
  [[nodiscard]] const Object* as_object() const { return std::get_if<Object>(&data_); }
  /// Null when absent or not an object.
  [[nodiscard]] const Json* find(std::string_view key) const {
    if (const auto* object = as_object()) {
      for (const auto& [name, value] : *object) {
        if (name == key) return &value;
      }
    }
    return nullptr;
  }

 private:
  struct Parser {
    std::string_view text;
    std::size_t at = 0;

    [[noreturn]] void fail(std::string_view what) const {
      throw Failure(LECTERN_INVALID, "not JSON at byte " + std::to_string(at + 1) + ": " + std::string(what));
    }
    void space() {
      while (at < text.size() && std::string_view(" \t\r\n").find(text[at]) != std::string_view::npos) ++at;
    }
    bool take(char c) {
      space();
      if (at >= text.size() || text[at] != c) return false;
      ++at;
      return true;
    }
    bool word(std::string_view expected) {
      if (text.substr(at, expected.size()) != expected) return false;
      at += expected.size();
      return true;
    }
    Json value(int depth) {
      if (depth > 32) fail("nested deeper than 32");
      space();
      Json out;
      if (at >= text.size()) fail("the text ends where a value is expected");
      if (text[at] == '{') {
        out.data_ = object(depth);
      } else if (text[at] == '[') {
        out.data_ = array(depth);
      } else if (text[at] == '"') {
        out.data_ = string();
      } else if (word("true")) {
        out.data_ = true;
      } else if (word("false")) {
        out.data_ = false;
      } else if (!word("null")) {
        out.data_ = number();
      }
      return out;
    }
    Object object(int depth) {
      Object out;
      take('{');
      if (take('}')) return out;
      do {
        space();
        if (at >= text.size() || text[at] != '"') fail("a key is expected");
        std::string key = string();
        for (const auto& [name, ignored] : out) {
          if (name == key) fail("the key " + quote(key) + " comes twice");
        }
        if (!take(':')) fail("':' is expected");
        out.emplace_back(std::move(key), value(depth + 1));
      } while (take(','));
      if (!take('}')) fail("',' or '}' is expected");
      return out;
    }
    Array array(int depth) {
      Array out;
      take('[');
      if (take(']')) return out;
      do {
        out.push_back(value(depth + 1));
      } while (take(','));
      if (!take(']')) fail("',' or ']' is expected");
      return out;
    }
    double number() {
      const auto end = text.find_first_not_of("+-.0123456789eE", at);
      const std::string_view digits = text.substr(at, end == std::string_view::npos ? end : end - at);
      double out = 0;
      const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
      if (digits.empty() || error != std::errc() || stop != digits.data() + digits.size()) fail("a value is expected");
      at += digits.size();
      return out;
    }
    std::uint32_t hex4() {
      std::uint32_t out = 0;
      if (at + 4 > text.size()) fail("\\u needs four hex digits");
      const auto [stop, error] = std::from_chars(text.data() + at, text.data() + at + 4, out, 16);
      if (error != std::errc() || stop != text.data() + at + 4) fail("\\u needs four hex digits");
      at += 4;
      return out;
    }
    void code_point(std::uint32_t point, std::string& out) const {
      if (point < 0x80) {
        out += static_cast<char>(point);
      } else if (point < 0x800) {
        out += static_cast<char>(0xC0 | (point >> 6));
        out += static_cast<char>(0x80 | (point & 63));
      } else if (point < 0x10000) {
        out += static_cast<char>(0xE0 | (point >> 12));
        out += static_cast<char>(0x80 | ((point >> 6) & 63));
        out += static_cast<char>(0x80 | (point & 63));
      } else {
        out += static_cast<char>(0xF0 | (point >> 18));
        out += static_cast<char>(0x80 | ((point >> 12) & 63));
        out += static_cast<char>(0x80 | ((point >> 6) & 63));
        out += static_cast<char>(0x80 | (point & 63));
      }
    }
    void escape(std::string& out) {
      if (at >= text.size()) fail("the text ends inside a string");
      const char c = text[at++];
      static constexpr std::string_view from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
      if (const auto i = from.find(c); i != std::string_view::npos) {
        out += to[i];
        return;
      }
      if (c != 'u') fail("an unknown escape");
      std::uint32_t point = hex4();
      if (point >= 0xD800 && point < 0xDC00) {
        if (!word("\\u")) fail("half a surrogate pair");
        const std::uint32_t low = hex4();
        if (low < 0xDC00 || low > 0xDFFF) fail("half a surrogate pair");
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
      } else if (point >= 0xDC00 && point <= 0xDFFF) {
        fail("half a surrogate pair");
      }
      code_point(point, out);
    }
    std::string string() {
      std::string out;
      for (++at; at < text.size();) {
        const char c = text[at++];
        if (c == '"') return out;
        if (c == '\\') {
          escape(out);
        } else if (static_cast<unsigned char>(c) < 0x20) {
          fail("a control character in a string");
        } else {
          out += c;
        }
      }
      fail("the text ends inside a string");
    }
  };

  std::variant<std::nullptr_t, bool, double, std::string, Array, Object> data_{nullptr};
};

}  // namespace lectern::sdk
