#include "cbor.hpp"

#include <lectern/sdk/base64.hpp>
#include <lectern/sdk/failure.hpp>
#include <lectern/sdk/json_slice.hpp>

#include <bit>
#include <charconv>
#include <cmath>
#include <iterator>

namespace cbor {
namespace {

namespace json = lectern::sdk::json;

constexpr int max_depth = 64;
constexpr std::size_t max_items = 200'000;

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t n = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    if (n == 0 || n > text.size() - i) return false;
    std::uint32_t point = n == 1 ? lead : lead & (0x7Fu >> n);
    for (std::size_t k = 1; k < n; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xC0) != 0x80) return false;
      point = (point << 6) | (next & 0x3Fu);
    }
    constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < least[n] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return false;
    i += n;
  }
  return true;
}

double half(std::uint64_t bits) {
  const auto exponent = static_cast<int>(bits >> 10 & 31);
  const auto fraction = static_cast<double>(bits & 1023);
  const double value = exponent == 0    ? std::ldexp(fraction, -24)
                       : exponent != 31 ? std::ldexp(fraction + 1024, exponent - 25)
                                        : HUGE_VAL;
  return (bits & 0x8000) != 0 ? -value : value;
}

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : bytes_(bytes) {}

  Item whole() {
    Item made = item(0);
    if (at_ != bytes_.size()) fail("more bytes after the item");
    return made;
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw lectern::sdk::Failure(LECTERN_INVALID, "not CBOR at byte " + std::to_string(at_ + 1) + ": " + what);
  }
  unsigned next() {
    if (at_ == bytes_.size()) fail("the item ends early");
    return static_cast<unsigned char>(bytes_[at_++]);
  }
  std::uint64_t argument(unsigned info) {
    if (info < 24) return info;
    if (info > 27) fail("an unknown length");
    std::uint64_t value = 0;
    for (unsigned n = 1u << (info - 24); n != 0; --n) value = value << 8 | next();
    return value;
  }
  std::string_view taken(std::uint64_t n) {
    if (n > bytes_.size() - at_) fail("a string is longer than what is left");
    at_ += static_cast<std::size_t>(n);
    return bytes_.substr(at_ - static_cast<std::size_t>(n), static_cast<std::size_t>(n));
  }
  Item item(int depth) {
    if (depth > max_depth) fail("nested deeper than 64");
    if (++count_ > max_items) fail("more than 200000 items");
    const unsigned head = next(), major = head >> 5, info = head & 31;
    if (major == 7) return simple(info);
    Item made;
    if (major == 4 || major == 5) {
      made.type = major == 4 ? Type::array : Type::map;
      collect(made, info, depth);
      return made;
    }
    const auto value = argument(info);
    switch (major) {
      case 0:
      case 1:
        made.type = major == 0 ? Type::integer : Type::negative;
        made.number = value;
        return made;
      case 2:
        made.type = Type::bytes;
        made.text = taken(value);
        return made;
      case 3:
        made.type = Type::text;
        made.text = taken(value);
        if (!is_utf8(made.text)) fail("a text is not UTF-8");
        return made;
      default:  // a tag: what it wraps is taken as it is
        return item(depth + 1);
    }
  }
  void collect(Item& into, unsigned info, int depth) {
    const bool until_break = info == 31;
    const std::uint64_t n = until_break ? 0 : argument(info);
    // Every item takes a byte at least, so a count beyond that is a lie and nothing is reserved for it.
    if (n > bytes_.size() - at_) fail("more items than bytes");
    const bool map = into.type == Type::map;
    for (std::uint64_t i = 0; until_break || i < n; ++i) {
      if (until_break && at_ < bytes_.size() && bytes_[at_] == '\xff') {
        ++at_;
        return;
      }
      if (map) {
        into.items.push_back(item(depth + 1));
        if (into.items.back().type != Type::text) fail("a key is no text");
      }
      into.items.push_back(item(depth + 1));
    }
  }
  Item simple(unsigned info) {
    Item made;
    switch (info) {
      case 20:
      case 21:
        made.type = Type::boolean;
        made.flag = info == 21;
        return made;
      case 22:
      case 23:  // undefined
        return made;
      case 25:
        made.real = half(argument(info));
        break;
      case 26:
        made.real = std::bit_cast<float>(static_cast<std::uint32_t>(argument(info)));
        break;
      case 27:
        made.real = std::bit_cast<double>(argument(info));
        break;
      default:
        fail("an unknown simple value");
    }
    made.type = Type::real;
    if (!std::isfinite(made.real)) fail("JSON knows no such number");
    return made;
  }
  std::string_view bytes_;
  std::size_t at_ = 0, count_ = 0;
};

void put_double(double value, std::string& out) {
  out += '\xfb';
  const auto bits = std::bit_cast<std::uint64_t>(value);
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(bits >> shift & 0xFF);
}

void put_number(std::string_view digits, std::string& out) {
  const auto* end = digits.data() + digits.size();
  const bool whole = digits.find_first_of(".eE") == std::string_view::npos;
  if (whole && digits != "-0") {
    const bool below = digits.front() == '-';
    std::uint64_t value = 0;
    const auto [stop, problem] = std::from_chars(digits.data() + (below ? 1 : 0), end, value);
    if (problem == std::errc() && stop == end) return below ? put_head(1, value - 1, out) : put_head(0, value, out);
  }
  double value = 0;
  char back[400];
  const bool fits = std::from_chars(digits.data(), end, value).ec == std::errc();
  // A whole number that a double would round is not one any more: an id, a hash.
  const bool rounded =
      whole && fits && std::string_view(back, std::to_chars(back, std::end(back), value).ptr) != digits;
  if (!fits || rounded) return put_text(digits, out);
  put_double(value, out);
}

void put_json_text(std::string_view slice, std::string& out) {
  if (slice.find('\\') == std::string_view::npos) return put_text(slice.substr(1, slice.size() - 2), out);
  put_text(json::text(slice), out);
}

}  // namespace

const Item* Item::find(std::string_view key) const {
  if (type != Type::map) return nullptr;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].text == key) return &items[i + 1];
  }
  return nullptr;
}

Item decode(std::string_view bytes) {
  return Decoder(bytes).whole();
}

void to_json(const Item& item, std::string& out) {
  switch (item.type) {
    case Type::null:
      out += "null";
      return;
    case Type::boolean:
      out += item.flag ? "true" : "false";
      return;
    case Type::integer:
      out += std::to_string(item.number);
      return;
    case Type::negative:
      out += '-';
      out += item.number == UINT64_MAX ? "18446744073709551616" : std::to_string(item.number + 1);
      return;
    case Type::real: {
      char digits[32];
      out.append(digits, std::to_chars(digits, digits + sizeof digits, item.real).ptr);
      return;
    }
    case Type::text:
      return json::quote(item.text, out);
    case Type::bytes:
      out += '"';
      lectern::sdk::append_base64(item.text, out);
      out += '"';
      return;
    case Type::array:
    case Type::map:
      break;
  }
  const bool map = item.type == Type::map;
  out += map ? '{' : '[';
  for (std::size_t i = 0; i < item.items.size(); ++i) {
    if (i != 0) out += map && i % 2 == 1 ? ':' : ',';
    to_json(item.items[i], out);
  }
  out += map ? '}' : ']';
}

void put_head(unsigned major, std::uint64_t value, std::string& out) {
  const auto type = major << 5;
  if (value < 24) {
    out += static_cast<char>(type | value);
    return;
  }
  const unsigned size = value <= 0xFF ? 0 : value <= 0xFFFF ? 1 : value <= 0xFFFF'FFFF ? 2 : 3;
  out += static_cast<char>(type | (24 + size));
  for (int shift = 8 * (1 << size) - 8; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
}

void put_text(std::string_view text, std::string& out) {
  put_head(3, text.size(), out);
  out += text;
}

void put_bytes(std::string_view bytes, std::string& out) {
  put_head(2, bytes.size(), out);
  out += bytes;
}

void from_json(std::string_view text, std::string& out) {
  const auto slice = json::trim(text);
  if (slice.empty()) return put_null(out);
  switch (slice.front()) {
    case '{':  // counted by nobody beforehand: a map that ends with a break
      out += '\xbf';
      json::each_member(slice, [&](std::string_view key, std::string_view value) {
        put_json_text(key, out);
        from_json(value, out);
        return true;
      });
      out += '\xff';
      return;
    case '[':
      out += '\x9f';
      json::each_item(slice, [&](std::string_view value) {
        from_json(value, out);
        return true;
      });
      out += '\xff';
      return;
    case '"':
      return put_json_text(slice, out);
    case 't':
      out += '\xf5';
      return;
    case 'f':
      out += '\xf4';
      return;
    case 'n':
      return put_null(out);
    default:
      return put_number(slice, out);
  }
}

}  // namespace cbor
