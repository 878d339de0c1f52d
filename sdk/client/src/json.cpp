#include "lectern/client/json.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <memory>

#include "utf8.hpp"

namespace lectern::client {
namespace {

template <class T>
std::optional<T> number_from(const std::string& text) {
  T out{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return out;
}

void write_string(std::string_view text, std::string& out) {
  static constexpr char hex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (u < 0x20) {
      out += "\\u00";
      out += hex[u >> 4];
      out += hex[u & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace

/// Recursive, to the depth that the limits allow. The first error stays.
class Json::Parser {
 public:
  Parser(std::string_view text, const Limits& limits) : text_(text), limits_(limits) {}

  Result<Json> whole() {
    Json out = value(0);
    space();
    if (error_.empty() && at_ != text_.size()) fail("more text after the value");
    if (error_.empty()) return out;
    return Error{0, "bad_answer", "not JSON at byte " + std::to_string(wrong_at_ + 1) + ": " + error_, {}, {}};
  }

 private:
  void fail(const char* what) {
    if (!error_.empty()) return;
    error_ = what;
    wrong_at_ = at_;
    at_ = text_.size();
  }
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n'))
      ++at_;
  }
  [[nodiscard]] bool here(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) {
    space();
    if (!here(c)) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return false;
    at_ += expected.size();
    return true;
  }

  Json value(std::size_t depth) {
    Json out;
    space();
    if (depth > limits_.depth) {
      fail("nested too deep");
    } else if (++values_ > limits_.values) {
      fail("too many values");
    } else if (at_ >= text_.size()) {
      fail("the text ends where a value is expected");
    } else if (text_[at_] == '{') {
      out.data_ = object(depth);
    } else if (text_[at_] == '[') {
      out.data_ = array(depth);
    } else if (text_[at_] == '"') {
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

  Object object(std::size_t depth) {
    Object out;
    take('{');
    if (take('}')) return out;
    do {
      space();
      if (!here('"')) {
        fail("a key is expected");
        return out;
      }
      std::string key = string();
      if (!take(':')) fail("':' is expected");
      out.emplace_back(std::move(key), value(depth + 1));
    } while (error_.empty() && take(','));
    if (error_.empty() && !take('}')) fail("',' or '}' is expected");
    return out;
  }

  Array array(std::size_t depth) {
    Array out;
    take('[');
    if (take(']')) return out;
    do {
      out.push_back(value(depth + 1));
    } while (error_.empty() && take(','));
    if (error_.empty() && !take(']')) fail("',' or ']' is expected");
    return out;
  }

  bool digits() {
    const auto start = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > start;
  }
  Number number() {
    const auto start = at_;
    if (here('-')) ++at_;
    const bool zero = here('0');
    const auto whole = at_;
    if (!digits() || (zero && at_ - whole > 1)) fail("a value is expected");
    if (here('.')) {
      ++at_;
      if (!digits()) fail("a digit is expected after the point");
    }
    if (here('e') || here('E')) {
      ++at_;
      if (here('+') || here('-')) ++at_;
      if (!digits()) fail("a digit is expected in the exponent");
    }
    return Number{std::string(text_.substr(start, at_ - start))};
  }

  std::uint32_t hex4() {
    std::uint32_t out = 0;
    if (at_ + 4 > text_.size()) {
      fail("\\u needs four hex digits");
      return 0;
    }
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, out, 16);
    if (error != std::errc() || end != text_.data() + at_ + 4) {
      fail("\\u needs four hex digits");
      return 0;
    }
    at_ += 4;
    return out;
  }
  void escape(std::string& out) {
    if (at_ >= text_.size()) return fail("the text ends inside a string");
    const char c = text_[at_++];
    static constexpr std::string_view from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
    if (const auto i = from.find(c); i != std::string_view::npos) {
      out += to[i];
      return;
    }
    if (c != 'u') return fail("an unknown escape");
    std::uint32_t point = hex4();
    if (point >= 0xD800 && point < 0xDC00) {
      if (!word("\\u")) return fail("half a surrogate pair");
      const std::uint32_t low = hex4();
      if (low < 0xDC00 || low > 0xDFFF) return fail("half a surrogate pair");
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    } else if (point >= 0xDC00 && point <= 0xDFFF) {
      return fail("half a surrogate pair");
    }
    utf8::append(point, out);
  }
  std::string string() {
    std::string out;
    for (++at_; at_ < text_.size();) {
      const auto plain = text_.find_first_of("\"\\", at_);
      const auto end = plain == std::string_view::npos ? text_.size() : plain;
      for (auto i = at_; i < end; ++i) {
        if (static_cast<unsigned char>(text_[i]) >= 0x20) continue;
        at_ = i;
        fail("a control character in a string");
        return out;
      }
      out.append(text_, at_, end - at_);
      at_ = end;
      if (at_ == text_.size()) break;
      if (text_[at_++] == '"') return out;
      escape(out);
    }
    fail("the text ends inside a string");
    return out;
  }

  std::string_view text_;
  const Limits& limits_;
  std::size_t at_ = 0;
  std::size_t values_ = 0;
  std::size_t wrong_at_ = 0;
  std::string error_;
};

Json::Json(double value) {
  if (!std::isfinite(value)) return;
  std::array<char, 40> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc()) data_ = Number{std::string(text.data(), end)};
}

Result<Json> Json::parse(std::string_view text, const Limits& limits) {
  if (!utf8::valid(text)) return Error{0, "bad_answer", "not JSON: the text is not UTF-8", {}, {}};
  return Parser(text, limits).whole();
}

void Json::write(std::string& out) const {
  if (const auto* flag = std::get_if<bool>(&data_)) {
    out += *flag ? "true" : "false";
  } else if (const auto* number = std::get_if<Number>(&data_)) {
    out += number->text;
  } else if (const auto* text = as_string()) {
    write_string(*text, out);
  } else if (const auto* values = as_array()) {
    out += '[';
    for (std::size_t i = 0; i < values->size(); ++i) {
      if (i > 0) out += ',';
      (*values)[i].write(out);
    }
    out += ']';
  } else if (const auto* members = as_object()) {
    out += '{';
    for (std::size_t i = 0; i < members->size(); ++i) {
      if (i > 0) out += ',';
      write_string((*members)[i].first, out);
      out += ':';
      (*members)[i].second.write(out);
    }
    out += '}';
  } else {
    out += "null";
  }
}

std::string Json::dump() const {
  std::string out;
  write(out);
  return out;
}

std::string Json::text() const {
  const auto* text = as_string();
  return text != nullptr ? *text : std::string();
}
std::optional<bool> Json::boolean() const {
  const auto* flag = std::get_if<bool>(&data_);
  return flag != nullptr ? std::optional(*flag) : std::nullopt;
}
std::optional<std::int64_t> Json::integer() const {
  const auto* number = std::get_if<Number>(&data_);
  return number != nullptr ? number_from<std::int64_t>(number->text) : std::nullopt;
}
std::optional<double> Json::number() const {
  const auto* number = std::get_if<Number>(&data_);
  return number != nullptr ? number_from<double>(number->text) : std::nullopt;
}

const Json* Json::find(std::string_view key) const {
  if (const auto* members = as_object()) {
    for (const auto& [name, value] : *members) {
      if (name == key) return &value;
    }
  }
  return nullptr;
}
Json* Json::find(std::string_view key) {
  return const_cast<Json*>(std::as_const(*this).find(key));
}

namespace {
const Json& nothing() {
  // Never destroyed: sessions that are globals still read at exit.
  static const auto* const null = std::make_unique<Json>().release();
  return *null;
}
}  // namespace

const Json& Json::operator[](std::string_view key) const {
  const auto* member = find(key);
  return member != nullptr ? *member : nothing();
}
const Json& Json::operator[](std::size_t index) const {
  const auto* values = as_array();
  return values != nullptr && index < values->size() ? (*values)[index] : nothing();
}
std::size_t Json::size() const {
  if (const auto* values = as_array()) return values->size();
  if (const auto* members = as_object()) return members->size();
  return 0;
}
Json& Json::set(std::string_view key, Json value) & {
  if (!is_object()) data_ = Object{};
  if (auto* member = find(key)) {
    *member = std::move(value);
  } else {
    as_object()->emplace_back(key, std::move(value));
  }
  return *this;
}
Json&& Json::set(std::string_view key, Json value) && {
  set(key, std::move(value));
  return std::move(*this);
}
void Json::erase(std::string_view key) {
  if (auto* members = as_object()) {
    std::erase_if(*members, [&](const auto& member) { return member.first == key; });
  }
}
void Json::push_back(Json value) {
  if (!is_array()) data_ = Array{};
  as_array()->push_back(std::move(value));
}

}  // namespace lectern::client
