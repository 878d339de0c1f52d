#include "lines.hpp"

#include <algorithm>

namespace text_cells {

using lectern::sdk::Failure;

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto size = end == std::string_view::npos ? text.size() : end + 1;
    out.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return out;
}

std::string_view bare(std::string_view line, bool crlf) {
  if (!line.ends_with('\n')) return line;
  line.remove_suffix(1);
  if (crlf && line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool has_crlf(std::string_view text) {
  const auto end = text.find('\n');
  return end != std::string_view::npos && end > 0 && text[end - 1] == '\r';
}

bool blank(std::string_view line) {
  return line.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

std::string_view trim(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

std::size_t blank_at_end(const std::vector<std::string_view>& lines) {
  const auto last = std::find_if_not(lines.rbegin(), lines.rend(), blank);
  return static_cast<std::size_t>(last - lines.rbegin());
}

std::vector<std::string_view> source_lines(std::string_view source) {
  std::vector<std::string_view> out;
  for (auto end = source.find('\n'); end != std::string_view::npos; end = source.find('\n')) {
    out.push_back(source.substr(0, end));
    source.remove_prefix(end + 1);
  }
  out.push_back(source);
  return out;
}

std::string_view where_it_stands(std::string_view text, std::string_view source) {
  constexpr std::size_t glance = 64;
  int looks = 4;
  const auto begin = source.substr(0, glance);
  for (std::size_t at = 0; text.size() - at >= source.size() && looks > 0;) {
    if (text.substr(at, begin.size()) == begin) {
      if (text.substr(at, source.size()) == source) return text.substr(at, source.size());
      --looks;
    }
    const auto end = text.find('\n', at);
    if (end == std::string_view::npos) break;
    at = end + 1;
  }
  return source;
}

std::string join(const std::vector<std::string>& lines, std::string_view between) {
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += between;
    out += lines[i];
  }
  return out;
}

namespace {

// How many bytes the character at the beginning has; 0 when it is none.
std::size_t character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  const std::size_t n = first < 0x80   ? 1
                        : first < 0xC2 ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 0;
  if (n == 0 || n > text.size()) return 0;
  for (std::size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (first == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
  if (first == 0xED && byte(1) > 0x9F) return 0;  // surrogates
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) > 0x8F) return 0;
  return n;
}

[[noreturn]] void too_large(const std::string& what, std::uint64_t limit, const char* name) {
  throw Failure(LECTERN_TOO_LARGE, what + " (" + name + ": " + std::to_string(limit) + ").",
                "Split the notebook, or raise the limit.");
}

}  // namespace

void check_bytes(std::string_view bytes, const lectern::sdk::FormatLimits& limits) {
  if (bytes.size() > limits.max_bytes) too_large("The file is too large", limits.max_bytes, "max_bytes");
  std::uint64_t line = 1;
  std::size_t line_begins = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto n = character(bytes.substr(at, 4));
    if (n == 0) {
      throw Failure(LECTERN_INVALID, "The file is not UTF-8.", "Save it as UTF-8.").at(line, at - line_begins + 1);
    }
    if (bytes[at] == '\n') {
      ++line;
      line_begins = at + 1;
    }
    at += n;
  }
}

void check_cell(std::size_t number, std::size_t source_bytes, const lectern::sdk::FormatLimits& limits) {
  if (number > limits.max_cells) too_large("The notebook has too many cells", limits.max_cells, "max_cells");
  if (source_bytes > limits.max_source_bytes) {
    too_large("Cell " + std::to_string(number) + " is too long", limits.max_source_bytes, "max_source_bytes");
  }
}

std::string_view byte_order_mark(std::string_view bytes) {
  return bytes.starts_with("\xEF\xBB\xBF") ? bytes.substr(0, 3) : std::string_view{};
}

}  // namespace text_cells
