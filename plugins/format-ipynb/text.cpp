#include "text.hpp"

#include <cstdint>

#include "scan.hpp"

namespace ipynb {
namespace {

std::uint32_t hex4(std::string_view raw, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const char c = raw[i];
    value = value * 16 + static_cast<std::uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return value;
}

void put_utf8(std::uint32_t c, std::string& out) {
  const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

bool is_high(std::uint32_t c) {
  return c >= 0xD800 && c < 0xDC00;
}
bool is_low(std::uint32_t c) {
  return c >= 0xDC00 && c < 0xE000;
}

// Handles the escape at raw[at] == '\\'; returns where it ends.
std::size_t decode_escape(std::string_view raw, std::size_t at, std::string& out, bool& whole) {
  switch (raw[at + 1]) {
    case 'n':
      out.push_back('\n');
      return at + 2;
    case 't':
      out.push_back('\t');
      return at + 2;
    case 'r':
      out.push_back('\r');
      return at + 2;
    case 'b':
      out.push_back('\b');
      return at + 2;
    case 'f':
      out.push_back('\f');
      return at + 2;
    case 'u':
      break;
    default:
      out.push_back(raw[at + 1]);
      return at + 2;
  }
  std::uint32_t c = hex4(raw, at + 2);
  at += 6;
  if (is_high(c) && at + 6 <= raw.size() && raw[at] == '\\' && raw[at + 1] == 'u' && is_low(hex4(raw, at + 2))) {
    c = 0x10000 + ((c - 0xD800) << 10) + (hex4(raw, at + 2) - 0xDC00);
    at += 6;
  } else if (is_high(c) || is_low(c)) {
    c = 0xFFFD;
    whole = false;
  }
  put_utf8(c, out);
  return at;
}

void put_u(std::uint32_t unit, std::string& out) {
  static constexpr char digits[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out.push_back(digits[(unit >> shift) & 15]);
}

// The code point of valid UTF-8 at `at`; moves `at` behind it.
std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const std::uint32_t lead = byte(at);
  const std::size_t more = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  if (at + more >= text.size()) return at = text.size(), 0xFFFD;
  std::uint32_t c = more == 0 ? lead : lead & (0x3FU >> more);
  for (std::size_t i = 1; i <= more; ++i) c = (c << 6) | (byte(at + i) & 0x3F);
  at += more + 1;
  return c;
}

void put_escaped(std::uint32_t c, std::string& out) {
  if (c >= 0x10000) {
    put_u(0xD800 + ((c - 0x10000) >> 10), out);
    put_u(0xDC00 + ((c - 0x10000) & 0x3FF), out);
  } else {
    put_u(c, out);
  }
}

}  // namespace

bool decode(std::string_view raw, std::string& out) {
  bool whole = true;
  for (std::size_t at = 0; at < raw.size();) {
    const auto slash = raw.find('\\', at);
    out.append(raw, at, slash == std::string_view::npos ? std::string_view::npos : slash - at);
    if (slash == std::string_view::npos) break;
    at = decode_escape(raw, slash, out, whole);
  }
  return whole;
}

std::string decoded(std::string_view raw) {
  std::string out;
  decode(raw, out);
  return out;
}

std::size_t decode_string(std::string_view text, std::size_t at, std::string& out) {
  bool whole = true;
  for (++at;;) {
    const std::size_t special = find_special(text, at);
    out.append(text, at, special - at);
    if (special >= text.size() || text[special] == '"') return special + 1;
    at = decode_escape(text, special, out, whole);
  }
}

void decode_source(std::string_view value, std::string& out) {
  for (std::size_t at = 0; at < value.size();) at = value[at] == '"' ? decode_string(value, at, out) : at + 1;
}

void encode(std::string_view text, bool ascii, std::string& out) {
  out.push_back('"');
  for (std::size_t at = 0;;) {
    const std::size_t special = find_special(text, at, ascii);
    out.append(text, at, special - at);
    at = special;
    if (at >= text.size()) break;
    const auto c = static_cast<unsigned char>(text[at]);
    if (c >= 0x80) {
      put_escaped(next_code_point(text, at), out);
      continue;
    }
    ++at;
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        put_u(c, out);
    }
  }
  out.push_back('"');
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  const auto end_line = [&](std::size_t end) {
    lines.push_back(text.substr(begin, end - begin));
    begin = end;
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c > 0x1E && c != 0xC2 && c != 0xE2) continue;
    if (c == '\r') {
      if (at + 1 < text.size() && text[at + 1] == '\n') ++at;
      end_line(at + 1);
    } else if (c == '\n' || c == '\v' || c == '\f' || (c >= 0x1C && c <= 0x1E)) {
      end_line(at + 1);
    } else if (text.substr(at, 2) == "\xC2\x85") {
      end_line(at + 2);
    } else if (text.substr(at, 3) == "\xE2\x80\xA8" || text.substr(at, 3) == "\xE2\x80\xA9") {
      end_line(at + 3);
    }
  }
  if (begin < text.size()) end_line(text.size());
  return lines;
}

}  // namespace ipynb
